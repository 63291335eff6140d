//! TLS: certificate files of the operator, or a certificate of the queen's own that stays the same over
//! restarts, so that its fingerprint can be pinned.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use swarm_types::{B256, sha256};

use crate::config::ListenConfig;

/// Protocols offered by ALPN.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The queen's own certificate cannot be made.
    #[error("cannot make a certificate: check listen.names")]
    Make(#[source] rcgen::Error),
    /// Certificate and key do not serve.
    #[error("the certificate and its key cannot be used")]
    Use(#[source] rustls::Error),
}

/// What TLS is served with.
pub struct Tls {
    /// For the server.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate (DER): what clients pin.
    pub fingerprint: B256,
}

/// Loads the configured files, or the queen's own certificate from `dir`, made when it is not there.
pub fn load(listen: &ListenConfig, dir: &Path) -> Result<Tls, TlsError> {
    match (&listen.certificate_file, &listen.key_file) {
        (Some(certificate), Some(key)) => serve(certificate, key),
        _ => {
            let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
            if !certificate.exists() || !key.exists() {
                make(listen, dir, &certificate, &key)?;
            }
            serve(&certificate, &key)
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TlsError + use<> {
    let path = path.to_owned();
    move |source| TlsError::File { path, source }
}

fn make(listen: &ListenConfig, dir: &Path, certificate: &Path, key: &Path) -> Result<(), TlsError> {
    let made = rcgen::generate_simple_self_signed(listen.names.clone()).map_err(TlsError::Make)?;
    std::fs::create_dir_all(dir).map_err(at(dir))?;
    // The key first: a certificate whose key is missing is made anew.
    write_private(key, made.signing_key.serialize_pem().as_bytes())?;
    write_private(certificate, made.cert.pem().as_bytes())
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(at(path))?;
    file.write_all(bytes).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

fn serve(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
    let bytes = std::fs::read(certificate).map_err(at(certificate))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::Pem {
        path: certificate.to_owned(),
        what: "certificate",
    })?;
    let bytes = std::fs::read(key).map_err(at(key))?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsError::Pem {
        path: key.to_owned(),
        what: "private key",
    })?;
    let fingerprint = sha256(&chain[0]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(TlsError::Use)?;
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Tls {
        config: Arc::new(config),
        fingerprint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_certificate_stays_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("temporary directory");
        let listen = ListenConfig::default();
        let first = load(&listen, dir.path()).expect("made");
        let second = load(&listen, dir.path()).expect("found");
        assert_eq!(first.fingerprint, second.fingerprint);
        let mode = std::fs::metadata(dir.path().join("key.pem"))
            .expect("there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let other = tempfile::tempdir().expect("temporary directory");
        let third = load(&listen, other.path()).expect("made");
        assert_ne!(first.fingerprint, third.fingerprint);
    }

    #[test]
    fn files_that_are_none_are_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("cert.pem");
        std::fs::write(&path, "nothing").expect("written");
        let listen = ListenConfig {
            certificate_file: Some(path.clone()),
            key_file: Some(path.clone()),
            ..ListenConfig::default()
        };
        let error = load(&listen, dir.path()).err().expect("refused");
        assert!(error.to_string().contains("cert.pem"), "{error}");
    }
}
