//! A secret that is sealed to this box's TPM opens again, and is not there in plain.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::Ended;

/// The kernel's resource manager of the TPM.
const DEVICE: &str = "/dev/tpmrm0";
const SECRET: &[u8] = b"not a secret: a test of the TPM";

/// `systemd-creds encrypt` to the TPM, and `decrypt`.
pub fn run() -> Ended {
    if !Path::new(DEVICE).exists() {
        return Ended::Skipped(format!("there is no TPM ({DEVICE} is not there)"));
    }
    let sealed = match creds(
        &["encrypt", "--with-key=tpm2", "--name=test", "-", "-"],
        SECRET,
    ) {
        Ok(sealed) => sealed,
        Err(Creds::Missing) => return Ended::Skipped("systemd-creds is not installed".into()),
        Err(Creds::Refused(why)) => return Ended::Failed(format!("the TPM seals nothing: {why}")),
    };
    if sealed.windows(SECRET.len()).any(|window| window == SECRET) {
        return Ended::Failed("what was sealed holds the secret in plain".into());
    }
    match creds(&["decrypt", "--name=test", "-", "-"], &sealed) {
        Ok(opened) if opened == SECRET => {}
        Ok(_) => return Ended::Failed("what was sealed opens to something else".into()),
        Err(Creds::Missing) => return Ended::Failed("systemd-creds went away".into()),
        Err(Creds::Refused(why)) => {
            return Ended::Failed(format!("what was sealed does not open: {why}"));
        }
    }
    let read = |name: &str| {
        std::fs::read_to_string(format!("/sys/class/tpm/tpm0/{name}")).unwrap_or_default()
    };
    Ended::Passed {
        device: "TPM".into(),
        driver: format!("TPM version {}", read("tpm_version_major").trim()),
        found: json!({ "sealed_bytes": sealed.len() }),
    }
}

enum Creds {
    Missing,
    Refused(String),
}

fn creds(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Creds> {
    let refused = |error: std::io::Error| Creds::Refused(error.to_string());
    let child = Command::new("systemd-creds")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Creds::Missing,
        _ => refused(error),
    })?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).map_err(refused)?;
    drop(stdin);
    let output = child.wait_with_output().map_err(refused)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Creds::Refused(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}
