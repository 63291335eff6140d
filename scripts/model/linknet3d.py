"""deepbet's LinkNet3d as an ONNX graph, written layer by layer.

Encoder: a stride-2 stem with max pooling, then four stages of two residual blocks. Decoder: four
stages (1x1 convolution, transposed convolution, 1x1 convolution), each added to the encoder's
output of its size; two transposed convolutions restore the input's size; softmax over two classes.
Instance normalisation has no learnt parameters, so scale and bias are ones and zeros.
Spatial sizes are symbolic and must be multiples of 32.
"""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
EPSILON = 1e-5
CLASSES = 2


class _Graph:
    def __init__(self, tensors):
        self.tensors = dict(tensors)
        self.nodes = []
        self.initializers = []
        self.constants = set()

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name):
        array = self.tensors.pop(name)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return array

    def constant(self, name, array):
        if name not in self.constants:
            self.constants.add(name)
            self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def convolution(self, x, name, stride, pad, transposed=False, output_pad=0):
        """Returns (output name, output channels)."""
        weight = self.weight(f"{name}.weight")
        inputs = [x, f"{name}.weight"]
        if f"{name}.bias" in self.tensors:
            self.weight(f"{name}.bias")
            inputs.append(f"{name}.bias")
        attributes = {
            "kernel_shape": list(weight.shape[2:]),
            "strides": [stride] * 3,
            "pads": [pad] * 6,
        }
        if transposed and output_pad:
            attributes["output_padding"] = [output_pad] * 3
        op = "ConvTranspose" if transposed else "Conv"
        channels = weight.shape[1] if transposed else weight.shape[0]
        return self.add(op, inputs, f"{name}.out", **attributes), channels

    def norm(self, x, channels):
        ones = self.constant(f"ones.{channels}", np.ones(channels, np.float32))
        zeros = self.constant(f"zeros.{channels}", np.zeros(channels, np.float32))
        return self.add("InstanceNormalization", [x, ones, zeros], f"{x}.norm", epsilon=EPSILON)

    def relu(self, x):
        return self.add("Relu", [x], f"{x}.relu")

    def unit(self, x, name, stride=1, pad=0, activate=True, **convolution):
        """Convolution, instance normalisation and, unless told, ReLU."""
        out = self.norm(*self.convolution(x, name, stride, pad, **convolution))
        return self.relu(out) if activate else out

    def block(self, x, name, stride):
        """Two 3x3x3 convolutions beside an identity or a strided 1x1x1 shortcut."""
        y = self.unit(x, f"{name}.double_conv.0", stride=stride, pad=1)
        y = self.unit(y, f"{name}.double_conv.3", pad=1, activate=False)
        if f"{name}.downsample.0.weight" in self.tensors:
            x = self.unit(x, f"{name}.downsample.0", stride=stride, activate=False)
        return self.relu(self.add("Add", [y, x], f"{name}.sum"))

    def down(self, x, name, stride):
        return self.block(self.block(x, f"{name}.block1", stride), f"{name}.block2", 1)

    def up(self, x, name, stride):
        y = self.unit(x, f"{name}.conv1.0")
        y = self.unit(y, f"{name}.tp_conv.0", stride=stride, pad=1, transposed=True, output_pad=stride - 1)
        return self.unit(y, f"{name}.conv2.0")


def build(tensors, doc):
    """The ONNX model as bytes. Every tensor finds its place, or this raises."""
    g = _Graph(tensors)
    x = g.unit("input", "init.0", stride=2, pad=3)
    x = g.add("MaxPool", [x], "init.pool", kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6)
    stage_strides = [1, 2, 2, 2]
    skips = [x]
    for stage, stride in enumerate(stage_strides):
        x = g.down(x, f"down{stage}", stride)
        skips.append(x)
    x = skips.pop()
    for stage, stride in enumerate(reversed(stage_strides)):
        x = g.up(x, f"up{stage}", stride)
        x = g.add("Add", [x, skips.pop()], f"up{stage}.sum")
    x = g.unit(x, "tp_conv1.0", stride=2, pad=1, transposed=True, output_pad=1)
    x = g.unit(x, "conv.0", pad=1)
    x, _ = g.convolution(x, "tp_conv2", stride=2, pad=0, transposed=True)
    g.add("Softmax", [x], "output", axis=1)
    if g.tensors:
        raise ValueError(f"tensors without a place in the graph: {sorted(g.tensors)}")

    space = ["depth", "height", "width"]
    graph = helper.make_graph(
        g.nodes,
        "linknet3d",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, *space])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, CLASSES, *space])],
        g.initializers,
        doc_string=doc,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="swarmos",
    )
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)
