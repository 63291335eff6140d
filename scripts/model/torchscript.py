"""Read the tensors of a TorchScript archive without PyTorch.

A TorchScript file is a zip: `data.pkl` describes the module tree, `data/<n>` hold the raw
storages. The pickle is read by an unpickler that can build nothing but dictionaries and
tensors, so a hostile archive can name any class it likes and gets an error.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict

import numpy as np

STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
STORAGE_BYTES_MAX = 64 << 20


class Module(dict):
    """One module of the tree: its attributes by name."""

    def __setstate__(self, state):
        self.update(state)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data, read_storage):
        super().__init__(io.BytesIO(data))
        self._read_storage = read_storage

    def find_class(self, module, name):
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "__torch__" or module.startswith("__torch__."):
            return Module
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a model archive")

    def persistent_load(self, pid):
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not str(key).isdecimal():
            raise pickle.UnpicklingError(f"unknown persistent id {pid!r}")
        return self._read_storage(str(key), dtype, count)


def _rebuild_tensor(storage, offset, size, stride, *_):
    """A contiguous tensor over a storage; any other stride is refused."""
    contiguous = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    if list(stride) != contiguous:
        raise pickle.UnpicklingError(f"tensor of shape {size} is not contiguous")
    count = math.prod(size)
    if offset < 0 or offset + count > storage.size:
        raise pickle.UnpicklingError(f"tensor of shape {size} leaves its storage")
    return storage[offset : offset + count].reshape(size)


def read_tensors(archive):
    """All tensors of the archive (its bytes) as {dotted name: array}, in module order."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        pickles = [name for name in files.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"expected one data.pkl, found {pickles}")
        root = pickles[0].removesuffix("data.pkl")

        def read_storage(key, dtype, count):
            info = files.getinfo(f"{root}data/{key}")
            if info.file_size > STORAGE_BYTES_MAX or info.file_size != count * dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {key} has {info.file_size} bytes for {count} values")
            return np.frombuffer(files.read(info), dtype)

        tree = _Unpickler(files.read(pickles[0]), read_storage).load()
    return dict(_walk(tree, ""))


def _walk(module, prefix):
    for name, value in module.items():
        if isinstance(value, Module):
            yield from _walk(value, f"{prefix}{name}.")
        elif isinstance(value, np.ndarray):
            yield prefix + name, value
