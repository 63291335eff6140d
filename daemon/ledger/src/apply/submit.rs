//! Submission: balance, cap, nonce, reservation and queue in one transaction.

use serde::Serialize;
use swarm_types::{Address, B256, JobId, MicroUsdc};

use super::short;
use crate::commands::Submit;
use crate::error::{CommandError, LedgerError};
use crate::hot::{OpenJob, Row};
use crate::journal::kind;
use crate::limits::*;
use crate::records::{JobRecord, JobState, Submitted};
use crate::refusals::SubmitRefusal;
use crate::sql::accounts::Spender;
use crate::sql::values::{bits, damaged, job_id, job_key};
use crate::sql::{chain, jobs};
use crate::state::cap;
use crate::writer::{Command, Tx};

type Refused = CommandError<SubmitRefusal>;

#[derive(Serialize)]
struct Body<'a> {
    client: Address,
    fee: MicroUsdc,
    job: JobId,
    #[serde(rename = "jobType")]
    job_type: &'a str,
    model: B256,
    order: B256,
}

impl Command for Submit {
    type Answer = Submitted;
    type Refusal = SubmitRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Submitted, Refused> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        self.in_range()?;
        let client = &self.order.order.client;
        let Some(spender) = tx.hot.books.client(tx.conn, client, tx.hot.epoch)? else {
            return refuse(SubmitRefusal::InsufficientBalance {
                needed: self.fee,
                available: MicroUsdc::ZERO,
            });
        };
        let refusal = match self.acceptable(tx, &spender)? {
            Ok(key) => match self.accept(tx, key, spender.account)? {
                Some(job) => {
                    return Ok(Submitted {
                        job,
                        replayed: false,
                    });
                }
                None => None,
            },
            Err(refusal) => Some(refusal),
        };
        // An order that was accepted before gets its first answer, whatever would refuse it by now. The
        // index of nonces refuses it too, so that nobody looks for it while all is well.
        let nonce = self.order.order.nonce;
        let before = jobs::of_nonce(tx.tables()?, spender.account, nonce)?;
        match (before, refusal) {
            (Some(job), _) if job.order.order == self.order.order => Ok(Submitted {
                job,
                replayed: true,
            }),
            (Some(job), _) => refuse(SubmitRefusal::NonceReused { nonce, job: job.id }),
            (None, Some(refusal)) => refuse(refusal),
            (None, None) => Err(damaged("a nonce is used by no job").into()),
        }
    }
}

impl Submit {
    /// The key that the job would have, or why it is not taken.
    fn acceptable(
        &self,
        tx: &Tx<'_>,
        spender: &Spender,
    ) -> Result<Result<i64, SubmitRefusal>, LedgerError> {
        let order = &self.order.order;
        let refuse = |refusal| Ok(Err(refusal));
        if !self.signers.contains(&order.client) {
            let may = chain::order_signers(tx.conn, order.client)?;
            if !self.signers.iter().any(|signer| may.contains(signer)) {
                return refuse(SubmitRefusal::UnknownSigner {
                    signer: self.signers[0],
                });
            }
        }
        if order.deadline <= self.now {
            return refuse(SubmitRefusal::DeadlinePast {
                deadline: order.deadline,
                now: self.now,
            });
        }
        if self.fee > order.max_fee {
            return refuse(SubmitRefusal::FeeOverMax {
                fee: self.fee,
                max_fee: order.max_fee,
            });
        }
        let available = spender.available();
        if available < bits(self.fee.0) {
            return refuse(SubmitRefusal::InsufficientBalance {
                needed: self.fee,
                available: MicroUsdc(available.max(0).cast_unsigned()),
            });
        }
        // What is reserved may all be charged in this epoch too.
        let cap = cap::for_orders(&spender.mirror, tx.hot.default_cap, self.now);
        let left = cap.saturating_sub(spender.charged + spender.reserved);
        if left < self.fee.0 {
            return refuse(SubmitRefusal::OverCap {
                needed: self.fee,
                cap: MicroUsdc(cap),
                left: MicroUsdc(left),
            });
        }
        if tx.hot.jobs.len() >= OPEN_JOBS_MAX {
            return refuse(SubmitRefusal::QueueFull {
                limit: OPEN_JOBS_MAX,
            });
        }
        let id = JobId {
            epoch: tx.hot.epoch,
            seq: tx.hot.next_job,
        };
        let Some(key) = job_key(id) else {
            return refuse(SubmitRefusal::OutOfRange {
                field: "number of jobs in this epoch",
            });
        };
        Ok(Ok(key))
    }
}

