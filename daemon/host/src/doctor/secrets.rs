//! Keys and identities: whether they are there, private and whole. What is in them is never told.

use std::path::{Path, PathBuf};

use super::Check;
use crate::keys::{KeyError, KeySource, SecretSource};

/// Where systemd looks for credentials that are not in a unit's own directory; encrypted ones first.
const STORES: [&str; 6] = [
    "/etc/credstore.encrypted",
    "/run/credstore.encrypted",
    "/usr/lib/credstore.encrypted",
    "/etc/credstore",
    "/run/credstore",
    "/usr/lib/credstore",
];

/// A signing key that is configured under `field`.
pub fn key(field: &str, source: &KeySource) -> Check {
    let name = format!("key.{field}");
    match (source.load(), source) {
        (Ok(signer), _) => Check::ok(name, format!("loads; its address is {}", signer.address())),
        (Err(error), KeySource::Credential(credential)) => stored(name, credential, &error),
        (Err(error), _) => failed(name, &error),
    }
    .gating()
}

/// A secret that is no signing key, such as an age identity, configured under `field`.
pub fn secret(field: &str, source: &SecretSource) -> Check {
    let name = format!("key.{field}");
    match (source.load(), source) {
        (Ok(_), _) => Check::ok(name, "loads"),
        (Err(error), SecretSource::Credential(credential)) => stored(name, credential, &error),
        (Err(error), _) => failed(name, &error),
    }
    .gating()
}

/// A credential that this process was not given: it is the unit's, so the stores are looked at.
fn stored(name: String, credential: &str, error: &KeyError) -> Check {
    if !matches!(error, KeyError::NoCredentials(_)) {
        return failed(name, error);
    }
    let paths = STORES.iter().map(|store| Path::new(store).join(credential));
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => Check::ok(
            name,
            format!("systemd has the credential in {}", path.display()),
        ),
        None => Check::unknown(
            name,
            format!(
                "the credential '{credential}' is not in systemd's stores, and only its unit can read another"
            ),
            format!(
                "if the unit does not start: `systemd-creds encrypt --name={credential} - /etc/credstore.encrypted/{credential}`"
            ),
        ),
    }
}

fn failed(name: String, error: &KeyError) -> Check {
    let shown = |path: &PathBuf| path.display().to_string();
    let next = match error {
        KeyError::Mode { path, .. } => format!(
            "`chmod 600 {}`; others may have read it, so think about a new key",
            shown(path)
        ),
        KeyError::Read { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            format!(
                "put the key into {}, or correct the configuration",
                shown(path)
            )
        }
        KeyError::Read { path, .. } => format!("let the daemon's user read {}", shown(path)),
        _ => "put the right file in its place".to_owned(),
    };
    let cause = std::error::Error::source(error);
    let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
    Check::fail(name, format!("{error}{cause}"), next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::Outcome;
    use crate::keys::create_key;

    #[test]
    fn a_key_that_others_can_read_fails_and_is_not_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("gas.key");
        create_key(&path).expect("made");
        let source = KeySource::File(path.clone());
        assert_eq!(key("gas", &source).result, Outcome::Ok);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let open = key("gas", &source);
        assert_eq!((open.result, open.gates), (Outcome::Fail, true));
        assert!(open.reason.contains("mode 0644"), "{open:?}");
        assert!(
            open.next_step
                .as_ref()
                .expect("a step")
                .contains("chmod 600")
        );
        let text = std::fs::read_to_string(&path).expect("reads");
        assert!(!format!("{open:?}").contains(text.trim()));
        let missing = key("gas", &KeySource::File(dir.path().join("none")));
        assert!(
            missing
                .next_step
                .expect("a step")
                .starts_with("put the key into")
        );
        let credential = key("gas", &KeySource::Credential("swarm-test-none.key".into()));
        assert_eq!(credential.result, Outcome::Unknown, "{credential:?}");
    }
}
