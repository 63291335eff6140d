//! What a client does: it orders, again and wrongly too, calls off, and moves its money.

use swarm_types::api::{Job, SubmitJob};
use swarm_types::order::Order;
use swarm_types::{B256, JobId, MicroUsdc};

use crate::http::Ask;
use crate::model::Accepted;
use crate::people;
use crate::world::{Broken, FEE, Held, JOB_TYPE, ORDER_LIFE_SECONDS, World};

/// A client's first deposit, µUSDC.
const FIRST_DEPOSIT: u64 = 3_000_000;
/// Where clients want their results.
const REPLY_TO: &str = "age10hz2wg5r56ct7f4qckrkn5a6sdhha4aqtfpn3tjp6h0k2ptxp5rs0ntafr";

/// A client.
pub struct Client {
    n: usize,
    /// The nonce of its next order.
    next_order: u64,
    /// Whether its order signer is registered, as far as it knows.
    has_signer: bool,
    jobs: Vec<JobId>,
}

/// What is wrong with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    DeadlinePast,
    DeadlineFar,
    FeeOverMax,
    StrangersSignature,
    NoInput,
}

impl Client {
    /// Client `n`, which ordered nothing yet.
    pub fn new(n: usize) -> Self {
        Self {
            n,
            next_order: 1,
            has_signer: false,
            jobs: Vec::new(),
        }
    }

    fn key(&self) -> usize {
        people::client(self.n)
    }
}

impl World {
    /// A client does something.
    pub async fn client_acts(&mut self) -> Held {
        let Some(n) = self.rng.index(people::CLIENTS) else {
            return Ok(());
        };
        match self.rng.below(100) {
            0..46 => self.order(n, None).await,
            46..54 => {
                use Fault::*;
                let faults = [
                    DeadlinePast,
                    DeadlineFar,
                    FeeOverMax,
                    StrangersSignature,
                    NoInput,
                ];
                let fault = self.rng.pick(&faults).copied();
                self.order(n, fault).await
            }
            54..64 => self.order_again(n).await,
            64..68 => self.order_otherwise(n).await,
            68..74 => self.cancel_one(n).await,
            74..84 => {
                let amount = MicroUsdc(self.rng.range(1, 800_000));
                let call = self.chain.deposit(amount);
                self.transact(self.clients[n].key(), "deposits", &call)
                    .await
            }
            84..89 => {
                let most = if self.rng.chance(30) {
                    10_000_000
                } else {
                    400_000
                };
                let amount = MicroUsdc(self.rng.range(1, most));
                let call = self.chain.request_withdrawal(amount);
                self.transact(self.clients[n].key(), "withdrawal requests", &call)
                    .await
            }
            89..92 => {
                let key = self.clients[n].key();
                let call = self.chain.withdraw(people::address(key));
                self.transact(key, "withdrawals", &call).await
            }
            92..96 => {
                let cap = MicroUsdc(self.rng.range(50_000, 2_500_000));
                let call = self.chain.set_cap(cap);
                self.transact(self.clients[n].key(), "caps", &call).await
            }
            _ => {
                let signer = people::address(people::signer(n));
                let call = match self.clients[n].has_signer {
                    true => self.chain.remove_order_signer(signer),
                    false => self.chain.add_order_signer(signer),
                };
                self.clients[n].has_signer = !self.clients[n].has_signer;
                self.transact(self.clients[n].key(), "order signers", &call)
                    .await
            }
        }
    }

    /// The first transactions of client `n`.
    pub async fn open_account(&mut self, n: usize) -> Held {
        let key = self.clients[n].key();
        let call = self.chain.approve(MicroUsdc(u64::MAX));
        self.transact(key, "approvals", &call).await?;
        self.pass(2_000).await?;
        let call = self.chain.deposit(MicroUsdc(FIRST_DEPOSIT));
        self.transact(key, "deposits", &call).await
    }