impl Submit {
    /// Refuses what the tables cannot hold.
    fn in_range(&self) -> Result<(), Refused> {
        let order = &self.order.order;
        let checks = [
            ("now", self.now <= i64::MAX.cast_unsigned()),
            ("maxFee", order.max_fee.0 <= AMOUNT_MAX),
            ("deadline", order.deadline <= i64::MAX.cast_unsigned()),
            ("input size", self.input.size <= i64::MAX.cast_unsigned()),
            ("jobType", short(&self.job_type)),
            ("replyTo", self.reply_to.as_deref().is_none_or(short)),
            ("label", self.label.as_deref().is_none_or(short)),
            (
                "webhook",
                self.webhook
                    .as_ref()
                    .is_none_or(|url| url.len() <= URL_BYTES_MAX),
            ),
            ("recipients", self.recipients.len() <= RECIPIENTS_MAX),
            (
                "maxAttempts",
                (1..=ATTEMPTS_MAX).contains(&self.max_attempts),
            ),
        ];
        match checks.into_iter().find(|(_, ok)| !ok) {
            Some((field, _)) => Err(CommandError::Refused(SubmitRefusal::OutOfRange { field })),
            None => Ok(()),
        }
    }

    /// Writes the job under the next number; `None`, and nothing is written, when the client has used the nonce.
    fn accept(
        &self,
        tx: &mut Tx<'_>,
        key: i64,
        account: i64,
    ) -> Result<Option<JobRecord>, LedgerError> {
        let job = self.enter(tx, key, account)?;
        tx.hot.next_job += u64::from(job.is_some());
        Ok(job)
    }

    /// Writes the job; `None`, and nothing is written, when the client has used the nonce.
    pub(super) fn enter(
        &self,
        tx: &mut Tx<'_>,
        key: i64,
        account: i64,
    ) -> Result<Option<JobRecord>, LedgerError> {
        let order = &self.order.order;
        let transfer = tx.hot.books.next_transfer(tx.conn)?;
        if !jobs::insert(tx.conn, key, account, transfer, self)? {
            return Ok(None);
        }
        tx.hot.books.reserved(&order.client, account, self.fee);
        let body = Body {
            client: order.client,
            fee: self.fee,
            job: job_id(key),
            job_type: &self.job_type,
            model: order.model,
            order: self.commitment,
        };
        tx.job_event(
            self.now,
            kind::JOB_SUBMITTED,
            key,
            &order.client,
            false,
            &body,
        )?;
        let open = OpenJob {
            client: order.client,
            account,
            fee: self.fee,
            commitment: self.commitment,
            model: order.model,
            input: order.input,
            salt: self.salt,
            blob: self.input.sha256,
            deadline: order.deadline,
            recipients: self.recipients.as_slice().into(),
            max_attempts: self.max_attempts,
            webhook: self.webhook.is_some(),
            state: JobState::Pending,
            attempts: 0,
            lease: None,
            claimed_at: None,
            stage: None,
            fraction_bps: 0,
            error: None,
            row: Row::Missing,
        };
        tx.hot.open(key, open);
        let record = JobRecord {
            id: job_id(key),
            order: self.order.clone(),
            commitment: self.commitment,
            fee: self.fee,
            salt: self.salt,
            job_type: self.job_type.clone(),
            input: self.input,
            reply_to: self.reply_to.clone(),
            recipients: self.recipients.clone(),
            label: self.label.clone(),
            webhook: self.webhook.clone(),
            max_attempts: self.max_attempts,
            attempts: 0,
            state: JobState::Pending,
            submitted_at: self.now,
            claimed_at: None,
            ended_at: None,
            worker: None,
            lease: None,
            stage: None,
            fraction_bps: 0,
            error: None,
            settles_in: None,
            uncollectable: None,
            completion: None,
        };
        tx.hot.books.keep(key, &record);
        Ok(Some(record))
    }
}
