//! `swarm orb` against a real node, escrow and bundles: the index, and the static site that needs no queen.

mod common;
#[path = "../../chain/tests/chain/rig.rs"]
#[allow(dead_code, reason = "the chain crate's own tests use the rest")]
mod rig;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Run, swarm};
use rig::*;
use serde_json::{Value, json};
use swarm_chain::Chain;
use swarm_chain::devchain::{DevChain, DevNames, Node, NodeConfig, dev_wallet};
use swarm_chain::ens::Name;
use swarm_types::orb::{Index, account_file_name};
use swarm_types::{Address, B256, EpochId, MicroUsdc};

/// Settles an epoch with `count` jobs, and publishes its bundle in `dir`.
async fn settle(chain: &Chain, dir: &Path, epoch: u64, previous: B256, count: u64) -> B256 {
    let at = now(chain).await;
    let jobs = (0..count).map(|seq| job(chain, epoch, seq + 1, at, &dev_wallet(CLIENT)));
    let (sealed, files) = seal(chain, epoch, previous, jobs.collect()).await;
    send(chain, &dev_wallet(GAS), &chain.settle(&sealed)).await;
    for (name, bytes) in &files {
        let path = dir.join(EpochId(epoch).to_string()).join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(path, bytes).expect("writes");
    }
    sealed.seal.struct_hash()
}

/// Every file below `dir` by its relative path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("reads") {
            let path = entry.expect("reads").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path
                    .strip_prefix(root)
                    .expect("below")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("reads"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}

struct Stage {
    dev: DevChain,
    folder: tempfile::TempDir,
}

