"""Print a model.toml [[golden]] case as PyTorch computes it. Run by hand, needs torch and numpy:

    python golden.py <deepbet wheel>

Its output was pasted into brain_mri/model.toml. Set-up and the daemon check
the converted network against it without PyTorch.
"""

import io
import sys
import zipfile

import numpy as np
import torch

from noise import noise

SEED = 7
SHAPE = [1, 1, 32, 64, 96]
# ONNX Runtime differs from PyTorch by 0.0002 at most on this case.
TOLERANCE = 0.002
EDGE_POINTS = 32
PLAIN_POINTS = 16


def main():
    archive = zipfile.ZipFile(sys.argv[1]).read("data/models/bbox_model.pt")
    network = torch.jit.load(io.BytesIO(archive)).eval()
    with torch.no_grad():
        output = network(torch.from_numpy(noise(SEED, SHAPE))).numpy()
    # Most outputs are nearly 0 or 1; half-way ones say more about the weights.
    flat = output.ravel()
    rng = np.random.default_rng(0)
    undecided = np.flatnonzero((flat > 0.1) & (flat < 0.9))
    chosen = np.concatenate([
        rng.choice(undecided, EDGE_POINTS, replace=False),
        rng.choice(flat.size, PLAIN_POINTS, replace=False),
    ])
    print(f"# torch {torch.__version__.split(chr(43))[0]}, CPU, float32")
    print("[[golden]]")
    print(f"tolerance = {TOLERANCE}")
    print(f"seed = {SEED}")
    print(f"input_shape = {SHAPE}")
    print(f"output_shape = {list(output.shape)}")
    print("points = [")
    for index in sorted(chosen):
        print(f"    {{ index = {index}, value = {flat[index]:.6f} }},")
    print("]")


if __name__ == "__main__":
    main()
