//! `swarm support-bundle`: what somebody who helps from afar needs, in one file, without secrets and without patients.
//!
//! Three walls: only what is listed in [`collect`] is taken, all of it goes through [`crate::redact`], and the whole is
//! searched for the keys of this box ([`own_secrets`]) before anything is written. What would still hold one is not
//! written at all.

mod gather;

use std::path::PathBuf;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use swarm_host::keys::{KeySource, SecretSource};
use zeroize::Zeroizing;

use crate::cli::SupportArgs;
use crate::commands::doctor::{self, Files};
use crate::exit::Failure;
use crate::home;
use crate::output::time;
use crate::redact::Redactor;
use crate::session::Session;

/// Largest member; of what is larger the end is kept, which is the newest.
const MEMBER_BYTES_MAX: usize = 4 << 20;
/// Shorter secrets are not searched for: they would be found everywhere.
const SECRET_BYTES_MIN: usize = 12;

/// One file of the bundle.
pub struct Member {
    /// Its name in it.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Member {
    fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

#[derive(Serialize)]
struct Written {
    file: PathBuf,
    bytes: u64,
    members: Vec<String>,
}

/// `swarm support-bundle`.
pub async fn run(session: &Session, args: SupportArgs) -> Result<()> {
    let at = doctor::unix_seconds();
    let members = collect(session, &args, at).await?;
    let (files, _) = Files::read(&args.etc);
    for secret in own_secrets(session, &files) {
        if let Some(member) = members
            .iter()
            .find(|member| member.text.contains(secret.as_str()))
        {
            let text = format!(
                "{} would hold a secret of this box; nothing was written. Please report this",
                member.name
            );
            return Err(Failure::check(text).into());
        }
    }
    let name = format!("swarm-support-{}", time(at).replace([' ', ':'], "-"));
    let bytes = pack(&name, &members, at).context("pack the bundle")?;
    let file = args.out.join(format!("{name}.tar.gz"));
    home::write_whole(&file, &bytes).with_context(|| format!("write {}", file.display()))?;
    let written = Written {
        file,
        bytes: bytes.len() as u64,
        members: members.into_iter().map(|member| member.name).collect(),
    };
    session.out.print(&written, |written, _| {
        format!(
            "{} ({} bytes, {} files)\nLook into it before you send it: tar -xzf {} -O | less",
            written.file.display(),
            written.bytes,
            written.members.len(),
            written.file.display()
        )
    })
}

/// Everything, redacted.
async fn collect(session: &Session, args: &SupportArgs, at: u64) -> Result<Vec<Member>> {
    let redactor = Redactor::new();
    let report = doctor::examine(session, &args.etc, false).await;
    let (files, _) = Files::read(&args.etc);
    let mut members = vec![
        Member::new("README.txt", gather::readme(at)),
        Member::new("doctor.json", serde_json::to_string_pretty(&report)?),
        Member::new("versions.json", gather::versions()?),
    ];
    members.extend(gather::configurations(&args.etc, &redactor));
    members.push(Member::new("journal.txt", gather::journal()));
    for (n, log) in args.log.iter().enumerate() {
        let text = gather::end_of(log).with_context(|| format!("read {}", log.display()))?;
        // The file's own name may be a person's.
        members.push(Member::new(format!("log-{}.txt", n + 1), text));
    }
    members.extend(gather::metrics(session, &files).await);
    members.push(Member::new(
        "ledger.json",
        gather::ledger(session, &files).await?,
    ));
    for member in &mut members {
        let from = member.text.len().saturating_sub(MEMBER_BYTES_MAX);
        let from = member.text.ceil_char_boundary(from);
        member.text = redactor.text(&member.text[from..]);
    }
    Ok(members)
}

/// The secrets that this program can read here, as they would stand in a text.
fn own_secrets(session: &Session, files: &Files) -> Vec<Zeroizing<String>> {
    let mut found = Vec::new();
    let mut keys: Vec<KeySource> = vec![KeySource::File(session.home.key().to_owned())];
    let mut secrets = vec![SecretSource::File(session.home.identity())];
    if let Some(queen) = &files.queen {
        keys.push(queen.keys.queen.clone());
        keys.extend(queen.keys.settlers.iter().cloned());
        keys.extend(queen.keys.gas.clone());
        found.extend(
            queen
                .queen
                .chain
                .rpc_url
                .clone()
                .filter(|url| url.matches('/').count() > 2)
                .map(Zeroizing::new),
        );
    }
    for bee in &files.bees {
        keys.push(bee.key.clone());
        secrets.push(bee.identity.clone());
        found.extend(bee.join_code.clone().map(Zeroizing::new));
    }
    for key in keys {
        match key {
            KeySource::File(path) => secrets.push(SecretSource::File(path)),
            KeySource::Credential(name) => secrets.push(SecretSource::Credential(name)),
            KeySource::Keystore { password, .. } => secrets.push(password),
        }
    }
    found.extend(secrets.into_iter().filter_map(|secret| secret.load().ok()));
    found.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
    // A file may say 0x and a log may not.
    let bare: Vec<_> = found
        .iter()
        .filter_map(|secret| {
            secret
                .strip_prefix("0x")
                .map(|bare| Zeroizing::new(bare.to_owned()))
        })
        .collect();
    found.extend(bare);
    found
}

fn pack(folder: &str, members: &[Member], at: u64) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(member.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(at);
        tar.append_data(
            &mut header,
            format!("{folder}/{}", member.name),
            member.text.as_bytes(),
        )?;
    }
    tar.into_inner()?.finish()
}
