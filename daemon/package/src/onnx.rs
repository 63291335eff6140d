//! Checks an ONNX file before any runtime sees it: standard operators only, a supported opset, nothing stored
//! outside the file, and the input and output that `model.toml` names.

use crate::protobuf::{Fields, Malformed, Value};

/// Opsets that are accepted: those that both ONNX Runtime and TensorRT read.
pub const OPSETS: std::ops::RangeInclusive<u64> = 11..=23;
/// Deepest nesting of graphs within graphs (bodies of If, Loop and Scan).
const DEPTH_MAX: usize = 8;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// Why an ONNX file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are not an ONNX model.
    #[error("model.onnx is not a well-formed ONNX model")]
    Malformed,
    /// The opset is not one of [`OPSETS`].
    #[error("model.onnx needs opset {found}, but {} to {} are supported", OPSETS.start(), OPSETS.end())]
    Opset {
        /// What the model imports; 0 if nothing.
        found: u64,
    },
    /// Operators from elsewhere than the ONNX standard.
    #[error("model.onnx uses operators of the domain {domain:?}, not only standard ones")]
    Domain {
        /// The foreign domain.
        domain: String,
    },
    /// A tensor's data is in another file.
    #[error("model.onnx keeps the tensor {name:?} in another file")]
    External {
        /// The tensor's name.
        name: String,
    },
    /// Graphs are nested too deeply.
    #[error("model.onnx nests graphs more than {DEPTH_MAX} deep")]
    Depth,
    /// Input or output do not fit `model.toml`.
    #[error("model.onnx: {problem}")]
    Interface {
        /// What differs.
        problem: String,
    },
}

impl From<Malformed> for OnnxError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A graph input or output. A dim without a number is symbolic.
#[derive(Debug, Default)]
struct Tensor {
    name: String,
    element: u64,
    dims: Option<Vec<Option<u64>>>,
}

#[derive(Debug, Default)]
struct Graph {
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    initializers: Vec<String>,
}

/// A float32 input or output as `model.toml` says: its name, and its dims, of which `None` may be any number.
pub(super) type Promised<'a> = (&'a str, Vec<Option<u64>>);

/// Checks `model` against the standard, and that it has the one input and the output that were promised.
pub(super) fn check(
    model: &[u8],
    input: &Promised<'_>,
    output: &Promised<'_>,
) -> Result<(), OnnxError> {
    let mut opset = 0;
    let mut main = None;
    for field in Fields::of(model) {
        match field? {
            (8, Value::Bytes(import)) => {
                let (domain, version) = opset_import(import)?;
                standard(&domain)?;
                opset = version;
            }
            (7, Value::Bytes(bytes)) => main = Some(graph(bytes, 0)?),
            // Functions hold nodes like a graph's.
            (25, Value::Bytes(function)) => {
                for field in Fields::of(function) {
                    if let (7, Value::Bytes(bytes)) = field? {
                        node(bytes, 0)?;
                    }
                }
            }
            _ => {}
        }
    }
    if !OPSETS.contains(&opset) {
        return Err(OnnxError::Opset { found: opset });
    }
    fits(&main.ok_or(OnnxError::Malformed)?, input, output)
}

/// What a network calls its input and its first output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name of the only input.
    pub input: String,
    /// Name of the first output.
    pub output: String,
    /// Second dim of that output, where it is a number.
    pub channels: Option<u64>,
}

/// Reads what a network calls its input and output, for whoever writes its `model.toml`.
///
/// # Errors
/// When the bytes are no ONNX model with one input and an output.
pub fn interface(model: &[u8]) -> Result<Interface, OnnxError> {
    let mut main = None;
    for field in Fields::of(model) {
        if let (7, Value::Bytes(bytes)) = field? {
            main = Some(graph(bytes, 0)?);
        }
    }
    let main = main.ok_or(OnnxError::Malformed)?;
    let input = only_input(&main)?.name.clone();
    let output = main.outputs.first().ok_or(OnnxError::Malformed)?;
    let channels = output.dims.as_ref().and_then(|dims| *dims.get(1)?);
    Ok(Interface {
        input,
        output: output.name.clone(),
        channels,
    })
}

