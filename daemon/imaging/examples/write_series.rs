//! Makes a DICOM series of an invented patient out of a scan: `write_series <scan.nii.gz> <directory>`.

use std::path::Path;
use swarm_imaging::{LoadOptions, SeriesSpec, load, read_path, write_series};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [scan, directory] = &paths[..] else {
        return Err("give a scan and a directory".into());
    };
    let options = LoadOptions::default();
    let volume =
        load(&read_path(Path::new(scan), &options.limits)?, &options).map_err(|e| e.explain())?;
    std::fs::create_dir_all(directory)?;
    for (name, bytes) in write_series(&volume.to_lps(), &SeriesSpec::default())? {
        std::fs::write(Path::new(directory).join(name), bytes)?;
    }
    Ok(())
}
