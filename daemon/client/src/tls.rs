//! How a client knows that it talks to its queen: the system's roots, one certificate's fingerprint, or no TLS at all
//! on this machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use swarm_types::{B256, hex, sha256};

use crate::ClientError;

/// How the queen is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// By a certificate that the system's roots vouch for. Plain HTTP only to this machine.
    SystemRoots,
    /// By the fingerprint that the queen prints at start, whoever signed the certificate.
    Pinned(Fingerprint),
    /// Plain HTTP, to this machine only.
    Plain,
    /// Plain HTTP to anywhere: somebody said that the network between is theirs.
    PlainAnywhere,
}

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub B256);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(sha256(certificate.as_ref()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = ClientError;

    /// Reads 64 hex digits in either case, with or without colons between bytes and `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Fingerprint(text.chars().take(120).collect());
        let digits = text
            .strip_prefix("sha256:")
            .unwrap_or(text)
            .replace(':', "");
        if digits.len() != 64 {
            return Err(refused());
        }
        let bytes = hex::decode(digits).map_err(|_| refused())?;
        Ok(Self(B256::from_slice(&bytes)))
    }
}

impl Tls {
    /// Refuses a URL that is not a queen's, or that this way of recognising her does not protect.
    pub(crate) fn check(self, text: &str) -> Result<Url, ClientError> {
        let refused = |reason| ClientError::Url {
            url: text.chars().take(120).collect(),
            reason,
        };
        let url =
            Url::parse(text).map_err(|_| refused("write it like https://queen.example:8443"))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refused(
                "it must end after host and port, because paths are signed",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it must not hold a user or password"));
        }
        match (url.scheme(), self) {
            ("https", Self::SystemRoots | Self::Pinned(_)) => Ok(url),
            ("https", _) => Err(refused(
                "plain HTTP was asked for, but the address begins with https",
            )),
            ("http", Self::PlainAnywhere) => Ok(url),
            ("http", Self::Pinned(_)) => Err(refused(
                "a fingerprint needs an address that begins with https",
            )),
            ("http", _) if is_loopback(&url) => Ok(url),
            ("http", _) => Err(refused(
                "plain HTTP goes only to this machine unless it is allowed expressly",
            )),
            _ => Err(refused("it must begin with https or http")),
        }
    }

    /// The TLS configuration for reqwest.
    pub(crate) fn config(self) -> Result<ClientConfig, ClientError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?;
        let builder = match self {
            Self::SystemRoots => builder.with_platform_verifier().map_err(ClientError::Tls)?,
            Self::Pinned(fingerprint) => {
                let verifier = Pin {
                    fingerprint,
                    provider,
                };
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(verifier))
            }
            // Never used: `check` lets only http pass. No root means that nothing would be trusted.
            Self::Plain | Self::PlainAnywhere => {
                builder.with_root_certificates(RootCertStore::empty())
            }
        };
        Ok(builder.with_no_client_auth())
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Trusts exactly one certificate. Its name and dates do not matter: the fingerprint names the key, and the
/// handshake's signature proves that the other side has it.
#[derive(Debug)]
struct Pin {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Fingerprint::of(end_entity);
        if found == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        let message = format!(
            "the certificate's fingerprint is {found}, not {}",
            self.fingerprint
        );
        Err(rustls::Error::General(message))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        let pin = Tls::Pinned(Fingerprint(B256::repeat_byte(1)));
        for (tls, url, allowed) in [
            (Tls::Plain, "http://127.0.0.1:8000", true),
            (Tls::SystemRoots, "http://localhost:8000/", true),
            (Tls::Plain, "http://[::1]:8000", true),
            (Tls::Plain, "http://192.168.1.4:8000", false),
            (Tls::SystemRoots, "http://queen.example", false),
            (Tls::Plain, "http://127.0.0.1.example:8000", false),
            (Tls::PlainAnywhere, "http://192.168.1.4:8000", true),
            (Tls::PlainAnywhere, "https://192.168.1.4:8000", false),
            (pin, "https://192.168.1.4:8443", true),
            (pin, "http://127.0.0.1:8000", false),
            (Tls::SystemRoots, "https://queen.example/api", false),
            (Tls::SystemRoots, "https://me:pw@queen.example", false),
            (Tls::SystemRoots, "ftp://queen.example", false),
            (Tls::SystemRoots, "queen", false),
        ] {
            assert_eq!(tls.check(url).is_ok(), allowed, "{tls:?} {url}");
        }
    }

    #[test]
    fn fingerprints_read_in_the_forms_that_tools_print() {
        let plain = "0f".repeat(32);
        let colons = vec!["0F"; 32].join(":");
        let expected: Fingerprint = plain.parse().expect("reads");
        assert_eq!(expected.to_string(), plain);
        for text in [colons, format!("sha256:{plain}")] {
            assert_eq!(text.parse::<Fingerprint>().expect("reads"), expected);
        }
        assert!("0f".parse::<Fingerprint>().is_err());
        assert!("zz".repeat(32).parse::<Fingerprint>().is_err());
    }
}
