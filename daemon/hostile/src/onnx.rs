//! Small ONNX networks, written field by field (the numbers are onnx.proto's), for tests of all that surrounds a network.

/// A protobuf field with bytes.
pub fn bytes(field: usize, content: &[u8]) -> Vec<u8> {
    let key = varint(field << 3 | 2);
    [key, varint(content.len()), content.to_vec()].concat()
}

/// A protobuf field with a number.
pub fn number(field: usize, value: usize) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut rest: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A float32 input or output; a dim is a size or, when it is no number, the name of a free one.
pub fn value(name: &str, dims: &[&str]) -> Vec<u8> {
    let dim = |dim: &&str| match dim.parse() {
        Ok(size) => number(1, size),
        Err(_) => bytes(2, dim.as_bytes()),
    };
    let dims: Vec<u8> = dims.iter().flat_map(|one| bytes(1, &dim(one))).collect();
    let tensor = [number(1, 1), bytes(2, &dims)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

/// Float32 weights.
pub fn weights(name: &str, dims: &[usize], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim)).collect();
    let name = bytes(8, name.as_bytes());
    [dims, number(2, 1), name, bytes(9, &raw)].concat()
}

/// An attribute that is a number, or a list of one.
pub fn attribute(name: &str, value: Attribute) -> Vec<u8> {
    let (value, kind) = match value {
        Attribute::Int(value) => (number(3, value), 2),
        Attribute::Ints(value) => (number(8, value), 7),
    };
    [bytes(1, name.as_bytes()), value, number(20, kind)].concat()
}

/// What an [`attribute`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A number.
    Int(usize),
    /// A list of one number.
    Ints(usize),
}

/// An operator, from `inputs` to `output`.
pub fn node(kind: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().map(|name| bytes(1, name.as_bytes()));
    let named = [bytes(2, output.as_bytes()), bytes(4, kind.as_bytes())];
    let attributes = attributes.iter().map(|attribute| bytes(5, attribute));
    let parts: Vec<Vec<u8>> = inputs.chain(named).chain(attributes).collect();
    parts.concat()
}

/// What a network is made of.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// [`node`]s in order.
    pub nodes: Vec<Vec<u8>>,
    /// [`weights`].
    pub weights: Vec<Vec<u8>>,
    /// Inputs as [`value`]s.
    pub inputs: Vec<Vec<u8>>,
    /// Outputs as [`value`]s.
    pub outputs: Vec<Vec<u8>>,
}

/// The file of a network, for a version of ONNX's operators.
pub fn model(opset: usize, graph: &Graph) -> Vec<u8> {
    let all = |field, parts: &[Vec<u8>]| -> Vec<u8> {
        parts.iter().flat_map(|part| bytes(field, part)).collect()
    };
    let graph = [
        all(1, &graph.nodes),
        bytes(2, b"test"),
        all(5, &graph.weights),
        all(11, &graph.inputs),
        all(12, &graph.outputs),
    ]
    .concat();
    let format = number(1, 8);
    [format, bytes(8, &number(2, opset)), bytes(7, &graph)].concat()
}
