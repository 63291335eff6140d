"""What the conversion refuses: `python -m unittest discover -s scripts/model`, in the cache's venv."""

import io
import os
import pickle
import unittest
import zipfile

import numpy as np

import linknet3d
import torchscript
from noise import noise


def archive(pickled, storages=()):
    """A TorchScript-like zip around a pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as files:
        files.writestr("net/data.pkl", pickled)
        for key, content in storages:
            files.writestr(f"net/data/{key}", content)
    return out.getvalue()


def tensor(key, count, size, stride, offset=0):
    """The opcodes of one float tensor, as torch.jit writes them."""
    def integers(values):
        return b"(" + b"".join(b"J" + value.to_bytes(4, "little", signed=True) for value in values) + b"t"

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + key + b"X\x03\0\0\0cpu"
    storage += b"J" + count.to_bytes(4, "little") + b"tQ"
    start = b"J" + offset.to_bytes(4, "little", signed=True)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + start + integers(size) + integers(stride) + b"\x89NtR"


def module(name, value):
    """The opcodes of a module with one attribute."""
    text = len(name).to_bytes(4, "little") + name.encode()
    return b"\x80\x02c__torch__\nNet\n)\x81}X" + text + value + b"sb."


class ReadTensors(unittest.TestCase):
    def test_reads_a_tensor(self):
        content = np.arange(6, dtype="<f4").tobytes()
        pickled = module("weight", tensor(b"0", 6, (2, 3), (3, 1)))
        tensors = torchscript.read_tensors(archive(pickled, [("0", content)]))
        self.assertEqual(list(tensors), ["weight"])
        np.testing.assert_array_equal(tensors["weight"], np.arange(6).reshape(2, 3))

    def test_a_pickle_that_names_another_class_is_refused(self):
        class Hostile:
            def __reduce__(self):
                return os.system, ("false",)

        with self.assertRaisesRegex(pickle.UnpicklingError, "not allowed"):
            torchscript.read_tensors(archive(pickle.dumps(Hostile(), protocol=2)))

    def test_tensors_that_do_not_fit_their_storage_are_refused(self):
        content = np.zeros(6, dtype="<f4").tobytes()
        for wrong, reason in (
            (tensor(b"0", 6, (2, 3), (1, 2)), "contiguous"),
            (tensor(b"0", 6, (3, 3), (3, 1)), "leaves its storage"),
            (tensor(b"0", 6, (2, 3), (3, 1), offset=1), "leaves its storage"),
            (tensor(b"0", 6, (2, 3), (3, 1), offset=-6), "leaves its storage"),
            (tensor(b"0", 7, (2, 3), (3, 1)), "bytes for 7 values"),
        ):
            with self.subTest(reason), self.assertRaisesRegex(pickle.UnpicklingError, reason):
                torchscript.read_tensors(archive(module("weight", wrong), [("0", content)]))


class BuildGraph(unittest.TestCase):
    def test_a_missing_tensor_is_refused(self):
        with self.assertRaises(KeyError):
            linknet3d.build({}, "")


class Noise(unittest.TestCase):
    def test_equals_the_daemons(self):
        expected = np.float32([0.389_829_7, 0.016_788_244, 0.900_760_65, 0.582_930_27])
        np.testing.assert_array_equal(noise(7, [4]), expected)


if __name__ == "__main__":
    unittest.main()
