//! What is asked of the queen, and its answers.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use swarm_types::api::Leases;
use tower::ServiceExt;

use super::{Broken, Held, Waiting, World};
use crate::http::{Ask, Reply};
use crate::people::{self, *};

impl World {
    /// A nonce that was not used before.
    pub fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// Sends `ask`, signed by `who`, and waits for the answer; `None` when the queen is down, or dies.
    pub async fn signed(&mut self, who: usize, ask: Ask) -> Held<Option<Reply>> {
        let nonce = self.next_nonce();
        let timestamp = self.queens_millis() / 1_000;
        let request = ask.request(Some((people::wallet(who), timestamp, nonce)));
        self.ask(request).await
    }

    /// Sends a request and waits for the answer; `None` when the queen is down, or dies.
    pub async fn ask(&mut self, request: Request<Body>) -> Held<Option<Reply>> {
        let Some(running) = &self.running else {
            return Ok(None);
        };
        let full = running.life.full_hits();
        let answer = answer(running.router.clone(), request);
        let reply = tokio::select! {
            biased;
            () = running.life.died() => None,
            reply = answer => Some(reply),
        };
        if let Some(reply) = &reply {
            // A ledger from a copy takes nothing before it was compared with the chain.
            let old =
                reply.words().ends_with("old-ledger") && self.stats.get("backups restored") > 0;
            let excused = running.life.full_hits() > full || old;
            if reply.status >= 500 && !excused {
                let body = String::from_utf8_lossy(&reply.body);
                return Err(Broken(format!(
                    "the queen answers {}: {body}",
                    reply.status
                )));
            }
        }
        self.quiet().await?;
        Ok(reply)
    }

    /// Begins a request whose answer may take its time.
    pub fn begin_signed(&mut self, who: usize, ask: Ask) -> Option<Waiting> {
        let nonce = self.next_nonce();
        let timestamp = self.queens_millis() / 1_000;
        let request = ask.request(Some((people::wallet(who), timestamp, nonce)));
        let running = self.running.as_ref()?;
        Some(Box::pin(answer(running.router.clone(), request)))
    }

    /// Lets everything that can go on without time passing go on, until nothing moves any more.
    pub async fn quiet(&mut self) -> Held {
        loop {
            for _ in 0..4 {
                // What a request left to be routed runs here.
                tokio::task::yield_now().await;
            }
            self.bury();
            let mut moved = false;
            for n in 0..BEES {
                let Some(mut poll) = self.bees[n].poll.take() else {
                    continue;
                };
                match now_or_later(&mut poll).await {
                    None => self.bees[n].poll = Some(poll),
                    Some(reply) => {
                        moved = true;
                        self.polled(n, &reply)?;
                    }
                }
            }
            if let Some(mut sealing) = self.sealing.take() {
                match now_or_later(&mut sealing).await {
                    None => self.sealing = Some(sealing),
                    Some(reply) => {
                        self.say(format!("seal: {}", reply.words()));
                        moved = true;
                    }
                }
            }
            self.bury();
            if !moved {
                return Ok(());
            }
        }
    }

    /// A poll of bee `n` was answered.
    fn polled(&mut self, n: usize, reply: &Reply) -> Held {
        self.say(format!("bee {n} polls: {}", reply.words()));
        if reply.status == 200 {
            let answer: Leases = reply.json().map_err(Broken)?;
            for lease in answer.leases {
                self.leased(n, lease)?;
            }
        }
        Ok(())
    }
}

async fn answer(router: Router, request: Request<Body>) -> Reply {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    Reply {
        status,
        body: body.unwrap_or_default(),
    }
}

/// What `waiting` came to, if it has.
async fn now_or_later(waiting: &mut Waiting) -> Option<Reply> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match waiting.as_mut().poll(cx) {
            std::task::Poll::Ready(reply) => Some(reply),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
