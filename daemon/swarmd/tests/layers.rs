//! Architecture invariant: dependencies between our crates run one way, and only where this table says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use of ours. A crate that is not listed, or uses more, fails the test.
const MAY_USE: &[(&str, &[&str])] = &[
    ("swarm-faults", &[]),
    ("swarm-types", &[]),
    ("swarm-kernels", &[]),
    ("swarm-imaging", &[]),
    ("swarm-package", &["swarm-types"]),
    // Samples and damage for tests and fuzzers; nothing that ships uses it.
    (
        "swarm-hostile",
        &[
            "swarm-types",
            "swarm-store",
            "swarm-imaging",
            "swarm-package",
        ],
    ),
    ("swarm-host", &[]),
    ("swarm-hardware-tests", &["swarm-host"]),
    ("swarm-contracts", &["swarm-types"]),
    ("swarm-ledger", &["swarm-faults", "swarm-types"]),
    ("swarm-store", &["swarm-faults", "swarm-types"]),
    ("swarm-client", &["swarm-types"]),
    ("swarm-power", &["swarm-types"]),
    ("swarm-chain", &["swarm-types", "swarm-contracts"]),
    (
        "swarm-inference",
        &[
            "swarm-types",
            "swarm-imaging",
            "swarm-kernels",
            "swarm-package",
        ],
    ),
    (
        "swarm-orb",
        &[
            "swarm-types",
            "swarm-contracts",
            "swarm-chain",
            "swarm-store",
        ],
    ),
    (
        "swarm-queen",
        &[
            "swarm-faults",
            "swarm-types",
            "swarm-contracts",
            "swarm-ledger",
            "swarm-chain",
            "swarm-store",
            "swarm-orb",
            "swarm-host",
            "swarm-package",
            "swarm-power",
        ],
    ),
    (
        "swarm-bee",
        &[
            "swarm-faults",
            "swarm-types",
            "swarm-store",
            "swarm-imaging",
            "swarm-package",
            "swarm-inference",
            "swarm-host",
            "swarm-client",
            "swarm-power",
        ],
    ),
    (
        "swarmd",
        &[
            "swarm-types",
            "swarm-contracts",
            "swarm-ledger",
            "swarm-chain",
            "swarm-store",
            "swarm-host",
            "swarm-queen",
            "swarm-bee",
            "swarm-inference",
        ],
    ),
    (
        "swarm-sim",
        &[
            "swarm-types",
            "swarm-contracts",
            "swarm-ledger",
            "swarm-chain",
            "swarm-queen",
        ],
    ),
    (
        "swarm",
        &[
            "swarm-types",
            "swarm-contracts",
            "swarm-chain",
            "swarm-store",
            "swarm-orb",
            "swarm-imaging",
            "swarm-package",
            "swarm-inference",
            "swarm-host",
            "swarm-client",
            "swarm-power",
            // The doctor asks each part by its own words.
            "swarm-ledger",
            "swarm-queen",
            "swarm-bee",
        ],
    ),
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn dependencies_run_one_way() {
    let metadata = metadata();
    let may_use: BTreeMap<&str, BTreeSet<&str>> = MAY_USE
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(
        packages.len(),
        may_use.len(),
        "a crate is missing in the table, or gone from the workspace"
    );
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = may_use
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // Tests may use what they like; only what ships is layered.
            let ships = dependency["kind"].is_null();
            let used = dependency["name"].as_str().expect("a name");
            if ships && may_use.contains_key(used) {
                assert!(allowed.contains(used), "{name} must not use {used}");
            }
        }
    }
}

#[test]
fn only_the_ledger_holds_sql() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            assert!(
                dependency["name"] != "rusqlite" || name == "swarm-ledger",
                "{name} uses rusqlite: SQL belongs to swarm-ledger"
            );
        }
    }
}
