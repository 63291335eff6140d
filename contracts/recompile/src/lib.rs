//! Compiles Solidity through foundry-compilers, with the compiler of `$SWARM_CACHE` behind
//! `contracts/solc.js` and an input that says nothing about the machine.
//!
//! A package outside the workspace: foundry-compilers turns on `serde_json/arbitrary_precision`, and in
//! the workspace the tests of every crate would run with another `serde_json` than the programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use foundry_compilers::solc::Solc;
use serde_json::{Value, json};

/// The folder `contracts`.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in contracts/")
}

/// The packages from npm.
///
/// # Panics
/// When they are not there.
pub fn node_modules() -> PathBuf {
    let cache = std::env::var_os("SWARM_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/swarmos"),
        PathBuf::from,
    );
    let modules = cache.join("npm/node_modules");
    for needed in ["solc", "@openzeppelin/contracts"] {
        let path = modules.join(needed);
        assert!(
            path.is_dir(),
            "{} is missing: run scripts/setup",
            path.display()
        );
    }
    modules
}

/// The compiler.
///
/// # Panics
/// When it is not there or does not run.
pub fn solc() -> Solc {
    node_modules();
    Solc::new(home().join("solc.js")).expect("the compiler answers")
}

/// The compiler's input for the source `name` and all that it imports, with the settings that
/// foundry.toml has for the escrow. Sources bear the names of the import statements (`src/…`,
/// `@openzeppelin/…`), so that the metadata, whose hash is part of the bytecode, is the same everywhere.
///
/// # Panics
/// When a source is missing.
pub fn standard_json(name: &str) -> Value {
    let mut sources = BTreeMap::new();
    add(name, &mut sources);
    let sources: BTreeMap<_, _> = sources
        .into_iter()
        .map(|(name, content)| (name, json!({ "content": content })))
        .collect();
    json!({
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "evmVersion": "cancun",
            "viaIR": true,
            "optimizer": { "enabled": true, "runs": 200 },
            "outputSelection": {
                "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] }
            },
        },
    })
}

/// The compiler's output.
///
/// # Panics
/// With the compiler's words, when it finds an error.
pub fn compile(input: &Value) -> Value {
    let output: Value = solc().compile_as(input).expect("the compiler runs");
    let errors: Vec<&str> = output["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|error| error["severity"] == "error")
        .filter_map(|error| error["formattedMessage"].as_str())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    output
}

/// Reads the source `name` and all that it imports.
fn add(name: &str, sources: &mut BTreeMap<String, String>) {
    if sources.contains_key(name) {
        return;
    }
    let path = if name.starts_with('@') {
        node_modules().join(name)
    } else {
        home().join(name)
    };
    let content =
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    sources.insert(name.to_owned(), content.clone());
    // Imports stand at the beginning of a line, here and in OpenZeppelin.
    for (start, _) in content.match_indices("\nimport ") {
        let statement = content[start..].split(';').next().unwrap_or_default();
        let target = statement
            .split('"')
            .nth(1)
            .expect("an import names its file in quotes");
        add(&resolve(name, target), sources);
    }
}

/// The name of the source that `from` imports as `target`.
fn resolve(from: &str, target: &str) -> String {
    if !target.starts_with('.') {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
