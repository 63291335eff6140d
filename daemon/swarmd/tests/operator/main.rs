//! What an operator sees and does of a real rack through `swarm doctor`, `swarm status`, `swarm support-bundle` and
//! `swarm model`: real processes on a real chain, with one fault planted at a time.

mod bundle;
mod doctor;
mod models;
#[path = "../rack/mod.rs"]
mod rack;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a run of `swarm` ended.
pub struct Run {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }

    /// The check of a doctor's report by its name.
    #[track_caller]
    pub fn check(&self, name: &str) -> Value {
        let report = self.json();
        let checks = report["checks"].as_array().expect("checks");
        let found = checks.iter().find(|check| check["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {report:#}"))
            .clone()
    }

    /// That the check failed with this in its reason, says what to do, and failed the run.
    #[track_caller]
    pub fn assert_fails(&self, name: &str, reason: &str) {
        let check = self.check(name);
        assert_eq!(check["result"], "fail", "{check:#}");
        assert!(
            check["reason"].as_str().expect("text").contains(reason),
            "{check:#}"
        );
        assert!(
            check["next_step"]
                .as_str()
                .is_some_and(|step| step.len() > 10),
            "{check:#}"
        );
        assert_eq!(self.status, 1, "{}", self.err);
    }
}

/// `swarm`, which is built beside `swarmd` by `cargo build --bins`.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_swarmd")).with_file_name("swarm");
    assert!(
        path.exists(),
        "build {} first: cargo build --bins",
        path.display()
    );
    path
}

/// Runs `swarm` with a home of its own.
pub fn swarm(home: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(program());
    command.arg("--home").arg(home).args(arguments);
    ended(command)
}

/// The same, where no file may grow: what a full disk looks like to a program.
pub fn swarm_on_a_full_disk(home: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(program())
        .arg("--home")
        .arg(home)
        .args(arguments);
    ended(command)
}

fn ended(mut command: Command) -> Run {
    let output = command
        .stdin(Stdio::null())
        .env_remove("SWARM_QUEEN")
        .env_remove("SWARM_RPC")
        .output()
        .expect("swarm runs");
    Run {
        status: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}
