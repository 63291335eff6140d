"""Write monai.json: what MONAI 1.6.1 and PyTorch compute on small seeded volumes. Run by hand:

    pip install monai==1.6.1 torch==2.15.0 numpy==2.4.6 nibabel scipy scikit-image
    python make.py > monai.json

Volumes are given by seed and dims (SplitMix64, top 24 bits as [0, 1), x fastest) and listed x fastest.
The cases Activations, AsDiscrete and Invert in the tree were made with torch 2.11.0.
The tests in `kernels/tests/golden.rs` read the file; they need none of these packages.
"""

import json
import math
import sys

import monai
import numpy as np
import skimage.measure
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.transforms import (
    Activations,
    AsDiscrete,
    Compose,
    CropForeground,
    DivisiblePad,
    FillHoles,
    Invertd,
    KeepLargestConnectedComponent,
    NormalizeIntensity,
    Orientation,
    Orientationd,
    Resize,
    ScaleIntensity,
    ScaleIntensityRange,
    ScaleIntensityRangePercentiles,
    Spacing,
    Spacingd,
    SpatialPad,
)

OBLIQUE = [[-0.9, 0.11, 0.2, 40.0], [0.05, 1.3, -0.31, -20.0], [0.1, 0.4, 2.4, 7.0], [0, 0, 0, 1]]
# Columns at right angles, so that Spacing has a diagonal map; the axes point to S, L, P.
STRAIGHT = [[0, -1.2, 0, 3], [0, 0, -2.0, 4], [0.8, 0, 0, 5], [0, 0, 0, 1]]
UNIT = np.eye(4).tolist()


def noise(seed, dims):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, math.prod(dims) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    values = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return values.reshape(dims, order="F")


def volume(seed, dims, affine=UNIT, scale=1.0, offset=0.0):
    array = noise(seed, dims) * np.float32(scale) + np.float32(offset)
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=torch.tensor(affine, dtype=torch.float64))


def labels(seed, dims, cuts):
    """Label 0 below the first cut, 1 below the second, 2 above."""
    array = np.digitize(noise(seed, dims), np.float32(cuts)).astype(np.float32)
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None])


def case(op, seed, dims, out, affine=UNIT, scale=1.0, offset=0.0, **parameters):
    array = np.asarray(out)[0]
    values = [float(f"{v:.9g}") for v in array.ravel(order="F")]
    values = [int(v) if v == int(v) else v for v in values]
    entry = {"op": op, "seed": seed, "dims": dims, "affine": affine, "scale": scale, "offset": offset}
    entry |= {"parameters": parameters, "out_dims": list(array.shape), "values": values}
    if isinstance(out, MetaTensor):
        entry["out_affine"] = np.asarray(out.affine).tolist()
    return entry


