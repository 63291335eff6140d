//! A stranger's check: an epoch's bundle, or one receipt, against the chain.

use std::collections::BTreeMap;

use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use swarm_contracts::SwarmEscrow;
use swarm_types::bundle::{BundleError, Verified, verify};
use swarm_types::eip712::Entry;
use swarm_types::escrow::{EscrowEvent, EscrowLog};
use swarm_types::receipt::Receipt;
use swarm_types::{Address, B256, EpochId, MicroUsdc, tree};

use crate::chain::Chain;
use crate::error::ChainError;
use crate::rpc::At;
use crate::views::{ChainEpoch, EpochState, state_of};

/// Why an audit cannot be made; a finding is no such error.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The bundle does not hold together by itself.
    #[error("the bundle is wrong: {0}")]
    Bundle(BundleError),
    /// The bundle is of another escrow or chain.
    #[error(
        "the bundle is of escrow {escrow} on chain {chain_id}, not of the one that was asked about"
    )]
    Elsewhere {
        /// The bundle's chain.
        chain_id: u64,
        /// The bundle's escrow.
        escrow: Address,
    },
    /// The escrow has no such epoch.
    #[error("{0} is not on the chain")]
    NotSettled(EpochId),
    /// The chain cannot be read.
    #[error("the chain cannot be read")]
    Chain(#[source] ChainError),
}

impl From<ChainError> for AuditError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

/// One comparison of the audit.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was compared.
    pub what: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was found.
    pub detail: String,
}

/// What an audit found.
#[derive(Clone, Debug)]
pub struct AuditReport {
    /// The bundle, recomputed.
    pub bundle: Verified,
    /// The epoch on the chain.
    pub epoch: ChainEpoch,
    /// The transaction that settled it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Every comparison, in order.
    pub checks: Vec<Check>,
}

impl AuditReport {
    /// Whether every comparison holds and the epoch is not void.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}

/// What the chain says of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptVerdict {
    /// Whether it stands at its place in the epoch's tree, by the contract's own computation.
    pub included: bool,
    /// The same, computed here from the root that the contract holds.
    pub included_here: bool,
    /// Where the epoch stands.
    pub state: EpochState,
}

