//! What the tests of the program share.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use swarm_types::api::ReceiptProof;
use swarm_types::bundle::{JobsPage, SUMMARY, Summary, page_name};
use swarm_types::tree::Tree;

/// How a run of the program ended.
pub struct Run {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }
}

/// Runs `swarm` with a home of its own and nothing from the environment.
pub fn swarm(home: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_swarm"))
        .env_clear()
        .arg("--home")
        .arg(home)
        .args(arguments)
        .output()
        .expect("the program starts");
    Run {
        status: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The receipts of the protocol's committed vectors, with their proofs, as the queen would send them.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn proofs() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../types/vectors/epoch-002");
    let proofs =
        proofs_of(|name| std::fs::read(folder.join(name)).expect("the vectors are in the tree"));
    let json = |proof| serde_json::to_value(proof).expect("JSON");
    proofs.into_iter().map(json).collect()
}

/// The receipts of a bundle's first page (which is all of them), with their proofs.
pub fn proofs_of(read: impl Fn(&str) -> Vec<u8>) -> Vec<ReceiptProof> {
    let summary: Summary = serde_json::from_slice(&read(SUMMARY)).expect("a summary");
    let page: JobsPage = serde_json::from_slice(&read(&page_name(0))).expect("a page");
    let leaves: Vec<_> = page.jobs.iter().map(|job| job.receipt.leaf()).collect();
    let tree = Tree::new(&leaves);
    let proof = |(index, job): (usize, &swarm_types::bundle::JobEntry)| ReceiptProof {
        receipt: job.receipt.clone(),
        order: job.order.clone(),
        execution: job.execution.clone(),
        execution_signature: job.execution_signature,
        epoch: summary.epoch,
        index: index as u64,
        size: leaves.len() as u64,
        path: tree.path(index).expect("the leaf is there"),
        root: summary.receipts_root,
        chain_id: summary.chain_id,
        escrow: summary.escrow,
        transaction: None,
    };
    page.jobs.iter().enumerate().map(proof).collect()
}

/// A NIfTI-1 scan of 3 × 4 × 5 voxels with a sform.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn nifti() -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    for (n, dim) in [3_i16, 3, 4, 5, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * n, &dim.to_le_bytes());
    }
    put(70, &2_i16.to_le_bytes());
    put(72, &8_i16.to_le_bytes());
    for n in 0..4 {
        put(76 + 4 * n, &1_f32.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    for (row, at) in [(0, 280), (1, 296), (2, 312)] {
        put(at + 4 * row, &1_f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes.extend((0..60).map(|v| v as u8));
    bytes
}