    /// Client `n` orders, as it should or with a fault.
    async fn order(&mut self, n: usize, fault: Option<Fault>) -> Held {
        let key = self.clients[n].key();
        let bytes = self.rng.bytes32().to_vec();
        let input = if fault == Some(Fault::NoInput) {
            swarm_types::api::BlobRef {
                sha256: B256::from(self.rng.bytes32()),
                size: 32,
            }
        } else {
            match self.upload(key, "", bytes).await? {
                Some(input) => input,
                None => {
                    self.say(format!("client {n} cannot bring an input"));
                    return Ok(());
                }
            }
        };
        let now = self.queens_seconds();
        let deadline = match fault {
            Some(Fault::DeadlinePast) => now,
            Some(Fault::DeadlineFar) => now + ORDER_LIFE_SECONDS + 1,
            _ => now + self.rng.range(60, 20_000),
        };
        let nonce = self.clients[n].next_order;
        self.clients[n].next_order += 1;
        let order = Order {
            client: people::address(key),
            model: self.model_digest(),
            input: B256::from(self.rng.bytes32()),
            max_fee: match fault {
                Some(Fault::FeeOverMax) => MicroUsdc(FEE.0 - 1),
                _ => MicroUsdc(FEE.0 + self.rng.below(1_000)),
            },
            nonce,
            deadline,
        };
        let by_signer = self.clients[n].has_signer && self.rng.chance(40);
        let signs = match fault {
            Some(Fault::StrangersSignature) => people::PASSER_BY,
            _ if by_signer => people::signer(n),
            _ => key,
        };
        let body = SubmitJob {
            job_type: JOB_TYPE.into(),
            signature: people::wallet(signs).sign(&order.digest(&self.domain())),
            order,
            salt: B256::from(self.rng.bytes32()),
            input,
            reply_to: REPLY_TO.into(),
            client_ens: None,
        };
        self.submit(n, body, fault).await
    }

    /// Client `n` sends an order that it has sent before.
    async fn order_again(&mut self, n: usize) -> Held {
        if let Some(body) = self.an_old_body(n) {
            self.stats.note("orders sent again");
            self.submit(n, body, None).await?;
        }
        Ok(())
    }

    /// Client `n` uses a nonce again for something else.
    async fn order_otherwise(&mut self, n: usize) -> Held {
        let Some(mut body) = self.an_old_body(n) else {
            return Ok(());
        };
        body.order.max_fee = MicroUsdc(body.order.max_fee.0 + 1);
        let digest = body.order.digest(&self.domain());
        body.signature = people::wallet(self.clients[n].key()).sign(&digest);
        self.submit(n, body, None).await
    }

    fn an_old_body(&mut self, n: usize) -> Option<SubmitJob> {
        let address = people::address(self.clients[n].key());
        let nonce = self.rng.range(1, self.clients[n].next_order + 1);
        let bodies = self.model.sent.get(&(address, nonce))?;
        self.rng.pick(bodies).cloned()
    }

    async fn submit(&mut self, n: usize, body: SubmitJob, fault: Option<Fault>) -> Held {
        let key = (body.order.client, body.order.nonce);
        if fault.is_none() {
            let bodies = self.model.sent.entry(key).or_default();
            if !bodies.contains(&body) {
                bodies.push(body.clone());
            }
        }
        let request = Ask::json("POST", "/api/v1/jobs", &body).request(None);
        let Some(reply) = self.ask(request).await? else {
            self.say(format!("client {n} orders {}: no answer", key.1));
            return Ok(());
        };
        self.say(format!(
            "client {n} orders {} ({fault:?}): {}",
            key.1,
            reply.words()
        ));
        if !reply.ok() {
            self.stats.note("orders refused");
            return Ok(());
        }
        if let Some(fault) = fault {
            return Err(Broken(format!("an order with {fault:?} was accepted")));
        }
        if self.rng.chance(6) {
            // The answer is lost on its way.
            return Ok(());
        }
        let job: Job = reply.json().map_err(Broken)?;
        let accepted = Accepted {
            client: body.order.client,
            nonce: body.order.nonce,
            order: body.signed_order().commitment(),
            fee: job.fee,
        };
        if job.fee != FEE || job.fee > body.order.max_fee {
            return Err(Broken(format!("{} costs {}", job.job_id, job.fee)));
        }
        let new = reply.status == 201;
        if new {
            self.stats.note("orders accepted");
            self.clients[n].jobs.push(job.job_id);
        }
        self.model.accept(job.job_id, accepted, new)
    }

    async fn cancel_one(&mut self, n: usize) -> Held {
        let Some(job) = self.rng.pick(&self.clients[n].jobs).copied() else {
            return Ok(());
        };
        let ask = Ask {
            method: "POST",
            path: format!("/api/v1/jobs/{job}/cancel"),
            body: Vec::new(),
            offset: None,
        };
        let Some(reply) = self.signed(self.clients[n].key(), ask).await? else {
            return Ok(());
        };
        self.say(format!("client {n} calls {job} off: {}", reply.words()));
        if !reply.ok() {
            return Ok(());
        }
        self.stats.note("jobs called off");
        let job: Job = reply.json().map_err(Broken)?;
        self.model.cancel(job.job_id)
    }
}
