//! Random trees of ours, judged by a Certificate Transparency library from npm (`test-ct/rfc9162.js`).

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::random::Random;
use serde_json::{Value, json};
use swarm_types::hex;
use swarm_types::sha256_parts;
use swarm_types::tree::Tree;

/// Trees of every size below this, and some larger ones.
const SIZES: u64 = 34;
const LARGER: [u64; 5] = [63, 64, 65, 100, 129];

fn tree(random: &mut Random, size: u64) -> Value {
    // As long as a receipt, and as short as can be told apart.
    let data: Vec<Vec<u8>> = (0..size)
        .map(|n| random.word().repeat(if n % 2 == 0 { 15 } else { 1 }))
        .collect();
    let leaves: Vec<_> = data
        .iter()
        .map(|data| sha256_parts(&[&[0], data]))
        .collect();
    let tree = Tree::new(&leaves);
    let paths: Vec<_> = (0..data.len())
        .map(|index| tree.path(index).unwrap())
        .collect();
    json!({
        "size": size,
        "leafInputs": data.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
        "root": tree.root(),
        "paths": paths,
    })
}

fn judge(trees: &[Value]) -> Output {
    common::cache();
    let mut node = Command::new(common::home().join("test-ct/rfc9162.js"))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the script starts: it needs Node");
    let text = serde_json::to_string(trees).unwrap();
    node.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    node.wait_with_output().unwrap()
}

#[test]
fn a_transparency_library_agrees_on_random_trees() {
    let random = &mut Random::new(6962);
    let trees: Vec<Value> = (0..SIZES)
        .chain(LARGER)
        .map(|size| tree(random, size))
        .collect();
    let output = judge(&trees);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{err}");
    let expected = format!(
        "{} trees, {} paths",
        trees.len(),
        (0..SIZES).chain(LARGER).sum::<u64>()
    );
    assert!(out.starts_with(&expected), "{out}");
}

#[test]
fn it_sees_what_is_wrong() {
    let random = &mut Random::new(7);
    let good = tree(random, 7);
    let refused = |change: &dyn Fn(&mut Value), why: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let output = judge(&[bad]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && err.contains(why),
            "{why}: {err}"
        );
    };
    let other = json!(random.word());
    refused(&|tree| tree["root"] = other.clone(), "root");
    refused(&|tree| tree["paths"][3][1] = other.clone(), "leaf 3, path");
    refused(&|tree| tree["leafInputs"][2] = other.clone(), "root");
    refused(
        &|tree| tree["paths"][6].as_array_mut().unwrap().push(other.clone()),
        "leaf 6, path",
    );
    assert!(
        !judge(&[tree(random, 0)]).status.success(),
        "nothing to check is no success"
    );
}
