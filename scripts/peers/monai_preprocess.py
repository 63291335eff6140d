"""MONAI's side of `scripts/bench imaging`.

    scans HEAD FOLDER     write head.nii and brain.nii (256³ int16) and ct.nii (320 x 320 x 256 int16) from a real head
    run NAME SCAN OUT     time the chain NAME of chains.json on the scan, on two threads; write the result, x fastest
    compare A B           say how far two results differ
"""
import json
import pathlib
import sys
import time

import nibabel
import numpy as np

ROUNDS = 3
THREADS = 2


def scans(head, folder):
    source = np.asarray(nibabel.load(head).dataobj).astype(np.int16)

    def stretched(dims):
        index = [np.arange(n) * m // n for n, m in zip(dims, source.shape)]
        return source[np.ix_(*index)]

    # Noise in the last bits, as a scanner has it: percentiles and means do not fall on a few values.
    random = np.random.default_rng(7)
    noisy = lambda voxels, gain, offset: (voxels * gain + offset + random.integers(-9, 10, voxels.shape)).astype(np.int16)
    whole = stretched((256, 256, 256))
    # Left to right and front to back reversed against RAS, so that orientation has work to do.
    lps = np.diag([-0.8, -0.9, 0.85, 1.0])
    lps[:3, 3] = [100, 110, -90]
    nibabel.Nifti1Image(np.maximum(noisy(whole, 12, 10), 0), lps).to_filename(folder / "head.nii")
    # Air is exactly 0, as after brain extraction.
    nibabel.Nifti1Image(np.where(whole > 40, noisy(whole, 12, 10), 0), lps).to_filename(folder / "brain.nii")
    thorax = noisy(stretched((320, 320, 256)), 8, -1024)
    nibabel.Nifti1Image(thorax, np.diag([-0.8, -0.8, 1.0, 1.0])).to_filename(folder / "ct.nii")


def transform(step):
    from monai import transforms

    arguments = {name: value for name, value in step.items() if name != "op"}
    if step["op"] == "Orientation":
        arguments["labels"] = (("L", "R"), ("P", "A"), ("I", "S"))
    return getattr(transforms, step["op"])(**arguments)


def run(name, scan, out):
    import torch
    from monai.data import MetaTensor
    from monai.transforms import Compose

    torch.set_num_threads(THREADS)
    chain = Compose([transform(step) for step in json.loads(pathlib.Path(__file__).with_name("chains.json").read_text())[name]])
    image = nibabel.load(scan)
    voxels = torch.as_tensor(np.ascontiguousarray(np.asarray(image.dataobj)))
    affine = torch.as_tensor(image.affine)
    times, processor = [], []
    for _ in range(ROUNDS):
        begin, before = time.perf_counter(), time.process_time()
        result = chain(MetaTensor(voxels.float()[None], affine=affine))
        times.append((time.perf_counter() - begin) * 1e3)
        processor.append((time.process_time() - before) * 1e3)
    result.numpy()[0].astype(np.float32).ravel(order="F").tofile(out)
    print(json.dumps({"ms": min(times), "processor_ms": min(processor), "dims": list(result.shape[1:]), "torch": torch.__version__}))


def compare(one, other):
    a, b = np.fromfile(one, np.float32), np.fromfile(other, np.float32)
    if a.size != b.size:
        sys.exit(f"{a.size} voxels beside {b.size}")
    span = float(b.max() - b.min())
    print(f"{a.size} voxels, {(a == b).mean():.4%} equal, largest difference {np.abs(a - b).max() / span:.1e} of the range")


def main():
    command, *arguments = sys.argv[1:]
    {"scans": lambda head, folder: scans(head, pathlib.Path(folder)), "run": run, "compare": compare}[command](*arguments)


main()
