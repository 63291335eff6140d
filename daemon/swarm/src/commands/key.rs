//! `swarm key`: the signing key and the age identity.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::Wallet;
use swarm_host::keys;
use swarm_store::age::Identity;
use swarm_types::{Address, hex};
use zeroize::Zeroizing;

use crate::cli::KeyCommand;
use crate::exit::Failure;
use crate::output::fields;
use crate::session::Session;

/// What is public of a client's keys.
#[derive(Serialize)]
struct Shown<'a> {
    address: Address,
    recipient: String,
    key_file: &'a Path,
    identity_file: &'a Path,
}

/// `swarm key …`.
pub fn run(session: &Session, command: KeyCommand) -> Result<()> {
    let key = session.home.key();
    match command {
        KeyCommand::New => {
            refuse_existing(key)?;
            let identity = identity(session)?;
            let signer = keys::create_key(key)?;
            show(session, signer.address(), &identity)
        }
        KeyCommand::Import { file } => {
            refuse_existing(key)?;
            let signer = session.signer_in(&file)?;
            let wallet = Wallet::from_bytes(&signer.to_bytes()).context("this is no key")?;
            let identity = identity(session)?;
            let mut text = Zeroizing::new(hex::encode(wallet.secret().as_slice()));
            text.push('\n');
            keys::create_secret(key, &text)?;
            show(session, signer.address(), &identity)
        }
        KeyCommand::Show => show(session, session.address()?, &session.identity()?),
    }
}

fn refuse_existing(key: &Path) -> Result<()> {
    if key.exists() {
        let text = format!(
            "there is a key in {} already, and it is never overwritten: `swarm key show` shows it; \
             --home DIR makes another client",
            key.display()
        );
        return Err(Failure::usage(text).into());
    }
    Ok(())
}

/// The identity, made now if there is none: results of open jobs need the one that is there.
fn identity(session: &Session) -> Result<Identity> {
    session.home.create()?;
    let path = session.home.identity();
    if path.exists() {
        return session.identity();
    }
    let identity = Identity::generate();
    keys::create_secret(
        &path,
        &Zeroizing::new(format!("{}\n", *identity.secret_text())),
    )?;
    Ok(identity)
}

fn show(session: &Session, address: Address, identity: &Identity) -> Result<()> {
    let shown = Shown {
        address,
        recipient: identity.recipient().to_string(),
        key_file: session.home.key(),
        identity_file: &session.home.identity(),
    };
    session.out.print(&shown, |shown, _| {
        let files = format!(
            "{}, {}",
            shown.key_file.display(),
            shown.identity_file.display()
        );
        fields(&[
            ("address", shown.address.to_string()),
            ("recipient", shown.recipient.clone()),
            (
                "files",
                format!("{files} (keep a copy of both: who has them has your money and results)"),
            ),
        ])
    })
}
