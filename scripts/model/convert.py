"""Turn deepbet's weights into the model package brain_mri, without PyTorch.

    python convert.py <deepbet wheel> <output directory>

The package is deepbet's first stage alone (the network that sees the whole head at 128^3): on Colin27 the
second stage raises the Dice by 0.002 and costs three times the work.
"""

import pathlib
import sys
import tomllib
import zipfile

import numpy as np
import onnxruntime

import linknet3d
import torchscript
from noise import noise

WEIGHTS = "data/models/bbox_model.pt"
LICENCE = "deepbet-1.0.2.dist-info/LICENSE"
SPEC = pathlib.Path(__file__).parent / "brain_mri" / "model.toml"


def main():
    wheel, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as files:
        tensors = torchscript.read_tensors(files.read(WEIGHTS))
        licence = files.read(LICENCE)
    model = linknet3d.build(tensors, "LinkNet3d, weights of deepbet 1.0.2 (bbox_model), MIT licence")
    check(model, tomllib.loads(SPEC.read_text()))
    out.mkdir(parents=True)
    (out / "model.onnx").write_bytes(model)
    (out / "model.toml").write_bytes(SPEC.read_bytes())
    (out / "LICENSE").write_bytes(licence)


def check(model, spec):
    """Compare the network with every golden case that PyTorch computed."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for case in spec["golden"]:
        (output,) = session.run(None, {spec["input"]["tensor"]: noise(case["seed"], case["input_shape"])})
        if list(output.shape) != case["output_shape"]:
            sys.exit(f"golden case gives shape {output.shape}, not {case['output_shape']}")
        flat = output.ravel()
        worst = max(abs(flat[point["index"]] - point["value"]) for point in case["points"])
        if not np.isfinite(flat).all() or worst > case["tolerance"]:
            sys.exit(f"golden case seed {case['seed']}: off by {worst:.6f}, allowed {case['tolerance']}")
        print(f"model: golden case seed {case['seed']}: {len(case['points'])} points, worst {worst:.6f}")


if __name__ == "__main__":
    main()
