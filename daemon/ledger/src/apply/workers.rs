//! Bees: who may work, and how long they were ready.

use serde::Serialize;
use swarm_types::{Address, B256};

use super::short;
use crate::commands::*;
use crate::error::CommandError;
use crate::journal::kind;
use crate::limits::{PROFILE_BYTES_MAX, TEXT_BYTES_MAX, WORKERS_MAX};
use crate::records::{HeartbeatAnswer, WorkerRecord, WorkerState};
use crate::refusals::WorkerRefusal;
use crate::sql::{epochs, workers};
use crate::state::readiness::{Beat, between_millis};
use crate::writer::{Command, Tx};

type Refused = CommandError<WorkerRefusal>;

#[derive(Serialize)]
struct Worker {
    #[serde(skip_serializing_if = "Option::is_none")]
    draining: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payee: Option<Address>,
    worker: Address,
}

#[derive(Serialize)]
struct Beaten {
    #[serde(rename = "countedMillis")]
    counted_millis: u64,
    draining: bool,
    ready: bool,
    worker: Address,
}

#[derive(Serialize)]
struct Code {
    code: B256,
    payee: Address,
}

fn refuse<T>(refusal: WorkerRefusal) -> Result<T, Refused> {
    Err(CommandError::Refused(refusal))
}

/// Refuses one worker too many.
fn room_for(tx: &Tx<'_>, worker: &Address) -> Result<(), Refused> {
    let known = workers::standing(tx.conn, worker)?.is_some();
    if !known && workers::count(tx.conn)? >= WORKERS_MAX {
        return refuse(WorkerRefusal::TooMany(WORKERS_MAX));
    }
    Ok(())
}

/// Refuses a document that is too long.
fn document(field: &'static str, value: &serde_json::Value) -> Result<(), Refused> {
    if value.to_string().len() > PROFILE_BYTES_MAX {
        return refuse(WorkerRefusal::TooLong {
            field,
            limit: PROFILE_BYTES_MAX,
        });
    }
    Ok(())
}

impl Tx<'_> {
    fn worker_event(
        &mut self,
        now: u64,
        kind: &'static str,
        worker: Address,
        payee: Option<Address>,
        draining: Option<bool>,
    ) -> Result<WorkerRecord, Refused> {
        let body = Worker {
            draining,
            payee,
            worker,
        };
        self.journal(now, kind, &body)?;
        Ok(workers::must(self.conn, worker)?)
    }
}

impl Command for RegisterWorker {
    type Answer = WorkerRecord;
    type Refusal = WorkerRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<WorkerRecord, Refused> {
        room_for(tx, &self.worker)?;
        document("profile", &self.profile)?;
        for (field, text) in [("label", &self.label), ("recipient", &self.recipient)] {
            if !text.as_deref().is_none_or(short) {
                return refuse(WorkerRefusal::TooLong {
                    field,
                    limit: TEXT_BYTES_MAX,
                });
            }
        }
        let standing = workers::standing(tx.conn, &self.worker)?;
        let mut payee = None;
        if let Some(code) = &self.join_code {
            payee = workers::code_payee(tx.conn, code.as_slice(), &self.worker, self.now)?;
            if payee.is_none() {
                return refuse(WorkerRefusal::JoinCode);
            }
        }
        workers::register(tx.conn, self)?;
        // A code brings a new bee in; it does not undo what the operator decided about a known one.
        let waits = standing.is_none_or(|known| known.state == WorkerState::Registered);
        if let (Some(code), Some(payee), true) = (&self.join_code, &payee, waits) {
            workers::use_code(tx.conn, code.as_slice(), &self.worker)?;
            workers::approve(tx.conn, &self.worker, payee, self.now)?;
        } else {
            payee = None;
        }
        tx.worker_event(self.now, kind::WORKER_REGISTERED, self.worker, payee, None)
    }
}

impl Command for ApproveWorker {
    type Answer = WorkerRecord;
    type Refusal = WorkerRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<WorkerRecord, Refused> {
        room_for(tx, &self.worker)?;
        workers::approve(tx.conn, &self.worker, &self.payee, self.now)?;
        let payee = Some(self.payee);
        tx.worker_event(self.now, kind::WORKER_APPROVED, self.worker, payee, None)
    }
}

impl Command for RevokeWorker {
    type Answer = WorkerRecord;
    type Refusal = WorkerRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<WorkerRecord, Refused> {
        if !workers::revoke(tx.conn, &self.worker)? {
            return refuse(WorkerRefusal::Unknown(self.worker));
        }
        tx.worker_event(self.now, kind::WORKER_REVOKED, self.worker, None, None)
    }
}

impl Command for SetDraining {
    type Answer = WorkerRecord;
    type Refusal = WorkerRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<WorkerRecord, Refused> {
        if !workers::set_draining(tx.conn, &self.worker, self.draining)? {
            return refuse(WorkerRefusal::Unknown(self.worker));
        }
        let draining = Some(self.draining);
        tx.worker_event(self.now, kind::WORKER_DRAINING, self.worker, None, draining)
    }
}

impl Command for Heartbeat {
    type Answer = HeartbeatAnswer;
    type Refusal = WorkerRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<HeartbeatAnswer, Refused> {
        document("stats", &self.stats)?;
        let Some(standing) = workers::standing(tx.conn, &self.worker)? else {
            return refuse(WorkerRefusal::Unknown(self.worker));
        };
        let draining = self.draining || standing.draining_operator;
        let this = Beat {
            at_millis: self.now_millis,
            counts: self.ready && !draining && standing.state == WorkerState::Approved,
        };
        let counted_millis = between_millis(standing.last, this);
        if counted_millis > 0 {
            epochs::add_ready(tx.conn, tx.hot.epoch, &self.worker, counted_millis)?;
        }
        workers::beat(tx.conn, self)?;
        tx.hot.books.forget_standing(&self.worker);
        let body = Beaten {
            counted_millis,
            draining: self.draining,
            ready: self.ready,
            worker: self.worker,
        };
        tx.journal(self.now_millis / 1_000, kind::WORKER_HEARTBEAT, &body)?;
        Ok(HeartbeatAnswer {
            state: standing.state,
            draining: standing.draining_operator,
            counted_millis,
        })
    }
}

impl Command for AddJoinCode {
    type Answer = ();
    type Refusal = WorkerRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Refused> {
        if workers::code_known(tx.conn, self.code.as_slice())? {
            return refuse(WorkerRefusal::JoinCodeExists);
        }
        let expires_at = self.expires_at.min(i64::MAX.cast_unsigned());
        workers::add_code(tx.conn, self.code.as_slice(), &self.payee, expires_at)?;
        let body = Code {
            code: self.code,
            payee: self.payee,
        };
        tx.journal(self.now, kind::JOIN_CODE_ADDED, &body)?;
        Ok(())
    }
}