def cases():
    dims = [7, 6, 5]
    for mode in ("nearest", "nearest-exact", "trilinear", "area"):
        for size in ([4, 9, 5], [11, 3, 8]):
            yield case("Resize", 1, dims, Resize(size, mode=mode)(volume(1, dims)), mode=mode, spatial_size=size)
    for n, to in ((181, 128), (217, 128), (128, 181), (128, 217), (97, 128), (301, 256)):
        for mode in ("nearest-exact", "trilinear"):
            size = [to, 1, 1]
            yield case("Resize", 2, [n, 1, 1], Resize(size, mode=mode)(volume(2, [n, 1, 1])), mode=mode, spatial_size=size)
    for codes in ("RAS", "LPS", "SRA"):
        for affine in (OBLIQUE, STRAIGHT):
            out = Orientation(codes, labels=None)(volume(3, [3, 4, 5], affine))
            yield case("Orientation", 3, [3, 4, 5], out, affine, axcodes=codes)
    for affine in (OBLIQUE, STRAIGHT):
        # No exact half voxels: there torch's nearest depends on rounding noise, and that on the CPU's vector width.
        for pixdim in ([1.13, 1.07, 1.63], [2.3, -1.0, 0.9]):
            for mode in ("bilinear", "nearest"):
                out = Spacing(pixdim, mode=mode)(volume(4, dims, affine))
                yield case("Spacing", 4, dims, out, affine, pixdim=pixdim, mode=mode)
    span = {"scale": 3000.0, "offset": -1000.0}
    source = volume(5, dims, **span)
    for b, clip in (((0.0, 1.0), True), ((-1.0, 2.5), False)):
        parameters = {"a_min": -160.0, "a_max": 240.0, "b_min": b[0], "b_max": b[1], "clip": clip}
        yield case("ScaleIntensityRange", 5, dims, ScaleIntensityRange(**parameters)(source.clone()), **span, **parameters)
    for lower, upper in ((0.5, 99.5), (10.0, 33.3), (0.0, 100.0)):
        parameters = {"lower": lower, "upper": upper, "b_min": 0.0, "b_max": 1.0, "clip": True}
        out = ScaleIntensityRangePercentiles(**parameters)(source.clone())
        yield case("ScaleIntensityRangePercentiles", 5, dims, out, **span, **parameters)
    # Above a million voxels MONAI changes from torch.quantile to numpy.percentile: the two scalars only.
    large = volume(6, [128, 100, 90], **span).numpy()[0]
    scalars = [float(np.float32(np.percentile(large, q))) for q in (0.5, 25.0, 77.7, 99.5)]
    yield {"op": "percentiles", "seed": 6, "dims": [128, 100, 90], **span, "ranks": [0.5, 25.0, 77.7, 99.5], "values": scalars}
    for nonzero in (False, True):
        clipped = ScaleIntensityRange(0.0, 1000.0, 0.0, 1.0, clip=True)(source.clone())
        yield case("NormalizeIntensity", 5, dims, NormalizeIntensity(nonzero=nonzero)(clipped), **span, nonzero=nonzero)
    yield case("ScaleIntensity", 5, dims, ScaleIntensity(-1.0, 3.0)(source.clone()), **span, minv=-1.0, maxv=3.0)
    for margin, k in ((0, 1), (2, 1), (1, 4)):
        out = CropForeground(margin=margin, k_divisible=k, allow_smaller=False)(volume(8, dims, offset=-0.985))
        yield case("CropForeground", 8, dims, out, offset=-0.985, margin=margin, k_divisible=k)
    for method in ("symmetric", "end"):
        out = SpatialPad([8, 4, 10], method=method)(volume(9, dims))
        yield case("SpatialPad", 9, dims, out, spatial_size=[8, 4, 10], method=method)
    yield case("DivisiblePad", 9, dims, DivisiblePad([4, 0, 3])(volume(9, dims)), k=[4, 0, 3])
    for mode in ("constant", "gaussian"):
        for roi, overlap in (([4, 4, 4], 0.25), ([3, 8, 2], 0.5)):
            # The output depends on the place in the window, so wrong weights or places show.
            def predict(window):
                return torch.cat([window, window + 0.1 * torch.arange(window.shape[-1])], dim=1)

            out = sliding_window_inference(torch.as_tensor(volume(10, dims))[None], roi, 3, predict, overlap, mode)
            for channel in range(2):
                one = out[0, channel : channel + 1]
                yield case("SlidingWindow", 10, dims, one, roi=roi, overlap=overlap, mode=mode, channel=channel)
    dims = [9, 8, 7]
    for connectivity in (1, 2, 3):
        cuts = [0.65, 0.83]
        seed = next(s for s in range(11, 99) if one_largest(labels(s, dims, cuts), connectivity))
        out = KeepLargestConnectedComponent(connectivity=connectivity)(labels(seed, dims, cuts))
        yield case("KeepLargestConnectedComponent", seed, dims, out, connectivity=connectivity, cuts=cuts)
        cuts = [0.25, 0.8125]
        out = FillHoles(connectivity=connectivity)(labels(11, dims, cuts))
        yield case("FillHoles", 11, dims, out, connectivity=connectivity, cuts=cuts)


    dims = [5, 4, 3]
    for channels in (1, 3):
        for activation in ("softmax", "sigmoid"):
            scores = torch.cat([torch.as_tensor(volume(20 + c, dims, scale=8.0, offset=-4.0)) for c in range(channels)])
            out = Activations(**{activation: True})(scores)
            for channel in range(channels):
                one = out[channel : channel + 1]
                yield case("Activations", 20, dims, one, scale=8.0, offset=-4.0, kind=activation, channels=channels, channel=channel)
    # Five values, so that channels tie.
    scores = torch.cat([torch.floor(torch.as_tensor(volume(30 + c, dims, scale=5.0))) for c in range(3)])
    yield case("AsDiscrete", 30, dims, AsDiscrete(argmax=True)(scores), scale=5.0, kind="argmax", channels=3)
    yield case("AsDiscrete", 30, dims, AsDiscrete(threshold=2.0)(scores[:1]), scale=5.0, kind="threshold", threshold=2.0)
    for affine in (OBLIQUE, STRAIGHT):
        # No exact half voxels, as for Spacing above.
        for pixdim in ([1.13, 1.07, 1.63], [2.3, -1.0, 0.9]):
            for nearest in (True, False):
                yield inverted([7, 6, 5], affine, pixdim, nearest)


def inverted(dims, affine, pixdim, nearest):
    """A result on the working grid (noise by its own seed and dims), and what Invertd makes of it."""
    before = Compose([Orientationd("image", "RAS", labels=None), Spacingd("image", pixdim)])
    data = before({"image": volume(40, dims, affine)})
    work = list(data["image"].shape[1:])
    result = volume(41, work, scale=6.0)
    if nearest:
        result = torch.floor(result)
    data["pred"] = MetaTensor(torch.as_tensor(result), affine=data["image"].affine, applied_operations=data["image"].applied_operations)
    after = Invertd("pred", transform=before, orig_keys="image", nearest_interp=nearest, to_tensor=True)
    out = after(data)["pred"]
    return case("Invert", 41, dims, out, affine, scale=6.0, pixdim=pixdim, nearest=nearest, work=work)


def one_largest(field, connectivity):
    """Of equal components MONAI keeps one that numpy's unstable sort decides: no case for a test."""
    for label in (1, 2):
        sizes = np.bincount(skimage.measure.label(field.numpy()[0] == label, connectivity=connectivity).ravel())[1:]
        if (sizes == sizes.max()).sum() > 1:
            return False
    return True


def main():
    versions = {"monai": monai.__version__, "torch": torch.__version__.split("+")[0], "numpy": np.__version__}
    # One case a line: a change shows as a change of its line.
    print('{"versions": %s, "cases": [' % json.dumps(versions))
    print(",\n".join(json.dumps(entry) for entry in cases()))
    print("]}")


if __name__ == "__main__":
    sys.exit(main())