impl Chain {
    /// Recomputes a bundle (`read` gives its files by name) and compares every number with the chain:
    /// the seal, root and totals, each charge and credit that was emitted, the settlers, and the
    /// order signers of clients who did not sign themselves.
    ///
    /// # Errors
    /// When the bundle does not hold together, or is not on this chain, or the node is away.
    pub async fn audit(
        &self,
        read: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> Result<AuditReport, AuditError> {
        let bundle = verify(read).map_err(AuditError::Bundle)?;
        let summary = &bundle.summary;
        if (summary.chain_id, summary.escrow) != (self.chain_id(), self.escrow()) {
            return Err(AuditError::Elsewhere {
                chain_id: summary.chain_id,
                escrow: summary.escrow,
            });
        }
        let number = summary.epoch;
        let epoch = self.epoch(number, At::Latest).await?;
        let epoch = epoch.ok_or(AuditError::NotSettled(EpochId(number)))?;
        let (settled, events) = self.events_of(number, &epoch).await?;

        let mut checks = vec![
            equal("seal", bundle.seal.struct_hash(), epoch.seal_hash),
            equal("receipts root", summary.receipts_root, epoch.receipts_root),
            equal("receipt count", summary.receipt_count, epoch.receipt_count),
            equal("time of the seal", summary.sealed_at, epoch.sealed_at),
            Check {
                what: "status",
                holds: epoch.state != EpochState::Void,
                detail: format!("{:?}", epoch.state).to_lowercase(),
            },
        ];
        if let EscrowEvent::EpochSettled {
            seal_hash,
            receipts_root,
            receipt_count,
            charged,
            bundle: bundle_hash,
            ..
        } = &settled.event
        {
            let seal = &bundle.seal.0;
            checks.extend([
                equal("seal in the event", bundle.seal.struct_hash(), *seal_hash),
                equal("root in the event", summary.receipts_root, *receipts_root),
                equal("count in the event", summary.receipt_count, *receipt_count),
                equal("sum in the event", summary.charged, *charged),
                equal("bundle in the event", seal.bundle, *bundle_hash),
            ]);
        }
        checks.push(amounts(
            "charges",
            &bundle.charges,
            &events,
            |event| match event {
                EscrowEvent::Charged { client, amount, .. } => Some((*client, *amount)),
                _ => None,
            },
        ));
        checks.push(amounts(
            "credits",
            &bundle.payouts,
            &events,
            |event| match event {
                EscrowEvent::Credited { payee, amount, .. } => Some((*payee, *amount)),
                _ => None,
            },
        ));
        checks.push(self.check_previous(&bundle).await?);
        checks.push(self.check_settlers(&bundle, settled.block_number).await?);
        checks.push(self.check_signers(&bundle, settled.block_number).await?);
        Ok(AuditReport {
            transaction: settled.tx,
            block: settled.block_number,
            bundle,
            epoch,
            checks,
        })
    }

    /// Asks the contract whether `receipt` stands at `index` of `epoch`, and computes the same from the
    /// root that the contract holds.
    ///
    /// # Errors
    /// [`AuditError::NotSettled`], or when the node is away.
    pub async fn verify_receipt(
        &self,
        epoch: u64,
        index: u64,
        receipt: &Receipt,
        path: &[B256],
    ) -> Result<ReceiptVerdict, AuditError> {
        let head = self.rpc().block(At::Latest).await?;
        let at = At::Hash(head.hash);
        let known = self.epoch(epoch, at).await?;
        let known = known.ok_or(AuditError::NotSettled(EpochId(epoch)))?;
        let call = SwarmEscrow::verifyReceiptCall {
            epoch,
            index,
            receipt: receipt.into(),
            path: path.to_vec(),
        };
        let answer = self.view(&call, at).await?;
        let root = tree::root_from_path(receipt.leaf(), index, known.receipt_count, path);
        Ok(ReceiptVerdict {
            included: answer._0,
            included_here: root == Some(known.receipts_root),
            state: state_of(answer._1)?.unwrap_or(known.state),
        })
    }

    /// The event that settled `number`, and its charges and credits.
    async fn events_of(
        &self,
        number: u64,
        epoch: &ChainEpoch,
    ) -> Result<(EscrowLog, Vec<EscrowLog>), ChainError> {
        let first = self.first_block_at(epoch.settled_at).await?;
        let last = self.first_block_at(epoch.settled_at + 1).await?;
        let filter = Filter::new()
            .address(self.escrow())
            .event_signature(vec![
                SwarmEscrow::EpochSettled::SIGNATURE_HASH,
                SwarmEscrow::Charged::SIGNATURE_HASH,
                SwarmEscrow::Credited::SIGNATURE_HASH,
            ])
            .topic1(B256::left_padding_from(&number.to_be_bytes()))
            .from_block(first)
            .to_block(last);
        let events: Vec<EscrowLog> = self
            .logs(filter)
            .await?
            .into_iter()
            .map(|(_, log)| log)
            .collect();
        let settled = events
            .iter()
            .find(|log| matches!(log.event, EscrowEvent::EpochSettled { .. }))
            .cloned();
        let settled = settled.ok_or_else(|| {
            ChainError::nonsense(
                "the events of an epoch",
                "the node has no EpochSettled for it",
            )
        })?;
        Ok((settled, events))
    }

    /// The lowest block whose time is at or after `time`, or the newest: times never fall along a
    /// chain, so halving finds it.
    async fn first_block_at(&self, time: u64) -> Result<u64, ChainError> {
        let mut high = self.rpc().block(At::Latest).await?.number;
        let mut low = 0;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.rpc().block(At::Number(middle)).await?.timestamp < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn check_previous(&self, bundle: &Verified) -> Result<Check, ChainError> {
        let number = bundle.summary.epoch.saturating_sub(1);
        let previous = match number {
            0 => B256::ZERO,
            _ => self
                .epoch(number, At::Latest)
                .await?
                .map_or(B256::ZERO, |epoch| epoch.seal_hash),
        };
        Ok(equal("previous seal", bundle.summary.previous, previous))
    }

    /// The settlers of SIGNATURE.txt are settlers, and enough. A node without old states is asked about
    /// now: the contract checked the signatures itself when it settled the epoch.
    async fn check_settlers(&self, bundle: &Verified, block: u64) -> Result<Check, ChainError> {
        let (settlers, threshold) = match self.settlers(At::Number(block)).await {
            Err(ChainError::Refused { .. }) => self.settlers(At::Latest).await?,
            answer => answer?,
        };
        let strangers: Vec<_> = bundle
            .settlers
            .iter()
            .filter(|signature| !settlers.contains(&signature.settler))
            .collect();
        Ok(Check {
            what: "settlers",
            holds: strangers.is_empty() && bundle.settlers.len() as u64 >= threshold,
            detail: format!(
                "{} signatures, {} needed, {} not by a settler",
                bundle.settlers.len(),
                threshold,
                strangers.len()
            ),
        })
    }

    async fn check_signers(&self, bundle: &Verified, block: u64) -> Result<Check, ChainError> {
        let epoch = bundle.summary.epoch;
        let since = self.last_seal_before(epoch, At::Latest).await?;
        // Several orders of one client are signed by the same key.
        let mut known: BTreeMap<(Address, [Address; 2]), bool> = BTreeMap::new();
        for (receipt, signers) in &bundle.delegated {
            let key = (receipt.client, *signers);
            if known.contains_key(&key) {
                continue;
            }
            let mut allowed = false;
            for signer in signers {
                allowed |= match self
                    .signs_for(receipt.client, *signer, since, At::Number(block))
                    .await
                {
                    Err(ChainError::Refused { .. }) => {
                        self.signs_for(receipt.client, *signer, since, At::Latest)
                            .await?
                    }
                    answer => answer?,
                };
            }
            known.insert(key, allowed);
        }
        let refused = known.values().filter(|allowed| !**allowed).count();
        Ok(Check {
            what: "order signers",
            holds: refused == 0,
            detail: format!(
                "{} receipts by delegated keys, {refused} keys not registered",
                bundle.delegated.len()
            ),
        })
    }
}

fn equal<T: PartialEq + std::fmt::Display>(what: &'static str, bundle: T, chain: T) -> Check {
    let holds = bundle == chain;
    let detail = if holds {
        bundle.to_string()
    } else {
        format!("bundle {bundle}, chain {chain}")
    };
    Check {
        what,
        holds,
        detail,
    }
}

/// Compares a vector with the amounts of the events that `pick` takes.
fn amounts(
    what: &'static str,
    vector: &[Entry],
    events: &[EscrowLog],
    pick: impl Fn(&EscrowEvent) -> Option<(Address, MicroUsdc)>,
) -> Check {
    let chain: Vec<(Address, u64)> = events
        .iter()
        .filter_map(|log| pick(&log.event))
        .map(|(account, amount)| (account, amount.0))
        .collect();
    let bundle: Vec<(Address, u64)> = vector
        .iter()
        .map(|entry| (entry.account, entry.amount.saturating_to()))
        .collect();
    let differing = bundle
        .iter()
        .find(|line| !chain.contains(line))
        .or_else(|| chain.iter().find(|line| !bundle.contains(line)));
    let holds = bundle == chain;
    Check {
        what,
        holds,
        detail: match differing {
            Some((account, amount)) => format!("{account} {amount} µUSDC is only on one side"),
            None if holds => format!("{} entries", bundle.len()),
            None => "the order differs".to_owned(),
        },
    }
}
