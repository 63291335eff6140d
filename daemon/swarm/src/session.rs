//! What a command works with: settings, keys, the queen, the chain.

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use swarm_chain::{At, Chain, Rpc, Wallet};
use swarm_client::{QueenClient, Tls};
use swarm_contracts::SwarmEscrow;
use swarm_host::keys::{KeyError, KeySource, SecretSource};
use swarm_store::age::Identity;
use swarm_types::api::Info;
use swarm_types::{Address, EpochId, JobId};

use crate::cli::Global;
use crate::exit::Failure;
use crate::home::{Config, Home};
use crate::output::Output;

/// One run of the program.
pub struct Session {
    /// Where results are printed.
    pub out: Output,
    /// The client's directory.
    pub home: Home,
    global: Global,
    config: Config,
}

impl Session {
    /// Reads config.toml.
    pub fn new(global: Global) -> Result<Self> {
        let home = Home::new(&global);
        Ok(Self {
            out: Output::new(global.json),
            config: home.config()?,
            home,
            global,
        })
    }

    /// The signing key.
    pub fn signer(&self) -> Result<PrivateKeySigner> {
        self.signer_in(self.home.key())
    }

    /// The signing key in `path`: 64 hex digits, or a keystore when a password file is given.
    pub fn signer_in(&self, path: &std::path::Path) -> Result<PrivateKeySigner> {
        let source = match &self.global.password_file {
            Some(password) => KeySource::Keystore {
                path: path.to_owned(),
                password: SecretSource::File(password.clone()),
            },
            None => KeySource::File(path.to_owned()),
        };
        source.load().map_err(|error| {
            let advice = match &error {
                KeyError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    "there is no key yet: run `swarm key new`, or name one with --key"
                }
                KeyError::NotAKey { .. } => "if it is a keystore, give --password-file too",
                _ => "load the key",
            };
            anyhow::Error::new(error).context(advice)
        })
    }

    /// The signing key, for the chain.
    pub fn wallet(&self) -> Result<Wallet> {
        Wallet::from_bytes(&self.signer()?.to_bytes()).context("the key is no key of the chain")
    }

    /// Whose key it is.
    pub fn address(&self) -> Result<Address> {
        Ok(self.signer()?.address())
    }

    /// The identity that results are encrypted to.
    pub fn identity(&self) -> Result<Identity> {
        let text = SecretSource::File(self.home.identity()).load();
        let text = text.context("load the identity; `swarm key new` makes one")?;
        let identity = text.parse();
        identity.with_context(|| format!("read {}", self.home.identity().display()))
    }

    /// Whether a queen is configured.
    pub fn has_queen(&self) -> bool {
        self.global.queen.is_some() || self.config.queen.is_some()
    }

    /// The queen, for what needs no signature.
    pub fn queen(&self) -> Result<QueenClient> {
        self.connect(None)
    }

    /// The queen, with requests signed by the key.
    pub fn signing_queen(&self) -> Result<QueenClient> {
        self.connect(Some(self.signer()?))
    }

    fn connect(&self, signer: Option<PrivateKeySigner>) -> Result<QueenClient> {
        let url = self.global.queen.as_ref().or(self.config.queen.as_ref());
        let url = url.ok_or_else(|| {
            Failure::usage("no queen: give --queen URL, or write queen = \"URL\" into config.toml")
        })?;
        let fingerprint = self
            .global
            .fingerprint
            .as_ref()
            .or(self.config.fingerprint.as_ref());
        let tls = match fingerprint {
            Some(text) => Tls::Pinned(text.parse()?),
            None => Tls::SystemRoots,
        };
        Ok(QueenClient::new(url, tls, signer)?)
    }

    /// What the queen is. An escrow that the user named must be hers.
    pub async fn info(&self, queen: &QueenClient) -> Result<Info> {
        let info = queen.info().await.context("ask the queen what she is")?;
        match self.escrow() {
            Some(escrow) if escrow != info.escrow => Err(Failure::check(format!(
                "the queen works for the escrow {}, not for {escrow} as you told; nothing was sent",
                info.escrow
            ))
            .into()),
            _ => Ok(info),
        }
    }

    /// The escrow that the user told to trust.
    pub fn escrow(&self) -> Option<Address> {
        self.global.escrow.or(self.config.escrow)
    }

    /// Whether a node is configured.
    pub fn rpc_url(&self) -> Result<&str> {
        let url = self.global.rpc.as_deref().or(self.config.rpc.as_deref());
        url.ok_or_else(|| {
            let text = "no node: give --rpc URL of a node of the escrow's chain, or write \
                        rpc = \"URL\" into config.toml";
            Failure::usage(text).into()
        })
    }

    /// The escrow on its chain, checked: the one the user named, otherwise the queen's. With --escrow no
    /// queen is needed, so that money can be had when she is gone.
    pub async fn chain(&self) -> Result<Chain> {
        let url = self.rpc_url()?;
        let chain = match self.escrow() {
            Some(escrow) => self.chain_at(escrow, None).await?,
            None if self.has_queen() => {
                let info = self.info(&self.queen()?).await;
                let info = info.context("without a queen, name the escrow with --escrow")?;
                Chain::new(url, info.chain_id, info.escrow, info.token)?
            }
            None => {
                let text = "which escrow? Give --queen URL or --escrow ADDRESS";
                return Err(Failure::usage(text).into());
            }
        };
        chain
            .check()
            .await
            .context("check the chain and its escrow")?;
        Ok(chain)
    }

    /// The escrow at `escrow` on the node's chain, which must be `chain_id` if that is given.
    pub async fn chain_at(&self, escrow: Address, chain_id: Option<u64>) -> Result<Chain> {
        let rpc = Rpc::new(self.rpc_url()?)?;
        let found = rpc.chain_id().await.context("ask the node")?;
        if let Some(expected) = chain_id.filter(|id| *id != found) {
            let text = format!(
                "the node is on chain {found}, and this belongs to chain {expected}: give --rpc of that one"
            );
            return Err(Failure::usage(text).into());
        }
        if rpc.code(escrow).await?.is_empty() {
            let text = format!("there is no contract at {escrow} on chain {found}");
            return Err(Failure::check(text).into());
        }
        let token = rpc
            .call(escrow, &SwarmEscrow::tokenCall {}, At::Latest)
            .await;
        let token = token.with_context(|| format!("{escrow} is not a SwarmEscrow"))?;
        Ok(Chain::new(self.rpc_url()?, found, escrow, token)?)
    }

    /// Name under which a job of `escrow` is kept in the home directory.
    pub fn job_name(escrow: Address, job: JobId) -> String {
        format!("{escrow:#x}-{job}")
    }
}

/// `epoch-001` in prose.
pub fn epoch_name(epoch: u64) -> String {
    EpochId(epoch).to_string()
}
