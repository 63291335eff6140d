//! Says what the reader makes of a file or directory: `inspect <path> [values.f32]`. The second argument receives the
//! scanner's values as little-endian f32, to compare with other readers. `--loose` takes unknown orientation.

use std::path::Path;
use swarm_imaging::{LoadOptions, load, read_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, paths): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let path = paths.first().ok_or("give a file or a directory")?;
    let options = LoadOptions {
        allow_unknown_orientation: flags.contains(&"--loose".to_owned()),
        ..LoadOptions::default()
    };
    let files = read_path(Path::new(path), &options.limits)?;
    let volume = load(&files, &options).map_err(|e| e.explain())?;
    let values = volume.to_f32();
    let facts = serde_json::json!({
        "dims": volume.dims(),
        "spacing_mm": volume.spacing(),
        "affine_ras": volume.affine().0,
        "stored": volume.voxels().type_name(),
        "modality": volume.modality(),
        "least": values.iter().copied().fold(f32::INFINITY, f32::min),
        "most": values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
    });
    println!("{facts}");
    if let Some(out) = paths.get(1) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(out, bytes)?;
    }
    Ok(())
}
