//! Whole inputs, one or more for each decoder, from which damage begins.

use swarm_imaging::dicom::seg;
use swarm_imaging::{LoadOptions, SeriesSpec, Source, UidMap, load, write_series};
use swarm_store::{age, archive};

use crate::onnx::{Graph, bytes, model, node, number, value};

#[allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "it is the imaging crate's test module"
)]
#[path = "../../imaging/tests/common/mod.rs"]
mod imaging;

/// The identity to which [`age_files`] are encrypted: always the same, so that damage repeats, and nobody's.
pub fn identity() -> age::Identity {
    let secret: Vec<u8> = (1..=32).collect();
    let hrp = bech32::Hrp::parse("age-secret-key-").expect("a prefix");
    let text = bech32::encode::<bech32::Bech32>(hrp, &secret).expect("32 bytes fit");
    text.to_uppercase().parse().expect("an identity")
}

/// One slice in every transfer syntax that is read here, and an enhanced object of three.
pub fn dicom() -> Vec<Vec<u8>> {
    let spec = SeriesSpec {
        intercept: -1000.0,
        ..SeriesSpec::default()
    };
    let plain = write_series(&imaging::volume(), &spec).expect("a series");
    let slice = &plain[0].1;
    vec![
        slice.clone(),
        imaging::as_plain(slice, "1.2.840.10008.1.2"),
        imaging::as_plain(slice, "1.2.840.10008.1.2.2"),
        imaging::as_deflated(slice, 0),
        imaging::as_rle(slice, 63),
        imaging::as_coded(slice, "1.2.840.10008.1.2.4.90", imaging::jpeg_2000()),
        imaging::as_coded(slice, "1.2.840.10008.1.2.4.70", imaging::jpeg_lossless()),
        imaging::as_coded(slice, "1.2.840.10008.1.2.4.80", imaging::jpeg_ls()),
        imaging::as_enhanced(&plain[..3].to_vec()),
    ]
}

/// Coded frames: RLE is in [`dicom`], these are JPEG 2000 (two), lossless JPEG and JPEG-LS.
pub fn frames() -> Vec<Vec<u8>> {
    vec![
        imaging::jpeg_2000(),
        imaging::jpeg_2000_signed(),
        imaging::jpeg_lossless(),
        imaging::jpeg_ls(),
    ]
}

/// A series in a zip archive, and one scan in another.
pub fn zips() -> Vec<Vec<u8>> {
    let slices = dicom();
    let file = |(n, bytes): (usize, &Vec<u8>)| (format!("{n}.dcm"), bytes.clone());
    let series: Vec<(String, Vec<u8>)> = slices[..3].iter().enumerate().map(file).collect();
    let scan = vec![("scan.nii".to_owned(), nifti().swap_remove(0))];
    vec![imaging::zipped(&series), imaging::zipped(&scan)]
}

/// A segmentation, and a map that its series could have been de-identified with: always the same, so that damage repeats.
pub fn segmentation() -> (Vec<u8>, UidMap) {
    let spec = SeriesSpec {
        intercept: -1000.0,
        ..SeriesSpec::default()
    };
    let files = write_series(&imaging::volume(), &spec).expect("a series");
    let volume = load(&files, &LoadOptions::default()).expect("loads");
    let Source::Dicom(source) = volume.source() else {
        unreachable!("the files are DICOM")
    };
    let slices = source.slices.iter().map(|slice| &slice.instance_uid);
    let replaced: serde_json::Map<String, serde_json::Value> =
        [&source.study_uid, &source.series_uid]
            .into_iter()
            .chain(&source.frame_of_reference_uid)
            .chain(slices)
            .enumerate()
            .map(|(n, uid)| (format!("1.2.3.{n}"), serde_json::json!(uid)))
            .collect();
    let map = serde_json::from_value(serde_json::json!({ "replaced": replaced }));
    let labels: Vec<u8> = (0..volume.voxels().len()).map(|i| (i % 3) as u8).collect();
    let segment = |value: u8| seg::Segment {
        value,
        label: format!("structure_{value}"),
        code: None,
    };
    let algorithm = seg::Algorithm {
        name: "test".into(),
        version: "1".into(),
        serial: "0".into(),
    };
    let segments = [segment(1), segment(2)];
    let bytes = seg::write_segmentation(&volume, source, &labels, &segments, &algorithm);
    (bytes.expect("writes"), map.expect("a map"))
}

