//! Asks the queen: when one of her events says that something happened, and now and then.

use std::time::Duration;

use swarm_client::{EventFilter, QueenClient};
use swarm_types::Address;
use swarm_types::api::WorkerSample;
use tokio::sync::mpsc::Sender;

use crate::commands::status::Status;

/// Least time between two looks, however many events come.
const PAUSE: Duration = Duration::from_millis(250);
/// How long she may take for all answers of one look.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Bees whose samples are asked for.
const SAMPLED_MAX: usize = 16;

/// One look at the rack.
#[derive(Clone, Debug)]
pub struct Look {
    /// What `swarm status` shows.
    pub status: Status,
    /// What the first bees said of late.
    pub samples: Vec<(Address, Vec<WorkerSample>)>,
}

impl Look {
    /// Asks for all of it.
    ///
    /// # Errors
    /// Why there is no answer, in a line.
    pub async fn ask(queen: &QueenClient) -> Result<Self, String> {
        let ask = async {
            let status = Status::ask(queen).await?;
            let mut samples = Vec::new();
            for bee in status.bees.iter().take(SAMPLED_MAX) {
                samples.push((bee.worker, queen.samples(bee.worker).await?));
            }
            Ok::<_, swarm_client::ClientError>(Self { status, samples })
        };
        match tokio::time::timeout(LOOK_MAX, ask).await {
            Ok(Ok(look)) => Ok(look),
            Ok(Err(error)) => Err(format!("{:#}", anyhow::Error::new(error))),
            Err(_) => Err(format!("no answer within {} s", LOOK_MAX.as_secs())),
        }
    }
}

/// Sends looks until nobody listens. A queen who is away is asked on.
pub async fn run(queen: QueenClient, every: Duration, to: Sender<Result<Look, String>>) {
    let mut events = queen.events(EventFilter::default(), None);
    loop {
        if to.send(Look::ask(&queen).await).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            // Cancel-safe: the feed keeps what it has read. An event only says that it is time to look.
            event = events.next() => if event.is_err() { tokio::time::sleep(every).await },
            // Cancel-safe: a clock.
            () = tokio::time::sleep(every) => {}
        }
    }
}
