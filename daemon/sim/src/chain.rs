//! What happens on the chain beside settlement: the guardian, payees, passers-by; and the operator.

use swarm_chain::views::{ChainEpoch, EpochState};
use swarm_chain::{At, Call};

use crate::http::Ask;
use crate::node::transport::lock;
use crate::people::{self, GUARDIAN, OPERATOR, PASSER_BY};
use crate::world::{Broken, Held, World};

impl World {
    /// Somebody does something on the chain.
    pub async fn chain_acts(&mut self) -> Held {
        let head = self.chain.gate(At::Latest).await;
        let gate = head.map_err(|error| Broken(format!("the gate cannot be read: {error}")))?;
        let now = self.seconds();
        let last = self.chain.epoch(gate.last_epoch, At::Latest).await;
        let last = last.map_err(|error| Broken(format!("an epoch cannot be read: {error}")))?;
        let charges =
            |epoch: &ChainEpoch| epoch.state == EpochState::Pending && epoch.receipt_count > 0;
        if last.as_ref().is_some_and(charges) && self.rng.chance(35) {
            self.stats.note("voids of charges");
            let call = self.chain.void_epoch(gate.last_epoch);
            return self.transact(GUARDIAN, "voids", &call).await;
        }
        match self.rng.below(100) {
            0..40 if gate.stopped => {
                let call = self.chain.resume();
                self.transact(GUARDIAN, "resumes", &call).await
            }
            0..8 if gate.last_epoch > 0 => {
                let call = self.chain.void_epoch(gate.last_epoch);
                self.transact(GUARDIAN, "voids", &call).await
            }
            14..20 => {
                let call = self.chain.pause();
                self.transact(GUARDIAN, "pauses", &call).await
            }
            20..50 if gate.paused_until > now => {
                let call = self.chain.unpause();
                self.transact(GUARDIAN, "unpauses", &call).await
            }
            _ => {
                let payees = people::payees();
                let Some(payee) = self.rng.pick(&payees).copied() else {
                    return Ok(());
                };
                let call = self.chain.claim_for(payee);
                self.transact(PASSER_BY, "claims", &call).await
            }
        }
    }

    /// Sends `call` as `who`; what the contract would refuse is not sent.
    pub async fn transact(&mut self, who: usize, what: &'static str, call: &Call) -> Held {
        match self.chain.send(people::wallet(who), call).await {
            Ok(tx) => {
                self.stats.note(what);
                self.say(format!("{what}: {tx}"));
            }
            Err(error) => self.say(format!("{what}: {error}")),
        }
        Ok(())
    }

    /// The operator does something.
    pub async fn operator_acts(&mut self) -> Held {
        match self.rng.below(100) {
            0..70 => self.ask_for_seal().await,
            70..85 => self.back_up().await,
            _ => {
                let Some(n) = self.rng.index(people::BEES) else {
                    return Ok(());
                };
                let drain = self.rng.chance(30);
                self.drain(n, drain).await
            }
        }
    }

    /// The operator has bee `n` drain, or take work again.
    pub async fn drain(&mut self, n: usize, drain: bool) -> Held {
        let worker = people::address(people::bee(n));
        let body = swarm_types::api::DrainWorker { drain };
        let ask = Ask::json("POST", format!("/api/v1/workers/{worker:#x}/drain"), &body);
        let reply = self.signed(OPERATOR, ask).await?;
        let words = reply.map_or("-".to_owned(), |reply| reply.words());
        self.say(format!("bee {n} drains ({drain}): {words}"));
        Ok(())
    }

    /// The operator asks for a seal; the answer comes with a round.
    pub async fn ask_for_seal(&mut self) -> Held {
        if self.sealing.is_none() {
            let ask = Ask {
                method: "POST",
                path: "/api/v1/epochs/seal".into(),
                body: Vec::new(),
                offset: None,
            };
            self.sealing = self.begin_signed(OPERATOR, ask);
            self.quiet().await?;
        }
        Ok(())
    }

    /// Makes a block now.
    pub fn mine(&self) {
        lock(&self.node).mine_now();
    }
}
