//! Writes the samples as corpora for `daemon/fuzz`: `cargo run -p swarm-hostile --example corpus -- DIR`.

use std::path::PathBuf;

use swarm_hostile::samples;

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".into()));
    let bundle = samples::BUNDLE.iter().enumerate();
    let bundle = bundle.map(|(which, (_, bytes))| [&[which as u8], *bytes].concat());
    let frames = samples::frames();
    let all = [
        ("dicom", samples::dicom()),
        ("nifti", samples::nifti()),
        ("jpeg2000", frames[..2].to_vec()),
        ("jpeg", frames[2..3].to_vec()),
        ("jpegls", frames[3..].to_vec()),
        ("zip", samples::zips()),
        ("segmentation", vec![samples::segmentation().0]),
        ("tar", samples::tars()),
        ("age", samples::age_files()),
        (
            "package",
            vec![samples::package(
                samples::MODEL_TOML.as_bytes(),
                &samples::onnx(),
            )],
        ),
        ("onnx", vec![samples::onnx()]),
        ("npy", samples::arrays()),
        (
            "spec",
            vec![samples::MODEL_TOML.into(), samples::TENSOR_TOML.into()],
        ),
        (
            "message",
            samples::messages()
                .into_iter()
                .map(|(_, text)| text)
                .collect(),
        ),
        ("text", samples::texts()),
        ("bundle", bundle.collect()),
    ];
    for (target, inputs) in all {
        let dir = root.join(target);
        std::fs::create_dir_all(&dir)?;
        for (n, input) in inputs.iter().enumerate() {
            std::fs::write(dir.join(format!("sample-{n}")), input)?;
        }
    }
    Ok(())
}
