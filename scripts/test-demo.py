"""Judges what a demo left on disk: masks against the reference brain, pictures, bundle. Needs numpy, pydicom and highdicom."""
import gzip, importlib.machinery, importlib.util, json, pathlib, shutil, sys, tempfile

import highdicom
import numpy as np
import pydicom

demo, scans = map(pathlib.Path, sys.argv[1:3])
passed = 0


def expect(holds, what):
    global passed
    if not holds:
        sys.exit(f"demo: {what}")
    passed += 1


def nifti(path):
    """Voxels (x fastest) and voxel sizes of an 8-bit NIfTI-1 file."""
    raw = gzip.decompress(path.read_bytes())
    header = np.frombuffer(raw[:348], np.uint8)
    dim, pixdim = header[40:56].view("<i2"), header[76:108].view("<f4")
    expect(header[70:72].view("<i2")[0] == 2, f"{path.name} is not 8 bits a voxel")
    offset = int(header[108:112].view("<f4")[0])
    return np.frombuffer(raw, np.uint8, offset=offset).reshape(dim[3:0:-1]), pixdim[1:4]


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


summary = json.loads((demo / "summary.json").read_text())
results = {job["input"]: pathlib.Path(job["out"]) for job in summary["jobs"]}
expect(len(results) >= 2 and {"dicom", "nifti"} <= set(results), "a DICOM and a NIfTI job")

# The network against Debian's reference, and against the best that a threshold can do.
scan, _ = nifti(scans / "ch2.nii.gz")
reference = nifti(scans / "ch2bet.nii.gz")[0] > 0
mask, spacing = nifti(results["nifti"] / "mask.nii.gz")
expect(mask.shape == scan.shape, "the mask is in the scan's own grid")
network = dice(mask > 0, reference)
threshold = max((dice(scan > level, reference), level) for level in range(1, 255))
print(f"demo: Dice against ch2bet: network {network:.4f}, best threshold {threshold[0]:.4f} (at {threshold[1]})")
expect(network >= 0.9, "the network's Dice is under 0.9")
expect(network >= threshold[0] + 0.05, "a threshold comes within 0.05 of the network")

# The oblique DICOM series is the same head: the same brain, in millilitres.
volumes = {}
for kind, out in results.items():
    labels, size = nifti(out / "mask.nii.gz")
    volumes[kind] = np.count_nonzero(labels) * float(np.prod(size)) / 1000
    report = json.loads((out / "report.json").read_text())
    text = json.dumps(report)
    expect("research use, not for diagnosis" in text, f"{kind}: the report's mark")
    picture = (out / "montage.png").read_bytes()
    expect(picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 20_000, f"{kind}: the picture")
print("demo: brain volume in ml: " + ", ".join(f"{kind} {ml:.1f}" for kind, ml in volumes.items()))
expect(abs(volumes["dicom"] - volumes["nifti"]) < 0.03 * volumes["nifti"], "the two volumes differ by more than 3 %")

# The segmentation lies on the client's own series, and says of each slice what the mask says.
series = json.loads((results["dicom"] / "series.json").read_text())
sources = {}
for path in demo.rglob("*.dcm"):
    if demo / "results" not in path.parents:
        source = pydicom.dcmread(path, stop_before_pixels=True)
        sources[source.SOPInstanceUID] = source
