//! What breaks.

use crate::life::End;
use crate::node::transport::lock;
use crate::people::{self, GAS};
use crate::world::{Held, World};

/// Most points of a life that are passed before its end, once that is decided.
const POINTS_MAX: u64 = 30;

impl World {
    /// Something breaks, or is mended.
    pub async fn fault(&mut self) -> Held {
        match self.rng.below(100) {
            0..28 => self.arm(),
            28..40 => {
                let percent = self.rng.pick(&[0, 0, 5, 20, 60]).copied().unwrap_or(0);
                self.say(format!("{percent} % of the answers of the chain are lost"));
                lock(&self.line).lost_percent = percent;
            }
            40..52 => {
                let away = !lock(&self.line).away;
                lock(&self.line).away = away;
                self.say(format!("the chain's node is away: {away}"));
                self.stats.note("node away or back");
            }
            52..60 => {
                let percent = self.rng.pick(&[0, 0, 3, 15]).copied().unwrap_or(0);
                self.say(format!("the chain moves at {percent} % of the requests"));
                lock(&self.line).moving_percent = percent;
            }
            60..74 => self.reorganise(),
            74..80 => self.hold_settlements(),
            80..86 => {
                let skew = self.rng.pick(&[0, 0, 600_000, -600_000, 3_000]).copied();
                self.set_skew(skew.unwrap_or(0));
                self.say(format!("the queen's clock is off by {} ms", self.skew));
            }
            86..92 => {
                let commands = self.rng.range(1, 25);
                if let Some(running) = &self.running {
                    running.life.fill_disk(commands);
                    self.say(format!("the disk is full for {commands} commands"));
                }
            }
            92..96 => {
                if let Some((backup, model)) = self.backup.take() {
                    self.say("the ledger is lost, and the backup takes its place".into());
                    self.stats.note("backups restored");
                    self.replace_ledger(&backup).await?;
                    self.model.restore(&model);
                    self.start().await?;
                    self.note_lost_seals().await?;
                }
            }
            _ => {
                // Longer than a lowered cap, a withdrawal and the settlement timeout need.
                if self.rng.chance(50)
                    && let Some(running) = &self.running
                {
                    running.life.kill();
                    self.bury();
                }
                let hours = self.rng.range(3, 72);
                self.say(format!("nobody does anything for {hours} h"));
                self.stats.note("long outages");
                self.pass(hours * 3_600_000).await?;
            }
        }
        Ok(())
    }

    /// Decides where this life of the queen ends.
    fn arm(&mut self) {
        let points = self.rng.below(POINTS_MAX);
        let tear = self.rng.chance(60);
        if let Some(running) = &self.running {
            if self.rng.chance(15) {
                running.life.kill();
                self.bury();
                return;
            }
            running.life.end_after(End { points, tear });
            self.say(format!("the queen dies in {points} points (torn: {tear})"));
        }
    }

    fn reorganise(&mut self) {
        // Mostly above `safe`, sometimes below it, never below `finalized`.
        let deep = self.rng.chance(25);
        let depth = if deep {
            self.rng.range(3, 6)
        } else {
            self.rng.range(1, 3)
        };
        let lose = self.rng.chance(25);
        let mut rng = self.rng.split();
        let (gone, blocks) = {
            let mut node = lock(&self.node);
            let gone = node.reorg(depth, |tx| {
                // A settlement or a client's transaction may be gone for ever.
                lose && rng.chance(50) && tx.sender != people::address(people::GUARDIAN)
            });
            let blocks = rng.range(0, gone + 2);
            for _ in 0..blocks {
                node.mine_now();
            }
            (gone, blocks)
        };
        self.stats.note("reorganisations");
        if deep && gone > 2 {
            self.stats.note("reorganisations below safe");
        }
        self.say(format!(
            "the chain takes {gone} blocks back and makes {blocks}"
        ));
    }

    /// Settlements that pay what the market says are not included for a while, or are forgotten.
    fn hold_settlements(&mut self) {
        let gas = people::address(GAS);
        let mut node = lock(&self.node);
        let waiting: Vec<_> = node.pool().iter().filter(|tx| tx.sender == gas).collect();
        let waiting: Vec<_> = waiting.iter().map(|tx| tx.hash).collect();
        for hash in &waiting {
            node.forget(hash);
        }
        // The market's fee is some 11 M wei; each replacement pays a quarter more.
        let dear = self
            .rng
            .pick(&[None, Some(12_000_000), Some(20_000_000), Some(u128::MAX)]);
        let dear = dear.copied().flatten();
        node.set_dear(dear.map(|fee| (gas, fee)));
        drop(node);
        self.stats.note("settlements held up");
        self.say(format!(
            "{} settlements forgotten, and now they must pay {dear:?}",
            waiting.len()
        ));
    }
}
