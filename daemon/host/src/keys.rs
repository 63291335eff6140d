//! Secrets: where they come from and how a new one is written.
//!
//! A secret is read from a systemd credential, from a file that nobody but its owner can read, or (signing keys) from
//! a web3 keystore with its password in such a file. It is never taken from the environment, which children inherit
//! and crash reports show. Text read here is wiped when it is dropped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use alloy::signers::local::{LocalSignerError, PrivateKeySigner};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Most bytes of a secret's file: a keystore has some 500, an age identity file some 200.
const SECRET_BYTES_MAX: u64 = 16 << 10;
/// Mode bits of group and others, none of which a secret's file may have.
const MODE_OTHERS: u32 = 0o077;
/// Where systemd puts the credentials of a unit; the directory is not a secret.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SecretSource {
    /// A file of mode 0600 or stricter.
    File(PathBuf),
    /// A credential that systemd loaded for this unit (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential(String),
}

/// Where a signing key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum KeySource {
    /// 64 hex digits in a file of mode 0600 or stricter.
    File(PathBuf),
    /// 64 hex digits in a credential of systemd.
    Credential(String),
    /// A web3 keystore (v3).
    Keystore {
        /// The JSON file.
        path: PathBuf,
        /// Where its password is.
        password: SecretSource,
    },
}

/// Why there is no key. Never says what was in the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("cannot read the secret in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file could not be made. One that is there already is never overwritten.
    #[error("cannot make the secret file {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("others can read {path} (mode {mode:04o}); run `chmod 600` on it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a regular file, too large, or not text.
    #[error("{path} is not a text file of at most {SECRET_BYTES_MAX} bytes")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Not 64 hex digits that are a key.
    #[error("{path} does not hold a private key of 64 hex digits")]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The keystore did not open.
    #[error("the keystore {path} does not open with this password")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LocalSignerError,
    },
    /// The name of a credential is not a file name.
    #[error("'{0}' is not the name of a credential")]
    CredentialName(String),
    /// systemd gave this process no credentials.
    #[error(
        "there is no credential '{0}': this process was not started by systemd with credentials"
    )]
    NoCredentials(String),
}

impl SecretSource {
    /// The secret, without white space around it.
    pub fn load(&self) -> Result<Zeroizing<String>, KeyError> {
        let text = match self {
            Self::File(path) => read(path, true)?,
            // systemd's credential directory is readable by the unit alone, whatever the modes in it say.
            Self::Credential(name) => read(&credential_path(name)?, false)?,
        };
        Ok(Zeroizing::new(text.trim().to_owned()))
    }
}

impl KeySource {
    /// The signer of this key.
    pub fn load(&self) -> Result<PrivateKeySigner, KeyError> {
        match self {
            Self::File(path) => signer(&SecretSource::File(path.clone()).load()?, path),
            Self::Credential(name) => {
                let text = SecretSource::Credential(name.clone()).load()?;
                signer(&text, Path::new(name))
            }
            Self::Keystore { path, password } => {
                let password = password.load()?;
                PrivateKeySigner::decrypt_keystore(path, password.as_bytes()).map_err(|source| {
                    KeyError::Keystore {
                        path: path.clone(),
                        source,
                    }
                })
            }
        }
    }
}

/// Makes a new signing key and keeps it in `path`, which must not exist.
pub fn create_key(path: &Path) -> Result<PrivateKeySigner, KeyError> {
    let signer = PrivateKeySigner::random();
    let bytes = Zeroizing::new(signer.to_bytes().0);
    let text = Zeroizing::new(format!("{}\n", hex::encode(*bytes)));
    create_secret(path, &text)?;
    Ok(signer)
}

/// Writes `text` to `path` with mode 0600, durably. A file that is there already is left as it is, with an error.
pub fn create_secret(path: &Path, text: &str) -> Result<(), KeyError> {
    let create = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    create().map_err(|source| KeyError::Create {
        path: path.to_owned(),
        source,
    })
}

