//! Keys that sign for the daemon and for its users: from a key file, a keystore, or memory.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use alloy::primitives::Signature;
use alloy::signers::local::PrivateKeySigner;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
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
    key: Key,
    address: Address,
}

/// A key of libsecp256k1, which signs in a third of the time that k256 takes; overwritten when it is dropped.
#[derive(Clone)]
struct Key(SecretKey);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wallet").field(&self.address()).finish()
    }
}

impl Wallet {
    /// The key of `bytes`; `None` when they are zero or past the curve's order.
    pub fn from_bytes(bytes: &B256) -> Option<Self> {
        let key = Key(SecretKey::from_byte_array(bytes.0).ok()?);
        let public = PublicKey::from_secret_key(SECP256K1, &key.0);
        // An address is of both coordinates, without the byte that says so.
        let address = Address::from_raw_public_key(&public.serialize_uncompressed()[1..]);
        Some(Self { key, address })
    }

    /// A new key from the system's randomness.
    pub fn random() -> Self {
        Self::of(&PrivateKeySigner::random())
    }

    fn of(signer: &PrivateKeySigner) -> Self {
        Self::from_bytes(&signer.to_bytes()).expect("one curve has one range of keys")
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
            return Ok(Self::of(&signer));
        }
        let bytes: B256 = text.trim().parse().map_err(|_| format())?;
        Self::from_bytes(&bytes).ok_or_else(format)
    }

    /// Whose key it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The 32 bytes of the key, for a key file. Whoever has them is the wallet.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.0.secret_bytes())
    }

    /// Signs a digest as it is (EIP-712), with the nonce of RFC 6979: the same digest has the same signature.
    pub fn sign(&self, digest: &B256) -> Signature65 {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.key.0);
        let (id, bytes) = signed.serialize_compact();
        // Bit 0 of the id is the parity of R's y; bit 1 is set when R's x passed the order, which nobody has seen.
        Signature::from_bytes_and_parity(&bytes, i32::from(id) & 1 == 1).into()
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
    fn signatures_are_those_of_rfc_6979() {
        use alloy::signers::SignerSync;
        for n in 1..=50 {
            let secret = swarm_types::sha256([n]);
            let digest = swarm_types::sha256([n, n]);
            let wallet = Wallet::from_bytes(&secret).expect("a key");
            let other = PrivateKeySigner::from_bytes(&secret).expect("a key");
            assert_eq!(wallet.address(), other.address());
            assert_eq!(*wallet.secret(), secret.0);
            let signed = other.sign_hash_sync(&digest).expect("signs");
            assert_eq!(wallet.sign(&digest), Signature65::from(signed));
            assert_eq!(wallet.sign(&digest).recover(&digest), Ok(wallet.address()));
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
