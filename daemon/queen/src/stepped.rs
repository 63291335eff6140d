//! A queen for simulations: all of her but sockets, tasks and a clock of her own.

use std::sync::Arc;

use axum::Router;
use swarm_chain::Chain;
use swarm_ledger::{Gate, Ledger};

use crate::clock::Clock;
use crate::config::QueenConfig;
use crate::queen::{QueenKeys, StartError, assemble, ledger_config, make_dirs};
use crate::seam::{SettlementPort, SettlementStatus};
use crate::settlement::Settlement;
use crate::state::App;
use crate::{api, sweeper};

/// A queen whose every step somebody else takes. What [`crate::Queen::serve`] starts as tasks are
/// methods here; nothing happens between their calls but what a request left to be routed. The feed of
/// events and webhooks are left out: they move no money.
pub struct SteppedQueen {
    app: App,
    port: SettlementPort,
    settlement: Option<Settlement>,
}

impl SteppedQueen {
    /// Opens her on `config`'s directory. `chain` reaches the escrow, `gate` lets the ledger's commands
    /// run, `clock` is the time.
    ///
    /// # Errors
    /// As [`crate::Queen::open`].
    pub async fn open(
        config: QueenConfig,
        keys: QueenKeys,
        chain: Chain,
        gate: Arc<dyn Gate>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        make_dirs(&config)?;
        let ledger = Ledger::open_stepped(&config.ledger_path(), ledger_config(&config), gate);
        let ledger = ledger.map_err(StartError::Ledger)?;
        let (app, port, settlement) = assemble(config, keys, ledger, Some(chain), clock).await?;
        Ok(Self {
            app,
            port,
            settlement,
        })
    }

    /// Her API.
    pub fn router(&self) -> Router {
        api::router(self.app.clone())
    }

    /// Her ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.app.ledger
    }

    /// How settlement stands, as `/health` says it.
    pub fn status(&self) -> SettlementStatus {
        self.app.settlement.status()
    }

    /// One sweep: deadlines, leases, what need not be kept.
    pub async fn sweep(&self) {
        sweeper::once(&self.app).await;
    }

    /// One round of settlement, with the answers to who asked for a seal.
    pub async fn settle(&mut self) {
        let Some(settlement) = &mut self.settlement else {
            return;
        };
        while let Ok(request) = self.port.requests.try_recv() {
            settlement.ask(request);
        }
        settlement.step(&self.port).await;
    }
}
