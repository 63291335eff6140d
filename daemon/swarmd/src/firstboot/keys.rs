//! The box's keys: made inside it, sealed before they touch a disk, never shown.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use swarm_chain::Wallet;
use swarm_store::age::Identity;
use swarm_types::{hex, sha256};
use zeroize::Zeroizing;

use super::config::BoxConfig;
use super::files::Root;
use super::render::{CERTIFICATE, certificate_names};

/// Signs quotes and webhooks.
pub const QUEEN: &str = "queen.key";
/// Signs seals.
pub const SETTLER: &str = "settler.key";
/// Pays gas.
pub const GAS: &str = "gas.key";
/// Signs a bee's requests and executions.
pub const BEE: &str = "bee.key";
/// Opens what is encrypted to the bee.
pub const BEE_IDENTITY: &str = "bee.age";
/// The key of the queen's certificate.
pub const TLS: &str = "tls.key";

/// Where sealed keys are: systemd looks there for `LoadCredentialEncrypted=NAME`.
const STORE: &str = "etc/credstore.encrypted";
/// The public halves, so that no boot has to open a key only to name it.
const PUBLIC: &str = "var/lib/swarm/box.json";
/// Bytes of a key on secp256k1.
const KEY_BYTES: usize = 32;

/// Seals a secret under its name, and opens it again.
pub trait Sealer: Sync {
    /// The sealed form, as text.
    fn seal(&self, name: &str, secret: &str) -> Result<String>;
    /// The secret of a sealed form that carries this name.
    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>>;
}

/// `systemd-creds`: by the TPM where there is one, and by a key in /var/lib/systemd (which is encrypted when there is a TPM).
pub struct SystemdCreds;

impl Sealer for SystemdCreds {
    fn seal(&self, name: &str, secret: &str) -> Result<String> {
        let sealed = creds(&["encrypt", "--with-key=auto"], name, secret)?;
        Ok((*sealed).clone())
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Zeroizing<String>> {
        creds(&["decrypt", "--newline=no"], name, sealed)
    }
}

fn creds(arguments: &[&str], name: &str, input: &str) -> Result<Zeroizing<String>> {
    let mut child = Command::new("systemd-creds")
        .args(arguments)
        .arg(format!("--name={name}"))
        .args(["-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("run systemd-creds")?;
    let mut stdin = child.stdin.take().context("systemd-creds' input")?;
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().context("run systemd-creds")?;
    let text = Zeroizing::new(output.stdout);
    if !output.status.success() {
        bail!("systemd-creds {} {name}: {}", arguments[0], output.status);
    }
    written.context("write to systemd-creds")?;
    let text = std::str::from_utf8(&text).context("systemd-creds printed no text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What everybody may know about the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicHalves {
    /// Addresses of the signing keys that are on the box, by name.
    pub addresses: std::collections::BTreeMap<String, String>,
    /// SHA-256 of the certificate.
    pub fingerprint: Option<String>,
    /// Made in this run: nobody has seen them yet.
    #[serde(skip)]
    pub new: Vec<String>,
}

/// Makes the keys that `config` asks for and that are not there. A key that is there stays, whatever becomes of the rest.
pub fn ensure(root: &Root, sealer: &dyn Sealer, config: &BoxConfig) -> Result<PublicHalves> {
    let known: PublicHalves = match root.read(PUBLIC)? {
        // One that does not read is made anew from the keys.
        Some(text) => serde_json::from_str(&text).unwrap_or_default(),
        None => PublicHalves::default(),
    };
    let mut made = PublicHalves::default();
    let queen = config.has_queen().then_some([QUEEN, SETTLER, GAS]);
    let bee = config.has_bee().then_some(BEE);
    for name in queen.into_iter().flatten().chain(bee) {
        let address = signing_key(root, sealer, name, known.addresses.get(name), &mut made.new)?;
        made.addresses.insert(name.to_owned(), address);
    }
    if config.has_bee() && sealed(root, BEE_IDENTITY)?.is_none() {
        store(
            root,
            sealer,
            BEE_IDENTITY,
            &Identity::generate().secret_text(),
        )?;
        made.new.push(BEE_IDENTITY.to_owned());
    }
    if config.has_queen() {
        made.fingerprint = Some(certificate(root, sealer, &certificate_names(config))?);
    }
    let text = serde_json::to_string_pretty(&made).context("write the public halves")?;
    root.write(PUBLIC, &format!("{text}\n"), 0o644)?;
    Ok(made)
}

/// The certificate that goes with the sealed `tls.key`, both made when they are missing. Answers its fingerprint.
pub fn certificate(root: &Root, sealer: &dyn Sealer, names: &[String]) -> Result<String> {
    if let (Some(pem), Some(_)) = (root.read(CERTIFICATE)?, sealed(root, TLS)?) {
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        let der = der.with_context(|| format!("/{CERTIFICATE} holds no certificate"))?;
        return Ok(hex::encode(sha256(&der)));
    }
    let made = rcgen::generate_simple_self_signed(names.to_vec())
        .context("make a certificate: check queen.listen.names")?;
    // The key first: a certificate whose key is missing is made anew with it.
    let key = Zeroizing::new(made.signing_key.serialize_pem());
    store(root, sealer, TLS, &key)?;
    root.write(CERTIFICATE, &made.cert.pem(), 0o644)?;
    Ok(hex::encode(sha256(made.cert.der())))
}

/// The certificate's key, opened: for the page that takes swarm.toml.
pub fn open_tls(root: &Root, sealer: &dyn Sealer) -> Result<Zeroizing<String>> {
    let text = sealed(root, TLS)?.context("there is no sealed tls.key")?;
    sealer.open(TLS, &text)
}

fn signing_key(
    root: &Root,
    sealer: &dyn Sealer,
    name: &str,
    known: Option<&String>,
    new: &mut Vec<String>,
) -> Result<String> {
    let digits = match (sealed(root, name)?, known) {
        (Some(_), Some(address)) => return Ok(address.clone()),
        (Some(text), None) => sealer.open(name, &text).with_context(|| {
            format!(
                "open /{STORE}/{name}: was it sealed by another TPM? A factory reset makes new keys"
            )
        })?,
        (None, _) => {
            let digits = Zeroizing::new(hex::encode(*Wallet::random().secret()));
            store(root, sealer, name, &digits)?;
            new.push(name.to_owned());
            digits
        }
    };
    Ok(wallet(&digits)?.address().to_string())
}

fn wallet(digits: &str) -> Result<Wallet> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(digits.trim(), &mut bytes[..])
        .context("a sealed key is not 64 hex digits")?;
    Wallet::from_bytes(&(*bytes).into()).context("a sealed key is not a key")
}

fn sealed(root: &Root, name: &str) -> Result<Option<String>> {
    root.read(&format!("{STORE}/{name}"))
}

fn store(root: &Root, sealer: &dyn Sealer, name: &str, secret: &str) -> Result<()> {
    let sealed = sealer
        .seal(name, secret)
        .with_context(|| format!("seal {name}"))?;
    root.write(&format!("{STORE}/{name}"), &sealed, 0o600)
}
