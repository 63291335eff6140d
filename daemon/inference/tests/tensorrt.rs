//! TensorRT-RTX as the demo's network meets it: compiled for cards that are not here, checked, kept, and refused in the
//! compiler's own words. Nothing here runs an engine.

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use swarm_inference::ModelPackage;
use swarm_inference::engine::tensorrt::{
    Artefact, Flavour, Library, Precision, Target, compile, profile,
};
use swarm_inference::engine::{EngineError, EngineKind};
use swarm_types::sha256;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("2 is not 0");

fn library() -> Library {
    common::cached("tensorrt-rtx/libtensorrt_rtx.so.1");
    Library::load(Flavour::Rtx, &Flavour::Rtx.default_folder()).expect("set-up installs it")
}

fn find(folder: &Path, package: &ModelPackage) -> Result<Option<Artefact>, EngineError> {
    let version = library().version();
    Artefact::find(
        folder,
        package.digest(),
        Target::Sm86,
        Flavour::Rtx,
        &version,
        Precision::F32,
    )
}

#[test]
fn the_demos_network_is_compiled_checked_and_kept_under_its_digest() {
    let (library, package) = (library(), common::brain_package());
    let made = compile(&library, &package, Target::Sm86, Precision::F32, THREADS)
        .expect("TensorRT-RTX knows every operator of it");
    let said = made.description();
    assert_eq!(said.model, package.digest());
    assert_eq!(said.sha256, sha256(made.engine()));
    assert_eq!(said.state(), "compiled, never run");
    // Its weights are 8.5 MB of float32, and they are in it.
    assert!(said.bytes > 8_000_000, "{} bytes", said.bytes);
    let tensors: Vec<(bool, &str, &[i64])> = said
        .tensors
        .iter()
        .map(|tensor| (tensor.input, tensor.name.as_str(), tensor.dims.as_slice()))
        .collect();
    assert_eq!(
        tensors,
        [
            (true, "input", &[1, 1, -1, -1, -1][..]),
            (false, "output", &[1, 2, -1, -1, -1][..])
        ]
    );
    assert_eq!(said.profile, profile(package.spec()));
    assert_eq!(said.profile.best, [128; 3]);
    assert_eq!(said.profile.least, [32, 64, 96], "the golden case's size");

    // The runtime reads the header without a GPU, and knows a broken one.
    let verdict = library.validity(made.engine()).expect("it reads headers");
    assert!(verdict.is_sound(), "{verdict:?}");
    let mut broken = made.engine().to_vec();
    broken[0] ^= 0xff;
    let verdict = library.validity(&broken).expect("it reads headers");
    assert!(!verdict.is_sound(), "{verdict:?}");
    assert!(library.validity(b"short").is_err());

    let dir = tempfile::tempdir().expect("temporary directory");
    assert_eq!(find(dir.path(), &package).expect("readable"), None);
    let file = made.write(dir.path()).expect("written");
    assert_eq!(
        find(dir.path(), &package).expect("whole").as_ref(),
        Some(&made)
    );
    assert_eq!(Artefact::list(dir.path()), std::slice::from_ref(said));
    // One byte in the middle, and it is not the engine that the description names.
    let mut bytes = fs::read(&file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("written");
    let error = find(dir.path(), &package).expect_err("changed");
    assert!(matches!(error, EngineError::Artefact { .. }), "{error}");
}

#[test]
fn float16_is_smaller_and_keeps_float32_outside() {
    let (library, package) = (library(), common::brain_package());
    let made = compile(&library, &package, Target::Sm120, Precision::F16, THREADS)
        .expect("all weights fit float16");
    let said = made.description();
    assert!(said.tensors.iter().all(|t| t.element == "float32"));
    // 8.5 MB of weights are half of that; the rest of an engine is code.
    assert!(said.bytes < 18_000_000, "{} bytes", said.bytes);
    assert!(
        said.key().ends_with("-sm120-tensorrt-rtx-1.7.1-f16"),
        "{}",
        said.key()
    );
}

#[test]
fn an_unknown_operator_is_refused_in_the_compilers_words() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for entry in fs::read_dir(common::cached("models/brain_mri")).expect("readable") {
        let entry = entry.expect("readable");
        fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("copied");
    }
    let path = dir.path().join("model.onnx");
    let mut onnx = fs::read(&path).expect("readable");
    let (from, to) = (b"MaxPool", b"MaxPuul");
    let at: Vec<usize> = onnx
        .windows(from.len())
        .enumerate()
        .filter_map(|(at, bytes)| (bytes == from).then_some(at))
        .collect();
    assert!(!at.is_empty(), "the network has no MaxPool any more");
    for at in at {
        onnx[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(&path, onnx).expect("written");
    let package = ModelPackage::from_dir(dir.path()).expect("well formed");
    let error = compile(&library(), &package, Target::Sm89, Precision::F32, THREADS)
        .expect_err("there is no such operator");
    let words = error.to_string();
    assert!(words.contains("operator MaxPuul"), "{words}");
    assert!(words.contains("Plugin not found"), "{words}");
}

#[test]
fn an_engine_that_is_not_installed_says_so() {
    let dir = tempfile::tempdir().expect("temporary directory");
    match Library::load(Flavour::Full, dir.path()) {
        Err(EngineError::NotInstalled { engine, .. }) => assert_eq!(engine, EngineKind::Tensorrt),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("an empty folder has no library"),
    }
}