/// The input that is no weight: old models list their weights among the inputs.
fn only_input(graph: &Graph) -> Result<&Tensor, OnnxError> {
    let given = |input: &&Tensor| !graph.initializers.contains(&input.name);
    let inputs: Vec<&Tensor> = graph.inputs.iter().filter(given).collect();
    match inputs.as_slice() {
        [input] => Ok(input),
        several => Err(OnnxError::Interface {
            problem: format!("has {} inputs, not one", several.len()),
        }),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn standard(domain: &str) -> Result<(), OnnxError> {
    match domain {
        "" | "ai.onnx" => Ok(()),
        _ => Err(OnnxError::Domain {
            domain: domain.to_owned(),
        }),
    }
}

fn opset_import(import: &[u8]) -> Result<(String, u64), OnnxError> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::of(import) {
        match field? {
            (1, Value::Bytes(name)) => domain = text(name),
            (2, Value::Number(number)) => version = number,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn graph(bytes: &[u8], depth: usize) -> Result<Graph, OnnxError> {
    if depth > DEPTH_MAX {
        return Err(OnnxError::Depth);
    }
    let mut graph = Graph::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => node(bytes, depth)?,
            (5, Value::Bytes(bytes)) => graph.initializers.push(tensor(bytes)?),
            (11, Value::Bytes(bytes)) => graph.inputs.push(value_info(bytes)?),
            (12, Value::Bytes(bytes)) => graph.outputs.push(value_info(bytes)?),
            (15, Value::Bytes(bytes)) => sparse(bytes)?,
            _ => {}
        }
    }
    Ok(graph)
}

fn node(bytes: &[u8], depth: usize) -> Result<(), OnnxError> {
    for field in Fields::of(bytes) {
        match field? {
            (7, Value::Bytes(domain)) => standard(&text(domain))?,
            (5, Value::Bytes(attribute)) => {
                for field in Fields::of(attribute) {
                    match field? {
                        (5 | 10, Value::Bytes(bytes)) => drop(tensor(bytes)?),
                        (6 | 11, Value::Bytes(bytes)) => drop(graph(bytes, depth + 1)?),
                        (22 | 23, Value::Bytes(bytes)) => sparse(bytes)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn sparse(bytes: &[u8]) -> Result<(), OnnxError> {
    for field in Fields::of(bytes) {
        if let (1 | 2, Value::Bytes(bytes)) = field? {
            tensor(bytes)?;
        }
    }
    Ok(())
}

/// The tensor's name; refuses external data.
fn tensor(bytes: &[u8]) -> Result<String, OnnxError> {
    let (mut name, mut external) = (String::new(), false);
    for field in Fields::of(bytes) {
        match field? {
            (8, Value::Bytes(bytes)) => name = text(bytes),
            (13, _) => external = true,
            (14, Value::Number(location)) => external |= location != 0,
            _ => {}
        }
    }
    if external {
        Err(OnnxError::External { name })
    } else {
        Ok(name)
    }
}

fn value_info(bytes: &[u8]) -> Result<Tensor, OnnxError> {
    let mut info = Tensor::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(name)) => info.name = text(name),
            (2, Value::Bytes(kind)) => {
                for field in Fields::of(kind) {
                    if let (1, Value::Bytes(bytes)) = field? {
                        tensor_type(bytes, &mut info)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(info)
}

fn tensor_type(bytes: &[u8], info: &mut Tensor) -> Result<(), OnnxError> {
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Number(element)) => info.element = element,
            (2, Value::Bytes(shape)) => {
                let mut dims = Vec::new();
                for field in Fields::of(shape) {
                    let (1, Value::Bytes(dim)) = field? else {
                        continue;
                    };
                    let mut size = None;
                    for field in Fields::of(dim) {
                        if let (1, Value::Number(number)) = field? {
                            size = Some(number);
                        }
                    }
                    dims.push(size);
                }
                info.dims = Some(dims);
            }
            _ => {}
        }
    }
    Ok(())
}

fn fits(
    graph: &Graph,
    promised_input: &Promised<'_>,
    promised_output: &Promised<'_>,
) -> Result<(), OnnxError> {
    let refuse = |problem| Err(OnnxError::Interface { problem });
    let input = only_input(graph)?;
    if input.name != promised_input.0 {
        return refuse(format!(
            "its input is {:?}, model.toml says {:?}",
            input.name, promised_input.0
        ));
    }
    let named = |output: &&Tensor| output.name == promised_output.0;
    let Some(output) = graph.outputs.iter().find(named) else {
        return refuse(format!("has no output {:?}", promised_output.0));
    };
    for (tensor, (_, promised)) in [(input, promised_input), (output, promised_output)] {
        if tensor.element != FLOAT {
            return refuse(format!("{:?} is not float32", tensor.name));
        }
        let Some(dims) = &tensor.dims else { continue };
        let fits = |(found, promised): (&Option<u64>, &Option<u64>)| {
            found.is_none() || promised.is_none() || found == promised
        };
        if dims.len() != promised.len() || !dims.iter().zip(promised).all(fits) {
            let any = |dim: &Option<u64>| dim.map_or("any".to_owned(), |n| n.to_string());
            let shape: Vec<String> = promised.iter().map(any).collect();
            return refuse(format!(
                "{:?} is not of shape ({})",
                tensor.name,
                shape.join(", ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scan model with two scores a voxel promises.
    fn check(model: &[u8]) -> Result<(), OnnxError> {
        let dims = |channels| vec![Some(1), Some(channels), None, None, None];
        super::check(model, &("input", dims(1)), &("output", dims(2)))
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

    /// A field with bytes.
    fn bytes(field: usize, content: &[u8]) -> Vec<u8> {
        [
            varint(field << 3 | 2),
            varint(content.len()),
            content.to_vec(),
        ]
        .concat()
    }

    /// A field with a small number.
    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    fn value(name: &str, element: u8, dims: &[Option<u8>]) -> Vec<u8> {
        let dims: Vec<u8> = dims
            .iter()
            .flat_map(|dim| bytes(1, &dim.map_or(bytes(2, b"n"), |n| number(1, n))))
            .collect();
        let tensor = [number(1, element), bytes(2, &dims)].concat();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
    }

    const INPUT: [Option<u8>; 5] = [Some(1), Some(1), None, None, None];
    const OUTPUT: [Option<u8>; 5] = [Some(1), Some(2), None, None, None];

    struct Parts {
        imports: Vec<u8>,
        input: Vec<u8>,
        output: Vec<u8>,
        more: Vec<u8>,
    }

    fn parts() -> Parts {
        Parts {
            imports: bytes(8, &number(2, 17)),
            input: value("input", 1, &INPUT),
            output: value("output", 1, &OUTPUT),
            more: Vec::new(),
        }
    }

    fn checked(parts: &Parts) -> Result<(), OnnxError> {
        let graph = [
            bytes(11, &parts.input),
            bytes(12, &parts.output),
            parts.more.clone(),
        ]
        .concat();
        check(&[parts.imports.clone(), bytes(7, &graph)].concat())
    }

    #[test]
    fn a_plain_model_passes() {
        assert_eq!(checked(&parts()), Ok(()));
        // Weights listed as inputs, as old files do, are none.
        let weights = [
            bytes(11, &value("w", 1, &[Some(3)])),
            bytes(5, &bytes(8, b"w")),
        ]
        .concat();
        assert_eq!(
            checked(&Parts {
                more: weights,
                ..parts()
            }),
            Ok(())
        );
    }

    #[test]
    fn external_data_is_refused_wherever_it_hides() {
        let external = [bytes(8, b"w"), number(14, 1)].concat();
        let entries = [bytes(8, b"w"), bytes(13, b"")].concat();
        let attribute = |field, content: &[u8]| bytes(1, &bytes(5, &bytes(field, content)));
        for more in [
            bytes(5, &external),
            bytes(5, &entries),
            bytes(15, &bytes(1, &external)),
            attribute(5, &external),
            attribute(10, &entries),
            attribute(6, &bytes(5, &external)),
            attribute(22, &bytes(2, &external)),
        ] {
            let result = checked(&Parts { more, ..parts() });
            assert_eq!(
                result,
                Err(OnnxError::External {
                    name: "w".to_owned()
                })
            );
        }
        let model = bytes(25, &bytes(7, &bytes(5, &bytes(5, &external))));
        assert_eq!(
            check(&model),
            Err(OnnxError::External {
                name: "w".to_owned()
            })
        );
    }

    #[test]
    fn foreign_operators_and_opsets_are_refused() {
        let foreign = |domain: &str| OnnxError::Domain {
            domain: domain.to_owned(),
        };
        let node = bytes(1, &bytes(7, b"com.example"));
        assert_eq!(
            checked(&Parts {
                more: node,
                ..parts()
            }),
            Err(foreign("com.example"))
        );
        let import = bytes(8, &[bytes(1, b"x"), number(2, 1)].concat());
        assert_eq!(
            checked(&Parts {
                imports: import,
                ..parts()
            }),
            Err(foreign("x"))
        );
        for version in [10, 24, 99] {
            let imports = bytes(8, &number(2, version));
            let found = u64::from(version);
            assert_eq!(
                checked(&Parts { imports, ..parts() }),
                Err(OnnxError::Opset { found })
            );
        }
        assert_eq!(
            checked(&Parts {
                imports: Vec::new(),
                ..parts()
            }),
            Err(OnnxError::Opset { found: 0 })
        );
    }

    #[test]
    fn an_interface_other_than_promised_is_refused() {
        let three_channels = [Some(1), Some(3), None, None, None];
        for wrong in [
            Parts {
                input: value("other", 1, &INPUT),
                ..parts()
            },
            Parts {
                input: value("input", 10, &INPUT),
                ..parts()
            },
            Parts {
                input: value("input", 1, &INPUT[..4]),
                ..parts()
            },
            Parts {
                output: value("other", 1, &OUTPUT),
                ..parts()
            },
            Parts {
                output: value("output", 1, &three_channels),
                ..parts()
            },
            Parts {
                more: bytes(11, &value("second", 1, &INPUT)),
                ..parts()
            },
        ] {
            assert!(matches!(checked(&wrong), Err(OnnxError::Interface { .. })));
        }
    }

    #[test]
    fn garbage_and_endless_nesting_are_refused() {
        assert_eq!(check(b"not a model"), Err(OnnxError::Malformed));
        assert_eq!(check(b""), Err(OnnxError::Opset { found: 0 }));
        let mut more = Vec::new();
        for _ in 0..=DEPTH_MAX {
            more = bytes(1, &bytes(5, &bytes(6, &more)));
        }
        assert_eq!(checked(&Parts { more, ..parts() }), Err(OnnxError::Depth));
    }
}
