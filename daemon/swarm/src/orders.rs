//! Orders on disk, so that a crash at any point costs nothing: what was signed is stored before anything is
//! sent, and the same scan finds its order again.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use swarm_types::api::SubmitJob;
use swarm_types::{Address, B256, JobId, hex, sha256};

use crate::home::Home;
use crate::scan::Study;
use crate::session::Session;

const ORDERS: &str = "orders";
const JOBS: &str = "jobs";

/// An order with all that a retry or its result needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// The escrow that it is signed for.
    pub escrow: Address,
    /// Exactly what is submitted, again and again.
    pub request: SubmitJob,
    /// What stays here of the study.
    pub study: Study,
}

/// Where the order of a scan stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Signed; the queen has not answered. The ciphertext lies beside it.
    Open(Box<OpenOrder>),
    /// The queen made it a job.
    Placed(JobId),
}

/// What makes two submissions the same: another one of these is another order.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Where it is paid.
    pub escrow: Address,
    /// Who pays.
    pub client: Address,
    /// What is to be done.
    pub job_type: &'a str,
    /// By which model.
    pub model: B256,
    /// To which scan (before de-identification, which is random).
    pub scan: B256,
}

impl Subject<'_> {
    /// The name of its files.
    pub fn name(&self) -> String {
        let text = format!(
            "{:#x}\n{:#x}\n{}\n{}\n{}",
            self.escrow, self.client, self.job_type, self.model, self.scan
        );
        hex::encode(sha256(text))
    }
}

/// The orders of a client.
pub struct Orders<'a>(pub &'a Home);

impl Orders<'_> {
    /// Holds the order `name` against other processes until dropped.
    pub fn lock(&self, name: &str) -> Result<std::fs::File> {
        self.0.lock(ORDERS, name)
    }

    /// Where the order stands.
    pub fn find(&self, name: &str) -> Result<Option<Stored>> {
        self.0.load(ORDERS, name)
    }

    /// Stores a new order: the ciphertext first, so that an order never lacks it.
    pub fn open(&self, name: &str, order: OpenOrder, ciphertext: &[u8]) -> Result<()> {
        self.0.write(ORDERS, &sealed(name), ciphertext)?;
        self.0.store(ORDERS, name, &Stored::Open(Box::new(order)))
    }

    /// The encrypted scan of an open order.
    pub fn ciphertext(&self, name: &str) -> Result<Vec<u8>> {
        let bytes = self.0.read(ORDERS, &sealed(name))?;
        bytes.context("the encrypted scan of this order is gone; --again makes a new order")
    }

    /// Keeps what the job's result needs, then lets the encrypted scan go.
    pub fn place(&self, name: &str, order: &OpenOrder, job: JobId) -> Result<()> {
        self.0
            .store(JOBS, &Session::job_name(order.escrow, job), order)?;
        self.0.store(ORDERS, name, &Stored::Placed(job))?;
        self.0.remove(ORDERS, &sealed(name))
    }

    /// The order of a job of this client, if it was made here.
    pub fn of_job(&self, escrow: Address, job: JobId) -> Result<Option<OpenOrder>> {
        self.0.load(JOBS, &Session::job_name(escrow, job))
    }
}

fn sealed(name: &str) -> String {
    format!("{name}.age")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_subject_counts() {
        let subject = Subject {
            escrow: Address::repeat_byte(1),
            client: Address::repeat_byte(2),
            job_type: "brain_mri",
            model: B256::repeat_byte(3),
            scan: B256::repeat_byte(4),
        };
        let others = [
            Subject {
                escrow: Address::repeat_byte(9),
                ..subject
            },
            Subject {
                client: Address::repeat_byte(9),
                ..subject
            },
            Subject {
                job_type: "other",
                ..subject
            },
            Subject {
                model: B256::repeat_byte(9),
                ..subject
            },
            Subject {
                scan: B256::repeat_byte(9),
                ..subject
            },
        ];
        assert_eq!(subject.name(), subject.name());
        assert!(others.iter().all(|other| other.name() != subject.name()));
    }
}