fn credential_path(name: &str) -> Result<PathBuf, KeyError> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(KeyError::CredentialName(name.to_owned()));
    }
    let dir = std::env::var_os(CREDENTIALS_DIRECTORY);
    let dir = dir.ok_or_else(|| KeyError::NoCredentials(name.to_owned()))?;
    Ok(Path::new(&dir).join(name))
}

fn read(path: &Path, check_mode: bool) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let format = || KeyError::Format {
        path: path.to_owned(),
    };
    let file = File::open(path).map_err(failed)?;
    // Of the open file, so that nobody can put another one in its place in between.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.size() > SECRET_BYTES_MAX {
        return Err(format());
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if check_mode && mode & MODE_OTHERS != 0 {
        return Err(KeyError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX as usize));
    file.take(SECRET_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format())?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn signer(text: &str, path: &Path) -> Result<PrivateKeySigner, KeyError> {
    let refused = || KeyError::NotAKey {
        path: path.to_owned(),
    };
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, &mut bytes[..]).map_err(|_| refused())?;
    PrivateKeySigner::from_slice(&bytes[..]).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_private_reads_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("worker.key");
        let made = create_key(&path).expect("makes");
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let loaded = KeySource::File(path.clone()).load().expect("loads");
        assert_eq!(loaded.address(), made.address());
        assert!(matches!(create_key(&path), Err(KeyError::Create { .. })));
        assert_eq!(
            KeySource::File(path).load().expect("loads").address(),
            made.address()
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("key");
        create_key(&path).expect("makes");
        for (mode, refused) in [
            (0o640, true),
            (0o604, true),
            (0o620, true),
            (0o600, false),
            (0o400, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
            let result = KeySource::File(path.clone()).load();
            assert_eq!(
                matches!(result, Err(KeyError::Mode { .. })),
                refused,
                "{mode:o}"
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let dir = tempfile::tempdir().expect("dir");
        for (i, text) in [
            "",
            "0x12",
            &"zz".repeat(32),
            &"00".repeat(32),
            &"ff".repeat(33),
        ]
        .iter()
        .enumerate()
        {
            let path = dir.path().join(i.to_string());
            create_secret(&path, text).expect("writes");
            let error = KeySource::File(path).load().expect_err("refused");
            assert!(matches!(error, KeyError::NotAKey { .. }), "{text}");
            assert!(text.len() < 8 || !format!("{error:?} {error}").contains(text));
        }
        assert!(matches!(
            KeySource::File(dir.path().into()).load(),
            Err(KeyError::Format { .. })
        ));
        let missing = KeySource::File(dir.path().join("none")).load();
        assert!(matches!(missing, Err(KeyError::Read { .. })));
        for name in ["", "../key", ".hidden", "a/b"] {
            let error = SecretSource::Credential(name.into())
                .load()
                .expect_err("refused");
            assert!(matches!(error, KeyError::CredentialName(_)), "{name}");
        }
    }

    // The test vector of the Web3 Secret Storage Definition (PBKDF2); its key is public.
    const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        let dir = tempfile::tempdir().expect("dir");
        let [path, right, wrong] =
            ["keystore.json", "right", "wrong"].map(|name| dir.path().join(name));
        std::fs::write(&path, KEYSTORE).expect("writes");
        create_secret(&right, "testpassword\n").expect("writes");
        create_secret(&wrong, "other\n").expect("writes");
        let open = |password: &Path| {
            let password = SecretSource::File(password.to_owned());
            let source = KeySource::Keystore {
                path: path.clone(),
                password,
            };
            source.load()
        };
        let signer = open(&right).expect("opens");
        assert_eq!(
            format!("{:#x}", signer.address()),
            "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b"
        );
        assert!(matches!(open(&wrong), Err(KeyError::Keystore { .. })));
    }
}