/// A slice around a coded frame of a transfer syntax.
pub fn slice_of(frame: &[u8], syntax: &str) -> Vec<u8> {
    use std::sync::OnceLock;
    static SLICE: OnceLock<Vec<u8>> = OnceLock::new();
    let slice = SLICE.get_or_init(|| dicom().swap_remove(0));
    let mut frame = frame.to_vec();
    frame.resize(frame.len().next_multiple_of(2), 0);
    imaging::as_coded(slice, syntax, frame)
}

/// NIfTI-1, not compressed.
pub fn nifti() -> Vec<Vec<u8>> {
    let data: Vec<i16> = (0..210).collect();
    vec![imaging::nifti([7, 6, 5], &data)]
}

/// The tar that an input is.
pub fn tars() -> Vec<Vec<u8>> {
    let files = |names: &[&str]| -> Vec<(String, Vec<u8>)> {
        let file = |(n, name): (usize, &&str)| ((*name).to_owned(), vec![n as u8; 100 + 300 * n]);
        names.iter().enumerate().map(file).collect()
    };
    let tar = |names: &[&str]| archive::pack(&files(names)).expect("packs");
    vec![
        tar(&["scan.nii.gz"]),
        tar(&["a/1.dcm", "a/2.dcm", "b/3.dcm"]),
    ]
}

/// Files encrypted to [`identity`], alone and among others.
pub fn age_files() -> Vec<Vec<u8>> {
    let me = identity();
    let other = age::Identity::generate();
    let to = |all: &[age::Recipient]| age::encrypt(&[7; 3_000], all).expect("encrypts");
    vec![
        to(&[me.recipient()]),
        to(&[other.recipient(), me.recipient(), other.recipient()]),
    ]
}

/// What `model.toml` says in [`packages`].
pub const MODEL_TOML: &str = include_str!("../../../scripts/model/brain_mri/model.toml");

/// What `model.toml` says of a model for arrays with [`onnx`]'s network.
pub const TENSOR_TOML: &str = r#"format = 1
kind = "tensor"
name = "relax"
version = "1.0.0"
licence = "Apache-2.0"
job_type = "route"
description = "For tests."
memory_mib = 16

[input]
tensor = "input"
shape = [1, 1, 0, 0, 0]
nonfinite = "allow"

[output]
tensor = "output"
shape = [1, 2, 0, 0, 0]

[[golden]]
tolerance = 0.001
seed = 7
input_shape = [1, 1, 2, 2, 2]
output_shape = [1, 2, 2, 2, 2]
points = [{ index = 3, value = 0.5 }, { index = 15, value = 0.25 }]
"#;

/// Arrays: of one axis, of two, and with what a package may refuse.
pub fn arrays() -> Vec<Vec<u8>> {
    let array = |shape: &[usize], values: &[f32]| {
        swarm_package::npy::write(&swarm_package::npy::Array {
            shape: shape.to_vec(),
            values: values.to_vec(),
        })
    };
    vec![
        array(&[3], &[1.0, 2.0, 3.0]),
        array(&[2, 2], &[0.0, 1.0, 2.0, 0.0]),
        array(&[2, 1, 2], &[f32::NAN, f32::INFINITY, -0.0, 1e-40]),
    ]
}

/// The protobuf of a small network with that interface: two nodes, one with a subgraph, and weights.
pub fn onnx() -> Vec<u8> {
    let value = |name, channels| value(name, &["1", channels, "n", "n", "n"]);
    let weights = [bytes(8, b"w"), number(2, 1), bytes(9, &[0; 8])].concat();
    let relu = node("Relu", &["input"], "output", &[]);
    let within = bytes(6, &[bytes(1, &relu), bytes(5, &weights)].concat());
    let branch = [bytes(4, b"If"), bytes(5, &within)].concat();
    model(
        17,
        &Graph {
            nodes: vec![relu, branch],
            weights: vec![weights],
            inputs: vec![value("input", "1")],
            outputs: vec![value("output", "2")],
        },
    )
}

