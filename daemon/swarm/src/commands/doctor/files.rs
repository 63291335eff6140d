//! The configurations of the daemons on this box.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use swarm_bee::BeeConfig;
use swarm_host::doctor::Check;
use swarm_queen::QueenFile;

/// Configurations of bees that are looked at.
const BEES_MAX: usize = 64;

/// What was found in the directory of configurations.
#[derive(Debug, Default)]
pub struct Files {
    /// queen.toml, if this box has a queen.
    pub queen: Option<QueenFile>,
    /// bee*.toml.
    pub bees: Vec<BeeConfig>,
}

impl Files {
    /// Reads `queen.toml` and every `bee*.toml` of `etc`. One that is wrong is a check that says why; the others count.
    pub fn read(etc: &Path) -> (Self, Vec<Check>) {
        let (mut files, mut checks) = (Self::default(), Vec::new());
        let path = etc.join("queen.toml");
        if path.exists() {
            match read::<QueenFile>(&path).and_then(|file| match file.queen.check() {
                Ok(()) => Ok(file),
                Err(error) => Err(error.to_string()),
            }) {
                Ok(file) => {
                    checks.push(sound(&path));
                    files.queen = Some(file);
                }
                Err(why) => checks.push(wrong(&path, &why, "queen")),
            }
        }
        for path in bees(etc) {
            match read::<BeeConfig>(&path).and_then(|config| match config.problems() {
                problems if problems.is_empty() => Ok(config),
                problems => Err(problems.join("; ")),
            }) {
                Ok(config) => {
                    checks.push(sound(&path));
                    files.bees.push(config);
                }
                Err(why) => checks.push(wrong(&path, &why, "bee")),
            }
        }
        if checks.is_empty() {
            checks.push(Check::unknown(
                "config",
                format!(
                    "there is no queen.toml and no bee.toml in {}",
                    etc.display()
                ),
                "on a box with a queen or a bee, name the directory with --etc",
            ));
        }
        (files, checks)
    }
}

fn bees(etc: &Path) -> Vec<PathBuf> {
    let is_bee = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with("bee") && name.ends_with(".toml"))
    };
    let entries = std::fs::read_dir(etc).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_bee).collect();
    paths.sort();
    paths.truncate(BEES_MAX);
    paths
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    // Only the message: the lines that the full error quotes may hold a join code.
    toml::from_str(&text).map_err(|error| error.message().to_owned())
}

fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("config.{stem}")
}

fn sound(path: &Path) -> Check {
    Check::ok(name(path), format!("{} is sound", path.display())).gating()
}

fn wrong(path: &Path, why: &str, role: &str) -> Check {
    let shown = path.display();
    let next = format!("correct it; `swarmd {role} --check --config {shown}` says when it is good");
    Check::fail(name(path), format!("{shown}: {why}"), next).gating()
}
