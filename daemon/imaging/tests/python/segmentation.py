"""Holds segmentations against their source series with pydicom and highdicom: every voxel in patient space.

The test's rule makes the label of a voxel out of its stored value, so what a segmentation must say follows from the source
series alone: 0 is background, 1 the first segment, 2 the second (value modulo 3).
"""
import pathlib, sys, warnings

import highdicom as hd
import numpy as np
import pydicom

warnings.simplefilter("error")
# Our test series are minimal; what the libraries say of those is not about segmentations.
warnings.filterwarnings("ignore", category=DeprecationWarning)


def planes(ds):
    """Position, orientation, spacing, pixels and segment of each frame."""
    pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    if "PerFrameFunctionalGroupsSequence" not in ds:
        yield ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, pixels[0], None
        return
    shared = ds.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    for frame, plane in zip(ds.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        identification = frame.get("SegmentIdentificationSequence")
        yield (
            frame.PlanePositionSequence[0].ImagePositionPatient,
            orientation,
            spacing,
            plane,
            identification[0].ReferencedSegmentNumber if identification else None,
        )


def in_space(position, orientation, spacing, shape):
    """Coordinates of each voxel of a plane (PS3.3 C.7.6.2.1.1)."""
    position, orientation, spacing = (np.array(v, float) for v in (position, orientation, spacing))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (
        position
        + columns[..., None] * spacing[1] * orientation[:3]
        + rows[..., None] * spacing[0] * orientation[3:]
    )


def check(case):
    sources = [pydicom.dcmread(path) for path in sorted((case / "series").iterdir())]
    first = sources[0]
    seg = hd.seg.segread(case / "mask.patient.dcm")
    bee = hd.seg.segread(case / "mask.dcm")

    # Where the series has its voxels, and which label each must have.
    places, expected = [], []
    for source in sources:
        for position, orientation, spacing, plane, _ in planes(source):
            places.append(in_space(position, orientation, spacing, plane.shape).reshape(-1, 3))
            expected.append((plane.astype(int) % 3).ravel())
    places, expected = np.concatenate(places), np.concatenate(expected)
    assert len(np.unique(expected)) == 3

    # What the segmentation says of each place.
    found = np.zeros(len(places), int)
    for position, orientation, spacing, plane, segment in planes(seg):
        here = in_space(position, orientation, spacing, plane.shape)[plane > 0]
        distance = np.linalg.norm(places[None] - here[:, None], axis=-1)
        nearest = distance.argmin(axis=1)
        assert distance.min(axis=1).max() < 1e-6, "a voxel lies where the series has none"
        assert (found[nearest] == 0).all(), "a voxel has two labels"
        found[nearest] = segment
    assert (found == expected).all(), "a voxel has another label than its place"
    assert (bee.pixel_array == seg.pixel_array).all()

    # What it says of itself.
    assert seg.segmentation_type == hd.seg.SegmentationTypeValues.BINARY
    assert [s.segment_label for s in (seg.get_segment_description(n) for n in (1, 2))] == [
        "brain",
        "a_structure_with_a_long_name",
    ]
    brain = seg.get_segment_description(1)
    assert (brain.segmented_property_type.value, brain.segmented_property_type.scheme_designator) == ("12738006", "SCT")
    assert seg.get_segment_description(2).segmented_property_type.scheme_designator == "99SWARMOS"
    assert seg.ContentDescription == "research use, not for diagnosis"
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID"):
        assert seg[keyword].value == first[keyword].value, keyword
    assert not bee.PatientName and not bee.PatientID
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == first.SeriesInstanceUID
    assert {i.ReferencedSOPInstanceUID for i in referenced.ReferencedInstanceSequence} == {
        s.SOPInstanceUID for s in sources
    }
    wanted = {s.SOPInstanceUID for s in sources}
    assert not wanted & {i.ReferencedSOPInstanceUID for i in bee.ReferencedSeriesSequence[0].ReferencedInstanceSequence}

    # By reference: the labels of each source object, in the order of the files.
    rule = lambda ds: ds.pixel_array.astype(int) % 3
    if len(sources) > 1:
        labels = seg.get_pixels_by_source_instance(
            [s.SOPInstanceUID for s in sources], combine_segments=True, assert_missing_frames_are_empty=True
        )
        assert (labels == np.stack([rule(s) for s in sources])).all()
        # And by highdicom's own geometry, resampled by index into the grid of the series.
        scan = hd.get_volume_from_series(sources)
        volume = seg.get_volume(combine_segments=True).match_geometry(scan, tol=1e-4)
        assert (volume.array == scan.array.astype(int) % 3).all()
    else:
        labels = seg.get_pixels_by_source_frame(
            first.SOPInstanceUID,
            range(1, first.NumberOfFrames + 1),
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
        assert (labels == rule(first)).all()
    print(f"{case.name}: {len(places)} voxels in place")


for case in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    check(case)