/// A package as a tar.
pub fn package(toml: &[u8], onnx: &[u8]) -> Vec<u8> {
    let files = [("model.toml", toml), ("model.onnx", onnx)];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    archive::pack(&files).expect("packs")
}

/// The committed bundle: name and bytes of each file.
pub const BUNDLE: [(&str, &[u8]); 6] = [
    (
        "SUMMARY.json",
        include_bytes!("../../types/vectors/epoch-002/SUMMARY.json"),
    ),
    (
        "jobs/00000.json",
        include_bytes!("../../types/vectors/epoch-002/jobs/00000.json"),
    ),
    (
        "agents.json",
        include_bytes!("../../types/vectors/epoch-002/agents.json"),
    ),
    (
        "clients.json",
        include_bytes!("../../types/vectors/epoch-002/clients.json"),
    ),
    (
        "payouts.json",
        include_bytes!("../../types/vectors/epoch-002/payouts.json"),
    ),
    (
        "SIGNATURE.txt",
        include_bytes!("../../types/vectors/epoch-002/SIGNATURE.txt"),
    ),
];

/// Messages of the API as their senders write them, by the name of their type.
pub fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let page: serde_json::Value = serde_json::from_slice(BUNDLE[1].1).expect("the bundle is JSON");
    let entry = &page["jobs"][0];
    let (address, hash) = (
        format!("0x{}", "11".repeat(20)),
        format!("0x{}", "22".repeat(32)),
    );
    let signature = &entry["order"]["signature"];
    let recipient = identity().recipient().to_string();
    let blob = serde_json::json!({ "sha256": hash, "size": "3000" });
    let device = serde_json::json!({ "name": "cpu", "uuid": null, "memory_mib": 1024 });
    [
        ("SubmitJob", serde_json::json!({
            "job_type": "brain_mri", "order": entry["order"]["order"], "signature": signature, "salt": hash,
            "input": blob, "reply_to": recipient, "client_ens": "name.eth",
        })),
        ("CompleteJob", serde_json::json!({
            "token": "12345", "execution": entry["execution"], "worker_signature": entry["executionSignature"],
            "result": blob, "manifest": hash, "engine": entry["engine"], "power": entry["power"], "poe_hash": hash,
            "execution_ms": "12",
        })),
        ("RegisterWorker", serde_json::json!({
            "name": "bee-01", "recipient": recipient, "recipient_signature": signature, "device": device,
            "models": [hash], "engines": ["test"], "concurrency": 1, "version": "0.1.0", "join_code": "00ff", "payee": address,
        })),
        ("Heartbeat", serde_json::json!({
            "ready": false, "not_ready_reason": "no", "draining": false, "leases": ["1", "2"], "warm_models": [hash],
            "utilisation_percent": 50, "memory_used_mib": 100,
        })),
        ("LeaseRequest", serde_json::json!({ "wait_seconds": 25 })),
        ("JobProgress", serde_json::json!({ "token": "12345", "stage": "infer", "progress_bps": 5000 })),
        ("FailJob", serde_json::json!({ "token": "12345", "reason": "why", "retryable": true })),
        ("QuoteRequest", serde_json::json!({ "job_type": "brain_mri", "model": hash })),
        ("BlobUpload", serde_json::json!({ "size": "3000" })),
        ("ApproveWorker", serde_json::json!({ "payee": address })),
        ("DrainWorker", serde_json::json!({ "drain": true })),
        ("TopUp", serde_json::json!({ "transaction": hash })),
        ("Webhook", serde_json::json!({ "url": "https://example.org/hook" })),
    ]
    .map(|(name, value)| (name, value.to_string().into_bytes()))
    .into()
}

/// Short texts that are parsed: ids, amounts, signatures, keys.
pub fn texts() -> Vec<Vec<u8>> {
    let signature = format!("0x{}1b", "11".repeat(64));
    [
        "job-002-0848",
        "epoch-002",
        "18446744073709551615",
        "$18446744073709.551615",
        &signature,
        &identity().secret_text(),
        "0x00000000000000000000000000000000000000aa",
        std::str::from_utf8(BUNDLE[5].1).expect("text"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
