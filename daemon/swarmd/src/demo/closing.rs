//! The end of the story: who paid, who earned, and where everything is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use swarm_chain::devchain::{CHAIN_ID, DevChain};
use swarm_types::api::Epoch;
use swarm_types::{Address, MicroUsdc};

use super::DemoArgs;
use super::cast::Cast;
use super::screen::Screen;
use super::story::text;

/// What there is to say at the end.
pub(super) struct Told<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) dir: &'a Path,
    pub(super) chain: &'a DevChain,
    pub(super) cast: &'a Cast,
    pub(super) jobs: &'a [Value; 2],
    pub(super) epoch: &'a Epoch,
    pub(super) deposit: &'a Value,
    pub(super) claims: &'a [Value],
    pub(super) bundle: &'a Path,
    pub(super) patient: &'a Value,
}

impl Told<'_> {
    /// Prints the closing table and writes summary.json.
    pub(super) fn close(&self, screen: &Screen) -> Result<()> {
        let read = |name: &str| -> Result<Value> {
            let bytes =
                std::fs::read(self.bundle.join(name)).with_context(|| format!("read {name}"))?;
            serde_json::from_slice(&bytes).with_context(|| format!("read {name}"))
        };
        let summary = read("SUMMARY.json")?;
        let micro = |value: &Value| {
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .map(MicroUsdc)
                .unwrap_or_default()
        };

        screen.heading("Who paid");
        for charge in read("clients.json")?.as_array().into_iter().flatten() {
            screen.line(format!(
                "client     {} for {} jobs",
                micro(&charge["amount"]),
                charge["receipts"].as_str().unwrap_or("?")
            ));
        }
        screen.heading("Who earned");
        for payout in read("payouts.json")?.as_array().into_iter().flatten() {
            let payee: Address =
                serde_json::from_value(payout["payee"].clone()).context("a payee")?;
            let parts: Vec<String> = payout["parts"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|part| {
                    format!(
                        "{} {}",
                        part["kind"].as_str().unwrap_or("?"),
                        micro(&part["amount"]).0
                    )
                })
                .collect();
            screen.line(format!(
                "{:<10} {:>9}  = {} µUSDC",
                self.cast.name_of(&payee),
                micro(&payout["amount"]).to_string(),
                parts.join(" + ")
            ));
        }
        let pools = &summary["pools"];
        let each = |pool: &str| micro(&pools[pool]).0 / self.jobs.len() as u64;
        screen.line(format!(
            "of each $0.10: {} protocol, {} operator, {} work, {} readiness µUSDC",
            each("protocol"),
            each("operator"),
            each("work"),
            each("readiness")
        ));

        screen.heading("Transactions");
        screen.line(format!("deposit    {}", text(self.deposit, "transaction")?));
        screen.line(format!(
            "settlement {}",
            self.epoch
                .transaction
                .map(|tx| tx.to_string())
                .unwrap_or_default()
        ));
        for claim in self.claims {
            screen.line(format!(
                "{:<10} {}",
                text(claim, "who")?,
                text(&claim["claim"], "transaction")?
            ));
        }

        screen.heading("Where it is");
        for job in self.jobs {
            let out = PathBuf::from(text(job, "out")?);
            screen.line(format!(
                "{:<10} {}",
                text(job, "job_id")?,
                out.join("mask.nii.gz").display()
            ));
            screen.line(format!("picture    {}", out.join("montage.png").display()));
            let segmentation = out.join("mask.patient.dcm");
            if segmentation.exists() {
                screen.line(format!("DICOM SEG  {}", segmentation.display()));
            }
        }
        screen.line(format!("bundle     {}", self.bundle.display()));
        let queen = format!("http://127.0.0.1:{}", self.args.port);
        screen.line(format!("API        {queen}"));
        screen.line("research use, not for diagnosis");
        screen.heading(&format!("See it all in a browser: {queen}/"));

        let record = json!({
            "jobs": self.jobs,
            "pools": pools,
            "bundle": self.bundle,
            "claims": self.claims,
            "deposit": self.deposit,
            "settlement": self.epoch.transaction,
            // What a test or a visitor needs to go on.
            "page": format!("{queen}/"),
            "queen": queen,
            "rpc": self.chain.rpc_url,
            "chain_id": CHAIN_ID.to_string(),
            "escrow": self.chain.escrow,
            "token": self.chain.token,
            "escrow_block": self.chain.escrow_block.to_string(),
            "epoch": self.epoch.epoch_id,
            "audit": self.dir.join("queen/audit"),
            "homes": {
                "client": self.cast.client.home,
                "operator": self.cast.operator.home,
                "guardian": self.cast.guardian.home,
            },
        });
        // What must occur nowhere but on the client's side: the end-to-end test looks for it.
        let patient = self.cast.client.home.join("patient.json");
        std::fs::write(&patient, serde_json::to_vec(self.patient)?)
            .context("write patient.json")?;
        let file = self.dir.join("summary.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&record)?).context("write summary.json")?;
        Ok(())
    }
}
