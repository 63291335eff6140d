//! Keys that sign for the daemon and for its users: from a key file, a keystore, or memory.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use swarm_types::signature::eip191_message;
use swarm_types::{Address, B256, Signature65};
use zeroize::Zeroizing;

/// A key file is never larger: a keystore has some 500 bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The file cannot be read.
    #[error("key file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner can read it.
    #[error("key file {path} can be read by others (mode {mode:03o}): run chmod 600 on it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither 64 hex digits nor a keystore.
    #[error("key file {path} holds neither 64 hexadecimal digits nor a version 3 keystore")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A keystore without a password to open it.
    #[error("key file {path} is a keystore: a password is needed")]
    PasswordNeeded {
        /// The file.
        path: PathBuf,
    },
    /// The keystore does not open.
    #[error("keystore {path} does not open with this password")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What the keystore said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A key that signs. Its Debug shows the address only.
#[derive(Clone)]
pub struct Wallet {
    signer: PrivateKeySigner,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wallet").field(&self.address()).finish()
    }
}

impl Wallet {
    /// The key of `bytes`; `None` when they are zero or past the curve's order.
    pub fn from_bytes(bytes: &B256) -> Option<Self> {
        let signer = PrivateKeySigner::from_bytes(bytes).ok()?;
        Some(Self { signer })
    }

    /// A new key from the system's randomness.
    pub fn random() -> Self {
        Self {
            signer: PrivateKeySigner::random(),
        }
    }

    /// Reads a key from `path`: 64 hexadecimal digits (0x or not, a line end is fine), or a version 3
    /// keystore, which needs `password`. The file must be readable by its owner only.
    ///
    /// # Errors
    /// See [`WalletError`].
    pub fn from_file(path: &Path, password: Option<&str>) -> Result<Self, WalletError> {
        let read = |source| WalletError::Read {
            path: path.into(),
            source,
        };
        let meta = std::fs::metadata(path).map_err(read)?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(WalletError::Open {
                path: path.into(),
                mode,
            });
        }
        let format = || WalletError::Format { path: path.into() };
        if meta.len() > KEY_FILE_BYTES_MAX {
            return Err(format());
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(read)?);
        if text.trim_start().starts_with('{') {
            let password =
                password.ok_or_else(|| WalletError::PasswordNeeded { path: path.into() })?;
            let signer = PrivateKeySigner::decrypt_keystore(path, password).map_err(|e| {
                WalletError::Keystore {
                    path: path.into(),
                    source: Box::new(e),
                }
            })?;
            return Ok(Self { signer });
        }
        let bytes: B256 = text.trim().parse().map_err(|_| format())?;
        Self::from_bytes(&bytes).ok_or_else(format)
    }

    /// Whose key it is.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The 32 bytes of the key, for a key file. Whoever has them is the wallet.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signer.to_bytes().0)
    }

    /// Signs a digest as it is (EIP-712).
    pub fn sign(&self, digest: &B256) -> Signature65 {
        let signature = self.signer.sign_hash_sync(digest);
        signature
            .expect("a key in memory signs every digest")
            .into()
    }

    /// Signs `message` as `personal_sign` does (EIP-191).
    pub fn sign_message(&self, message: &[u8]) -> Signature65 {
        self.sign(&eip191_message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file(dir: &Path, text: &str, mode: u32) -> PathBuf {
        let path = dir.join("key");
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    #[test]
    fn a_raw_key_file_is_read_and_signs() {
        let dir = tempfile::tempdir().expect("dir");
        let wallet = Wallet::random();
        let hex = swarm_types::hex::encode(wallet.secret().as_slice());
        for text in [hex.clone(), format!("0x{hex}\n")] {
            let path = key_file(dir.path(), &text, 0o600);
            let read = Wallet::from_file(&path, None).expect("key");
            assert_eq!(read.address(), wallet.address());
            let digest = B256::repeat_byte(7);
            assert_eq!(read.sign(&digest).recover(&digest), Ok(wallet.address()));
        }
    }

    #[test]
    fn open_broken_and_missing_key_files_are_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let hex = "11".repeat(32);
        let open = key_file(dir.path(), &hex, 0o640);
        assert!(matches!(
            Wallet::from_file(&open, None),
            Err(WalletError::Open { mode: 0o640, .. })
        ));
        for bad in [
            "",
            "11",
            &"00".repeat(32),
            &"zz".repeat(32),
            &"ff".repeat(32),
        ] {
            let path = key_file(dir.path(), bad, 0o600);
            assert!(
                matches!(
                    Wallet::from_file(&path, None),
                    Err(WalletError::Format { .. })
                ),
                "{bad}"
            );
        }
        assert!(matches!(
            Wallet::from_file(&dir.path().join("none"), None),
            Err(WalletError::Read { .. })
        ));
    }

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        // scrypt with small parameters, made for this test; the key is the public dev key 0.
        let store = include_str!("../tests/data/keystore.json");
        let dir = tempfile::tempdir().expect("dir");
        let path = key_file(dir.path(), store, 0o600);
        assert!(matches!(
            Wallet::from_file(&path, None),
            Err(WalletError::PasswordNeeded { .. })
        ));
        assert!(matches!(
            Wallet::from_file(&path, Some("wrong")),
            Err(WalletError::Keystore { .. })
        ));
        let wallet = Wallet::from_file(&path, Some("swarm")).expect("opens");
        assert_eq!(wallet.address(), crate::devchain::dev_wallet(0).address());
    }

    #[test]
    fn debug_shows_no_secret() {
        let wallet = Wallet::random();
        let secret = swarm_types::hex::encode(wallet.secret().as_slice());
        assert!(!format!("{wallet:?}").contains(&secret));
    }
}
