//! The way from a client to the node: alloy's transport over a chain in memory, with the faults of a
//! network on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use alloy::rpc::client::RpcClient;
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use alloy_json_rpc::{RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use swarm_chain::Rpc;
use tower::Service;

use super::Node;
use crate::life::Life;
use crate::rng::Rng;

/// A node that several clients reach.
pub type SharedNode = Arc<Mutex<Node>>;

/// What is wrong with a line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Nothing gets through.
    pub away: bool,
    /// Requests in a hundred whose answer is lost, half of them before the node has seen them.
    pub lost_percent: u64,
    /// Requests in a hundred before which the chain moves on or takes blocks back.
    pub moving_percent: u64,
    /// Draws the above.
    pub rng: Rng,
}

/// A line to a node.
#[derive(Clone)]
pub struct Wire {
    node: SharedNode,
    /// Its faults, and the process that hangs on it; without them the line is perfect.
    faults: Option<(Arc<Mutex<Line>>, Arc<Life>)>,
}

impl Wire {
    /// A perfect line.
    pub fn clean(node: SharedNode) -> Rpc {
        Self { node, faults: None }.rpc()
    }

    /// A line with faults, to a process that may die at each request.
    pub fn faulty(node: SharedNode, line: Arc<Mutex<Line>>, life: Arc<Life>) -> Rpc {
        let faults = Some((line, life));
        Self { node, faults }.rpc()
    }

    fn rpc(self) -> Rpc {
        Rpc::over(RpcClient::new(self, true))
    }

    /// What comes back, or `None` when nobody is there any more to receive it.
    fn pass(&self, request: SerializedRequest) -> Option<Result<Response, TransportError>> {
        let lost = || TransportErrorKind::custom_str("the line is down");
        let mut answer_lost = false;
        if let Some((line, life)) = &self.faults {
            if life.halts("rpc") {
                return None;
            }
            let mut line = lock(line);
            let (lose, moves) = (line.lost_percent, line.moving_percent);
            if line.away {
                return Some(Err(lost()));
            }
            if line.rng.chance(moves) {
                let depth = if line.rng.chance(25) {
                    line.rng.range(1, 3)
                } else {
                    0
                };
                let mut node = lock(&self.node);
                if depth > 0 {
                    node.reorg_to_now(depth);
                } else {
                    node.mine_now();
                }
            }
            if line.rng.chance(lose) {
                if line.rng.chance(50) {
                    return Some(Err(lost()));
                }
                answer_lost = true;
            }
        }
        let payload = match lock(&self.node).answer(&request) {
            Ok(value) => ResponsePayload::Success(value),
            Err(error) => ResponsePayload::Failure(error),
        };
        if let Some((_, life)) = &self.faults
            && life.halts("rpc answered")
        {
            return None;
        }
        if answer_lost {
            return Some(Err(lost()));
        }
        let id = request.id().clone();
        Some(Ok(Response { id, payload }))
    }
}

/// Locks what no panic leaves half changed.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service<RequestPacket> for Wire {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move {
            let mut answers = Vec::new();
            let (batch, requests) = match packet {
                RequestPacket::Single(request) => (false, vec![request]),
                RequestPacket::Batch(requests) => (true, requests),
            };
            for request in requests {
                match wire.pass(request) {
                    Some(answer) => answers.push(answer?),
                    None => std::future::pending().await,
                }
            }
            match answers.pop() {
                Some(answer) if !batch => Ok(ResponsePacket::Single(answer)),
                last => {
                    answers.extend(last);
                    Ok(ResponsePacket::Batch(answers))
                }
            }
        })
    }
}