impl Stage {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The program with this chain and escrow, and no queen.
    fn run(&self, arguments: &[&str]) -> Run {
        let escrow = self.dev.escrow.to_string();
        let mut all = vec!["--json", "--rpc", &self.dev.rpc_url, "--escrow", &escrow];
        all.extend(arguments);
        swarm(&self.folder.path().join("home"), &all)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_exported_without_any_queen_and_says_what_is_missing() {
    let (dev, chain) = start().await;
    let folder = tempfile::tempdir().expect("a directory");
    let stage = Stage { dev, folder };
    let audit = stage.folder.path().join("audit");
    deposit(&stage.dev, &chain, MicroUsdc(5_000_000)).await;
    let first = settle(&chain, &audit, 1, B256::ZERO, 2).await;
    send(&chain, &dev_wallet(GUARDIAN), &chain.void_epoch(1)).await;
    send(&chain, &dev_wallet(GUARDIAN), &chain.resume()).await;
    stage.dev.advance(5).await.expect("advanced");
    settle(&chain, &audit, 2, first, 1).await;

    let (site, bundles, out) = (
        stage.path("site"),
        stage.path("audit"),
        stage.path("index.json"),
    );
    let made = stage.run(&[
        "orb",
        "export",
        &site,
        "--bundles",
        &bundles,
        "--title",
        "Rack",
    ]);
    assert_eq!(made.status, 0, "{}", made.err);
    let report = made.json();
    assert_eq!(report["complete"], true);
    let status: Vec<&Value> = report["epochs"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|e| &e["status"])
        .collect();
    assert_eq!(status, [&json!("void"), &json!("included")]);
    let exported = files(Path::new(&site));

    // The index is the one that `swarm orb index` makes, and the bundles are what was settled.
    let indexed = stage.run(&[
        "orb",
        "index",
        "--bundles",
        &bundles,
        "--out",
        &out,
        "--title",
        "Rack",
    ]);
    assert_eq!(indexed.status, 0, "{}", indexed.err);
    let text = std::fs::read(&out).expect("reads");
    assert!(text == exported["index.json"], "the same index");
    let index: Index = serde_json::from_slice(&text).expect("an index");
    assert!(!index.site.live && index.site.rpcs.is_empty());
    assert_eq!(index.site.name.as_deref(), Some("Rack"));
    for (name, bytes) in files(&audit) {
        assert!(exported[&format!("audit/{name}")] == bytes, "{name}");
    }
    // The app and the files beside the index are there.
    for name in ["index.html", "chain/epoch-001.json", "chain/epoch-002.json"] {
        assert!(exported.contains_key(name), "{name}");
    }
    let page = String::from_utf8_lossy(&exported["index.html"]);
    assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
    let client: Value =
        serde_json::from_slice(&exported[&account_file_name(&account(CLIENT))]).expect("JSON");
    assert_eq!(client["lines"].as_array().map(Vec::len), Some(3));

    // Run again it changes nothing; what was torn is mended, and an old app's files go.
    std::fs::write(
        stage
            .folder
            .path()
            .join("site/audit/epoch-001/jobs/00000.json"),
        "torn",
    )
    .expect("writes");
    std::fs::remove_file(
        stage
            .folder
            .path()
            .join("site/audit/epoch-002/SUMMARY.json"),
    )
    .expect("removes");
    std::fs::write(stage.folder.path().join("site/assets/old-1234.js"), "old").expect("writes");
    let again = stage.run(&[
        "orb",
        "export",
        &site,
        "--bundles",
        &bundles,
        "--title",
        "Rack",
    ]);
    assert_eq!(
        (again.status, &again.json()["cid"]),
        (0, &report["cid"]),
        "{}",
        again.err
    );
    assert!(files(Path::new(&site)) == exported, "the same site");

    // Only what was asked for is brought; the rest is shown as missing.
    let part = stage.path("part");
    let made = stage.run(&[
        "orb",
        "export",
        &part,
        "--bundles",
        &bundles,
        "--epochs",
        "2..",
    ]);
    assert_eq!(made.status, 0, "{}", made.err);
    let index: Value =
        serde_json::from_slice(&files(Path::new(&part))["index.json"]).expect("JSON");
    assert_eq!(index["epochs"][0]["bundle_state"], "missing");
    assert_eq!(index["epochs"][1]["bundle_state"], "complete");

    // A source that lies: the site is written and says it, and so does the exit status.
    std::fs::write(audit.join("epoch-001/payouts.json"), "[]").expect("writes");
    std::fs::write(audit.join("epoch-002/SUMMARY.json"), "{}").expect("writes");
    let lies = stage.path("lies");
    let made = stage.run(&["orb", "export", &lies, "--bundles", &bundles]);
    assert_eq!(made.status, 1, "{}", made.err);
    let report = made.json();
    assert_eq!(report["epochs"][0]["bundle"], "damaged");
    assert_eq!(report["epochs"][1]["bundle"], "differs");

    // A directory that is somebody's is left alone.
    let foreign = stage.path("audit");
    let refused = stage.run(&["orb", "export", &foreign, "--bundles", &bundles]);
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(!files(&audit).contains_key("index.html"));
    let bad = stage.run(&[
        "orb",
        "export",
        &stage.path("x"),
        "--bundles",
        &bundles,
        "--explorer",
        "javascript:1",
    ]);
    assert_eq!(bad.status, 2, "{}", bad.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_site_tells_the_names_of_the_registry_that_it_is_given() {
    let (dev, chain) = start().await;
    let folder = tempfile::tempdir().expect("a directory");
    let stage = Stage { dev, folder };
    let audit = stage.folder.path().join("audit");
    deposit(&stage.dev, &chain, MicroUsdc(5_000_000)).await;
    settle(&chain, &audit, 1, B256::ZERO, 1).await;
    // The registry is on a chain of its own.
    let node = Node::start(&NodeConfig::default()).await.expect("anvil");
    let names = DevNames::install(&node).await.expect("installed");
    let clinic: Name = "clinic.hive.eth".parse().expect("a name");
    names.point(&clinic, account(CLIENT)).await.expect("points");
    let claim = names.claim(account(CLIENT), clinic.as_str()).await;
    claim.expect("claims");

    let (site, bundles) = (stage.path("site"), stage.path("audit"));
    let registry = names.registry.to_string();
    let url = node.url().to_owned();
    let export = |registry: &str, more: &[&str]| {
        let mut all = vec!["orb", "export", &site, "--bundles", &bundles];
        all.extend(["--ens-registry", registry]);
        all.extend(more);
        stage.run(&all)
    };
    // Nobody's contract is no registry, and nothing is written.
    let wrong = export(
        &Address::repeat_byte(0xe5).to_string(),
        &["--ens-rpc", &url],
    );
    assert_eq!(wrong.status, 2, "{}", wrong.err);
    assert!(wrong.err.contains("--ens-registry"), "{}", wrong.err);
    assert!(!Path::new(&site).exists());

    let made = export(&registry, &["--ens-rpc", &url]);
    assert_eq!(made.status, 0, "{}", made.err);
    let text = std::fs::read(Path::new(&site).join("index.json")).expect("an index");
    let index: Index = serde_json::from_slice(&text).expect("an index");
    let known = index
        .site
        .ens
        .expect("the pages' search knows the registry");
    assert_eq!(known.registry, names.registry);
    assert_eq!(index.names[&account(CLIENT)].name, clinic.as_str());
    assert_eq!(index.names.len(), 1);
}
