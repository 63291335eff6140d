//! Where the box's `swarm.toml` is. The first place that has one decides, so that a new one replaces what was kept.

use std::path::Path;

use anyhow::Result;

use super::files::{Root, read_file};

/// Name of the credential, as `io.systemd.credential:swarm.config=…` (or `.credential.binary:` in base64) in SMBIOS type 11.
pub const CREDENTIAL: &str = "swarm.config";
/// The boot partition, where the image mounts it.
const ON_ESP: [&str; 2] = ["efi/swarm.toml", "boot/swarm.toml"];
/// What was applied last.
pub const KEPT: &str = "var/lib/swarm/swarm.toml";
/// The places for people.
pub const PLACES: &str =
    "give it as the SMBIOS credential swarm.config, or as swarm.toml on the boot partition (ESP)";

/// The configuration and where it came from.
pub fn find(root: &Root) -> Result<Option<(String, String)>> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    find_with(root, directory.as_deref().map(Path::new))
}

/// [`find`], with the directory in which systemd put this unit's credentials.
pub fn find_with(root: &Root, credentials: Option<&Path>) -> Result<Option<(String, String)>> {
    if let Some(directory) = credentials
        && let Some(text) = read_file(&directory.join(CREDENTIAL))?
    {
        return Ok(Some((format!("the credential {CREDENTIAL}"), text)));
    }
    for place in ON_ESP {
        if let Some(text) = root.read(place)? {
            return Ok(Some((format!("/{place}"), text)));
        }
    }
    Ok(root.read(KEPT)?.map(|text| (format!("/{KEPT}"), text)))
}