segmentation = highdicom.seg.segread(results["dicom"] / "mask.patient.dcm")
instances = [uid for uid, _ in series["slices"]]
expect(set(instances) <= set(sources), "the slices of series.json are the client's own")
planes = segmentation.get_pixels_by_source_instance(instances, combine_segments=True, assert_missing_frames_are_empty=True)
expect((planes == nifti(results["dicom"] / "mask.nii.gz")[0]).all(), "the segmentation and the mask differ")
for frame in segmentation.PerFrameFunctionalGroupsSequence:
    source = sources[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
    place = frame.PlanePositionSequence[0].ImagePositionPatient
    expect(np.allclose(place, source.ImagePositionPatient, atol=1e-6), "a frame lies beside its slice")
first = sources[instances[0]]
for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
    expect(segmentation[keyword].value == first[keyword].value, f"the segmentation's {keyword}")
expect(segmentation.ContentDescription == "research use, not for diagnosis", "the segmentation's mark")
expect(not (results["nifti"] / "mask.dcm").exists(), "a NIfTI has no series to lie on")

# Each job's fee divides as the protocol says.
pools = summary["pools"]
jobs = len(summary["jobs"])
expect([int(pools[k]) for k in ("protocol", "operator", "work", "readiness")] == [v * jobs for v in (2_000, 5_000, 65_100, 27_900)], f"pools {pools}")

# The bundle holds together for a program that shares no code with ours, and not when a byte is flipped.
loader = importlib.machinery.SourceFileLoader("verify_epoch", str(pathlib.Path(__file__).with_name("verify-epoch.py")))
checker = importlib.util.module_from_spec(importlib.util.spec_from_loader("verify_epoch", loader))
loader.exec_module(checker)
bundle = pathlib.Path(summary["bundle"])
checker.bundle(bundle)
passed += 1
with tempfile.TemporaryDirectory() as folder:
    copy = pathlib.Path(folder) / "epoch"
    shutil.copytree(bundle, copy)
    for path in sorted(p for p in copy.rglob("*") if p.is_file()):
        good = path.read_bytes()
        for position in (0, len(good) // 3, len(good) // 2, len(good) - 2):
            path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
            try:
                checker.bundle(copy)
            except (SystemExit, ValueError, KeyError, TypeError, AttributeError, OSError):
                passed += 1
            else:
                sys.exit(f"demo: byte {position} of {path.name} was flipped, and the checker did not see it")
        path.write_bytes(good)

# No identity of the (invented) patient anywhere but in the series on the client's own side. No key, no plaintext of the
# scan and no salt in ledger, write-ahead log, blobs, bundle, configuration or logs (which are at level debug here).
secrets = {f"the patient's {s}": [s.encode()] for s in json.loads((demo / "client/patient.json").read_text())}
expect(secrets, "the demo names what must stay secret")
homes = ("client", "operator", "keys", "stranger", "results")
keys = [path for name in ("key", "identity") for path in demo.rglob(name) if path.relative_to(demo).parts[0] in homes]
expect(len(keys) >= 20, f"{len(keys)} keys")
for path in keys:
    text = next(line for line in path.read_text().split("\n") if line and not line.startswith("#")).strip()
    digits = text.removeprefix("0x")
    raw = [bytes.fromhex(digits)] if path.name == "key" else []
    secrets[f"the {path.name} of {path.parent.name}"] = [digits.lower().encode(), digits.upper().encode(), *raw]
# A row through the middle of the head: as it is in the NIfTI, and as words of a DICOM slice.
row = scan[scan.shape[0] // 2, scan.shape[1] // 2, 40:120].astype(np.uint8)
expect(len(set(row.tolist())) > 20, "the row is one of a head")
secrets["the scan's voxels"] = [row.tobytes(), row.astype("<u2").tobytes()]
searched = 0
for path in demo.rglob("*"):
    inside = path.relative_to(demo).parts[0]
    if not path.is_file() or inside in homes:
        continue
    content = path.read_bytes()
    searched += len(content)
    for what, forms in secrets.items():
        for form in forms:
            expect(form not in content, f"{what} is in {path}")
for name in ("queen/ledger.sqlite", "logs/queen.log", "logs/bee-01.log", "queen.toml", "bundle"):
    expect((demo / name).exists(), f"{name} was searched")
expect("DEBUG" in (demo / "logs/queen.log").read_text(), "the logs are at level debug")
with gzip.open(scans / "ch2.nii.gz") as whole:
    expect(secrets["the scan's voxels"][0] in whole.read(), "the row can be found where it is")
print(f"demo: no secret in {searched} bytes on the operator's side")
print(f"demo: {passed} passed, 0 failed")
