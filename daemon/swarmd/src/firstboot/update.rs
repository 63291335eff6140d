//! Where systemd-sysupdate takes newer versions from: the image's transfer files, with the operator's source in them.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::config::UpdateConfig;
use super::files::Root;

/// The image's transfer files.
const SHIPPED: &str = "usr/lib/sysupdate.d";
/// Files of the same names here take their place until the next boot.
const POINTED: &str = "run/sysupdate.d";
/// The line that names the source.
const PATH: &str = "Path=file:///var/lib/swarm/updates";

/// Writes the transfer files with their source, or none without one.
pub fn point(root: &Root, update: Option<&UpdateConfig>) -> Result<()> {
    let Some(update) = update else {
        return Ok(());
    };
    let shipped = root.path(SHIPPED);
    let entries = fs::read_dir(&shipped).with_context(|| format!("read {}", shipped.display()))?;
    for entry in entries {
        let name = entry.context("read a transfer file's name")?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".transfer")) else {
            continue;
        };
        let text = root.read(&format!("{SHIPPED}/{name}"))?.unwrap_or_default();
        let source = format!("Path={}", update.source.trim_end_matches('/'));
        let pointed = text.replace(PATH, &source);
        ensure!(pointed != text, "/{SHIPPED}/{name} has no line {PATH}");
        root.write(&format!("{POINTED}/{name}"), &pointed, 0o644)?;
    }
    Ok(())
}
