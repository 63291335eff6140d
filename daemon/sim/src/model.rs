//! What clients and bees were told. It knows nothing of the ledger: what it holds against the queen came
//! over her API.

use std::collections::{BTreeMap, BTreeSet};

use swarm_types::api::SubmitJob;
use swarm_types::{Address, B256, JobId, MicroUsdc};

use crate::world::{Broken, Held};

/// An order that the queen took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whose.
    pub client: Address,
    /// Its nonce.
    pub nonce: u64,
    /// [`swarm_types::order::SignedOrder::commitment`].
    pub order: B256,
    /// What the queen asks for it.
    pub fee: MicroUsdc,
}

/// What was said so far.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Every body that was sent for an order's nonce.
    pub sent: BTreeMap<(Address, u64), Vec<SubmitJob>>,
    /// Orders whose acceptance somebody heard of.
    pub accepted: BTreeMap<JobId, Accepted>,
    by_order: BTreeMap<(Address, u64), JobId>,
    /// The newest lease of each job that a bee heard of.
    tokens: BTreeMap<JobId, u64>,
    /// Executions that a bee signed in good faith, by job.
    pub offered: BTreeMap<JobId, BTreeSet<B256>>,
    /// Jobs whose completion a bee heard of, by the execution that counted.
    pub completed: BTreeMap<JobId, B256>,
    /// Jobs whose cancellation a client heard of.
    pub cancelled: BTreeSet<JobId>,
}

fn broken<T>(text: String) -> Held<T> {
    Err(Broken(text))
}

impl Model {
    /// The queen took an order, now (`new`) or before.
    ///
    /// # Errors
    /// When she said otherwise before.
    pub fn accept(&mut self, job: JobId, order: Accepted, new: bool) -> Held {
        let key = (order.client, order.nonce);
        if let Some(known) = self.by_order.get(&key) {
            if *known != job {
                return broken(format!("one order became {known} and {job}"));
            }
            if new {
                return broken(format!("{job} was accepted as new twice"));
            }
        }
        if let Some(known) = self.accepted.get(&job)
            && *known != order
        {
            return broken(format!("{job} is two orders: {known:?} and {order:?}"));
        }
        self.by_order.insert(key, job);
        self.accepted.insert(job, order);
        Ok(())
    }

    /// A bee got a lease.
    ///
    /// # Errors
    /// When the job had ended.
    pub fn leased(&mut self, job: JobId, token: u64) -> Held {
        if self.completed.contains_key(&job) || self.cancelled.contains(&job) {
            return broken(format!("{job} was leased after its end"));
        }
        let newest = self.tokens.entry(job).or_default();
        *newest = token.max(*newest);
        Ok(())
    }

    /// The queen took a completion under lease `token`.
    ///
    /// # Errors
    /// When the job had ended otherwise, or somebody else has had the job since.
    pub fn complete(&mut self, job: JobId, token: u64, execution: B256) -> Held {
        if self.cancelled.contains(&job) {
            return broken(format!("{job} was cancelled, and completed after that"));
        }
        match self.completed.get(&job) {
            Some(known) if *known == execution => return Ok(()),
            Some(_) => return broken(format!("{job} was completed twice, differently")),
            None => {}
        }
        if self.tokens.get(&job).is_some_and(|newest| token < *newest) {
            return broken(format!("{job} was completed under an old lease"));
        }
        self.completed.insert(job, execution);
        Ok(())
    }

    /// The queen called a job off.
    ///
    /// # Errors
    /// When it was completed.
    pub fn cancel(&mut self, job: JobId) -> Held {
        if self.completed.contains_key(&job) {
            return broken(format!("{job} was completed, and cancelled after that"));
        }
        self.cancelled.insert(job);
        Ok(())
    }

    /// The queen goes on from what she was at `backup`: what was said since counts no more. What clients and
    /// bees have signed stays signed.
    pub fn restore(&mut self, backup: &Self) {
        let Self { sent, offered, .. } = std::mem::take(self);
        *self = Self {
            sent,
            offered,
            ..backup.clone()
        };
    }
}
