//! Where the API and the settlement tasks meet: the API asks for a seal and shows how the chain
//! stands; settlement answers and reports. Neither knows more of the other.

use swarm_types::EpochId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::problem::{Answer, Refused};

/// Requests for a seal that may wait.
const SEAL_REQUESTS_MAX: usize = 16;

/// What an operator asked for: seal the open epoch now.
pub struct SealRequest {
    /// Where the answer goes: the epoch that is being sealed, or a sentence that says why not.
    pub reply: oneshot::Sender<Result<EpochId, String>>,
}

/// How settlement stands, for `/health` and `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettlementStatus {
    /// `None` while the chain answers; otherwise a sentence that says what is wrong.
    pub chain_trouble: Option<String>,
    /// Highest block that the ledger mirrors.
    pub head_block: u64,
    /// Seconds for which an order may be open so that its client cannot take the money out before it is charged:
    /// the escrow's exit delay less the life of a seal. `None` until the escrow was asked.
    pub order_life: Option<u64>,
    /// Why this ledger must not go on, when the chain knows an epoch that it does not.
    pub old_copy: Option<String>,
    /// What makes the queen doubt her own clock.
    pub clock: Option<String>,
    /// What needs a person, in sentences (a refused seal, a contradiction, an overdrawn client).
    pub notes: Vec<String>,
}

/// Settlement's end.
pub struct SettlementPort {
    /// Seals that were asked for.
    pub requests: mpsc::Receiver<SealRequest>,
    /// Where to report.
    pub status: watch::Sender<SettlementStatus>,
}

/// The API's end.
#[derive(Clone)]
pub struct SettlementLink {
    requests: mpsc::Sender<SealRequest>,
    status: watch::Receiver<SettlementStatus>,
}

/// Both ends. Until settlement reports, the status is `trouble`, and the ledger goes on unless `old_copy`
/// says why not.
pub fn link(trouble: &str, old_copy: Option<String>) -> (SettlementLink, SettlementPort) {
    let (ask, requests) = mpsc::channel(SEAL_REQUESTS_MAX);
    let (report, status) = watch::channel(SettlementStatus {
        chain_trouble: Some(trouble.into()),
        old_copy,
        ..SettlementStatus::default()
    });
    let link = SettlementLink {
        requests: ask,
        status,
    };
    let port = SettlementPort {
        requests,
        status: report,
    };
    (link, port)
}

impl SettlementLink {
    /// How settlement stands.
    pub fn status(&self) -> SettlementStatus {
        self.status.borrow().clone()
    }

    /// See [`SettlementStatus::order_life`].
    pub fn order_life(&self) -> Option<u64> {
        self.status.borrow().order_life
    }

    /// Refuses while the ledger is an older copy than the chain: what it takes for open may be done and paid.
    pub fn newest(&self) -> Answer<()> {
        match &self.status.borrow().old_copy {
            Some(text) => Err(Refused::unavailable("old-ledger", text.as_str())),
            None => Ok(()),
        }
    }

    /// A refusal for a clock that is off, with what the queen knows of her own.
    pub fn doubt_clock(&self, mut refused: Refused) -> Refused {
        if let Some(doubt) = &self.status.borrow().clock {
            let detail = &mut refused.problem.detail;
            *detail = format!("{detail}; or the queen's own clock is off: {doubt}");
        }
        refused
    }

    /// Seals now.
    pub async fn seal(&self) -> Result<EpochId, Refused> {
        let (reply, answer) = oneshot::channel();
        let gone = || {
            let detail = "settlement is not running: the queen was started without a chain";
            Refused::unavailable("settlement-off", detail)
        };
        let sent = self.requests.try_send(SealRequest { reply });
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Refused::unavailable("seal-waits", "a seal is being made; ask again later")
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        let answer = answer.await.map_err(|_| gone())?;
        answer.map_err(|why| Refused::conflict("seal-refused", why))
    }
}
