//! The lives of the queen: start, death, a ledger in another's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use swarm_chain::Chain;
use swarm_ledger::Ledger;
use swarm_queen::clock::Dial;
use swarm_queen::settlement::SettlementKeys;
use swarm_queen::{QueenConfig, QueenKeys, SteppedQueen};
use swarm_types::B256;

use super::{Broken, EPOCH_SECONDS, FEE, Held, MODELS, ORDER_LIFE_SECONDS, Running, World};
use crate::life::{Life, beside};
use crate::node::genesis::{self, ESCROW};
use crate::node::state::CHAIN_ID;
use crate::node::transport::Wire;
use crate::people::{self, *};

impl World {
    pub(super) fn state_dir(&self) -> PathBuf {
        self.home.path().join(format!("life-{}", self.lives))
    }

    fn image_dir(&self) -> PathBuf {
        self.home.path().join(format!("end-{}", self.lives))
    }

    fn config(&self) -> Held<QueenConfig> {
        let params = genesis::params();
        let free = json!({ "per_second": 1e9, "burst": 1e9 });
        let value = json!({
            "state_dir": self.state_dir(),
            "models_dir": self.home.path().join(MODELS),
            "operators": [people::address(OPERATOR)],
            "chain": {
                "chain_id": CHAIN_ID,
                "escrow": ESCROW,
                "token": params.token,
                "default_cap": params.default_cap,
            },
            "fees": {
                "fee": FEE,
                "protocol_payee": people::address(PROTOCOL_PAYEE),
                "operator_payee": people::address(OPERATOR_PAYEE),
            },
            "settlement": { "seal_every": format!("{EPOCH_SECONDS}s") },
            "max_order_life": format!("{ORDER_LIFE_SECONDS}s"),
            "limits": {
                "per_signer": free, "per_address": free, "per_address_signed": free,
            },
        });
        serde_json::from_value(value).map_err(|error| Broken(format!("the configuration: {error}")))
    }

    /// Starts the queen on what her last life left.
    pub async fn start(&mut self) -> Held {
        let ended = (self.lives > 0).then(|| (self.state_dir(), self.image_dir()));
        self.lives += 1;
        let config = self.config()?;
        let moved = match ended {
            Some((old, image)) => inherit(&old, &image, &config.state_dir),
            None => std::fs::create_dir(&config.state_dir),
        };
        moved.map_err(|error| Broken(format!("a new life's directory: {error}")))?;
        let life = Arc::new(Life::new(
            config.ledger_path(),
            self.image_dir(),
            self.rng.split(),
            self.plant,
        ));
        let rpc = Wire::faulty(self.node.clone(), self.line.clone(), life.clone());
        let chain = Chain::over(rpc, CHAIN_ID, ESCROW, genesis::params().token);
        let signer = |who: usize| {
            let secret = B256::from(*people::wallet(who).secret());
            alloy::signers::local::PrivateKeySigner::from_bytes(&secret)
        };
        let keys = QueenKeys {
            queen: signer(QUEEN).map_err(|error| Broken(error.to_string()))?,
            settlement: Some(SettlementKeys {
                settlers: SETTLERS.map(|who| people::wallet(who).clone()).to_vec(),
                gas: Some(people::wallet(GAS).clone()),
            }),
        };
        let dial = Dial::new(self.queens_millis());
        let opened = SteppedQueen::open(config, keys, chain, life.clone(), dial.clock()).await;
        let queen =
            opened.map_err(|error| Broken(format!("the queen does not start: {error:?}")))?;
        self.say(format!("the queen starts, life {}", self.lives));
        self.running = Some(Running {
            router: queen.router(),
            queen,
            life,
            dial,
        });
        if self.lives > 1 {
            // What she answered before is what she knows now.
            self.look().await?;
        }
        Ok(())
    }

    /// Notices that the queen died, and takes the broken connections away.
    pub fn bury(&mut self) {
        let dead = |running: &mut Running| running.life.is_dead();
        if let Some(running) = self.running.take_if(dead) {
            let at = running.life.ended_at();
            self.say(format!("the queen is dead: {at}"));
            self.stats.note(match at {
                "between" => "deaths between requests",
                "command" => "deaths before a command",
                "command done" => "deaths after a command",
                "rpc" => "deaths before a request to the chain",
                _ => "deaths after a request to the chain",
            });
            self.stats
                .add("commands on a full disk", running.life.full_hits());
            self.sealing = None;
            for bee in &mut self.bees {
                bee.poll = None;
            }
        }
    }

    /// Kills the queen and puts another ledger in the place of hers.
    pub async fn replace_ledger(&mut self, backup: &Path) -> Held {
        if let Some(running) = &self.running {
            running.life.kill();
        }
        self.bury();
        let image = self.image_dir();
        let step = || -> std::io::Result<()> {
            let ledger = image.join("ledger.sqlite");
            for file in [beside(&ledger), ledger] {
                if file.exists() {
                    std::fs::remove_file(file)?;
                }
            }
            Ok(())
        };
        step().map_err(|error| Broken(format!("the old ledger: {error}")))?;
        Ledger::restore(backup, &image.join("ledger.sqlite"))
            .map_err(|error| Broken(format!("a backup does not come back: {error:?}")))
    }

    /// A backup, as the operator makes it.
    pub async fn back_up(&mut self) -> Held {
        let to = self.home.path().join(format!("backup-{}", self.lines));
        if let Some(running) = &self.running {
            let made = running.queen.ledger().backup(&to).await;
            made.map_err(|error| Broken(format!("no backup: {error:?}")))?;
            self.backup = Some((to, self.model.clone()));
            self.say("a backup".into());
        }
        Ok(())
    }

    /// Her ledger, while she lives.
    pub fn ledger(&self) -> Option<Ledger> {
        let running = self.running.as_ref()?;
        Some(running.queen.ledger().clone())
    }

    /// One sweep of hers.
    pub async fn sweep(&mut self) -> Held {
        if let Some(running) = &self.running {
            tokio::select! {
                biased;
                () = running.life.died() => {}
                () = running.queen.sweep() => {}
            }
        }
        self.quiet().await
    }

    /// One round of her settlement.
    pub async fn round(&mut self) -> Held {
        if let Some(running) = &mut self.running {
            let life = running.life.clone();
            tokio::select! {
                biased;
                () = life.died() => {}
                () = running.queen.settle() => {}
            }
            let status = running.queen.status();
            self.say(format!("a round: {status:?}"));
        }
        self.quiet().await
    }
}

/// Gives a new life what the old one left: the ledger as the end left it, everything else as it is.
fn inherit(old: &Path, image: &Path, new: &Path) -> std::io::Result<()> {
    std::fs::create_dir(new)?;
    for name in ["blobs", "audit"] {
        std::fs::rename(old.join(name), new.join(name))?;
    }
    let ledger = image.join("ledger.sqlite");
    std::fs::rename(&ledger, new.join("ledger.sqlite"))?;
    if beside(&ledger).exists() {
        std::fs::rename(beside(&ledger), beside(&new.join("ledger.sqlite")))?;
    }
    Ok(())
}
