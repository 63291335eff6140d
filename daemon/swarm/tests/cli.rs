//! The program as people and scripts run it: help, usage, keys, receipts. Nothing here needs a network.

mod common;

use common::{Run, proofs, swarm};
use serde_json::Value;

#[test]
fn help_teaches_with_examples_and_every_command_has_one() {
    let home = tempfile::tempdir().expect("a directory");
    let help = swarm(home.path(), &["--help"]);
    assert_eq!(help.status, 0);
    for words in ["Examples:", "swarm submit brain/", "--json", "Exit status"] {
        assert!(help.out.contains(words), "{words}: {}", help.out);
    }
    for command in [
        "key new",
        "deposit",
        "balance",
        "cap",
        "signer add",
        "quote",
        "submit",
        "job list",
        "job show",
        "job why",
        "job result",
        "job cancel",
        "receipt show",
        "receipt verify",
        "withdraw request",
        "withdraw execute",
        "claim",
        "epoch list",
        "epoch show",
        "audit",
        "seal",
        "bee list",
        "bee approve",
        "bee drain",
        "bee join-code",
        "contract deploy",
        "contract show",
        "model compile",
        "dev series",
        "completions",
    ] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.push("--help");
        let run = swarm(home.path(), &words);
        assert_eq!(run.status, 0, "{command}: {}", run.err);
        assert!(run.out.contains("Usage:"), "{command}");
    }
}

#[test]
fn completions_are_printed_for_shells() {
    let home = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        let run = swarm(home.path(), &["completions", shell]);
        assert_eq!(run.status, 0);
        assert!(run.out.contains("receipt"), "{shell}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_do() {
    let home = tempfile::tempdir().expect("a directory");
    for (arguments, says) in [
        (&["nonsense"][..], "nonsense"),
        (&["deposit", "0.0000001"], "at most six decimals"),
        (&["deposit", "-5"], "unexpected argument"),
        (&["job", "show", "job-1-1"], "job-002-0848"),
        (&["submit"], "PATHS"),
        (&["quote", "--type", "brain_mri"], "--queen"),
        (&["epoch", "list"], "config.toml"),
        (&["claim", "--payee", "0x01"], "ADDRESS"),
        (
            &["epoch", "list", "--queen", "http://192.0.2.1:8000"],
            "plain HTTP",
        ),
        (
            &[
                "epoch",
                "list",
                "--queen",
                "https://127.0.0.1:1",
                "--fingerprint",
                "12",
            ],
            "64 hex digits",
        ),
        (&["audit", "1"], "--rpc"),
    ] {
        let run = swarm(home.path(), arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn a_queen_that_is_not_there_is_4_and_settings_come_from_the_file() {
    let home = tempfile::tempdir().expect("a directory");
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port")
        .port();
    let write = |text: &str| std::fs::write(home.path().join("config.toml"), text).expect("writes");
    write(&format!("queen = \"http://127.0.0.1:{port}\"\n"));
    let run = swarm(home.path(), &["epoch", "list", "--json"]);
    assert_eq!(run.status, 4, "{}", run.err);
    let said: Value = serde_json::from_str(&run.out).expect("JSON on failure too");
    assert_eq!(said["exit"], 4);
    assert!(run.err.contains("hint:"), "{}", run.err);

    write("quen = \"x\"\n");
    let run = swarm(home.path(), &["epoch", "list"]);
    assert_eq!(run.status, 5);
    assert!(run.err.contains("quen"), "{}", run.err);
}

#[test]
fn keys_are_made_once_private_and_shown_without_their_secret() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a directory");
    let home = folder.path().join("deep/home");
    let none = swarm(&home, &["key", "show"]);
    assert_eq!(none.status, 5);
    assert!(none.err.contains("swarm key new"), "{}", none.err);

    let made = swarm(&home, &["key", "new", "--json"]).json();
    let shown = swarm(&home, &["key", "show", "--json"]).json();
    assert_eq!(made, shown);
    assert!(
        shown["recipient"]
            .as_str()
            .expect("text")
            .starts_with("age1")
    );
    for (name, mode) in [("key", 0o600), ("identity", 0o600), ("", 0o700)] {
        let found = home
            .join(name)
            .metadata()
            .expect("there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    let secret = std::fs::read_to_string(home.join("key")).expect("reads");
    let human = swarm(&home, &["key", "show"]);
    assert!(!human.out.contains(secret.trim()) && !human.out.contains("SECRET"));

    let again = swarm(&home, &["key", "new"]);
    assert_eq!(again.status, 2);
    assert_eq!(
        std::fs::read_to_string(home.join("key")).expect("reads"),
        secret
    );

    let other = folder.path().join("other");
    let imported = swarm(
        &other,
        &[
            "key",
            "import",
            &home.join("key").display().to_string(),
            "--json",
        ],
    );
    assert_eq!(imported.json()["address"], shown["address"]);

    std::fs::set_permissions(home.join("key"), std::fs::Permissions::from_mode(0o644))
        .expect("chmod");
    let open = swarm(&home, &["key", "show"]);
    assert_eq!(open.status, 5);
    assert!(open.err.contains("chmod 600"), "{}", open.err);
}

#[test]
fn a_committed_receipt_holds_and_no_field_of_it_can_be_changed() {
    let folder = tempfile::tempdir().expect("a directory");
    let verify = |proof: &Value| -> Run {
        let path = folder.path().join("receipt.json");
        std::fs::write(&path, proof.to_string()).expect("writes");
        swarm(
            folder.path(),
            &[
                "receipt",
                "verify",
                "--offline",
                "--json",
                &path.display().to_string(),
            ],
        )
    };
    let proofs = proofs();
    assert!(proofs.len() > 1, "the vectors hold several receipts");
    for proof in &proofs {
        let good = verify(proof);
        assert_eq!(good.status, 0, "{}", good.err);
        assert_eq!(good.json()["ok"], true);
    }
    for (field, value) in [
        ("/receipt/fee", Value::from("1")),
        (
            "/receipt/client",
            Value::from(format!("0x{}", "11".repeat(20))),
        ),
        (
            "/receipt/worker",
            Value::from(format!("0x{}", "11".repeat(20))),
        ),
        (
            "/receipt/model",
            Value::from(format!("0x{}", "11".repeat(32))),
        ),
        ("/receipt/clientTotal", Value::from("999999999")),
        ("/order/order/maxFee", Value::from("999999")),
        (
            "/execution/result",
            Value::from(format!("0x{}", "11".repeat(32))),
        ),
        ("/execution/energyMillijoules", Value::from("5")),
        ("/root", Value::from(format!("0x{}", "11".repeat(32)))),
        ("/index", Value::from("99")),
        ("/chain_id", Value::from("1")),
        ("/escrow", Value::from(format!("0x{}", "11".repeat(20)))),
    ] {
        let mut bent = proofs[0].clone();
        *bent
            .pointer_mut(field)
            .unwrap_or_else(|| panic!("{field} is there")) = value;
        let run = verify(&bent);
        assert_eq!(run.status, 1, "{field}: {}{}", run.out, run.err);
        let report = run.json();
        assert_eq!(report["ok"], false, "{field}");
        let checks = report["checks"].as_array().expect("checks").iter();
        assert!(
            checks.filter(|check| check["ok"] == false).count() > 0,
            "{field}"
        );
    }
}

#[test]
fn what_is_no_receipt_or_of_another_escrow_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("receipt.json").display().to_string();
    let missing = swarm(folder.path(), &["receipt", "verify", "--offline", &path]);
    assert_eq!(missing.status, 5);
    assert!(missing.err.contains("job-001-0001"), "{}", missing.err);
    std::fs::write(&path, "{}").expect("writes");
    let empty = swarm(folder.path(), &["receipt", "verify", "--offline", &path]);
    assert_eq!(empty.status, 5);
    assert!(empty.err.contains("receipt show --json"), "{}", empty.err);
    std::fs::write(&path, proofs()[0].to_string()).expect("writes");
    let pinned = format!("0x{}", "22".repeat(20));
    let other = swarm(
        folder.path(),
        &["receipt", "verify", "--offline", "--escrow", &pinned, &path],
    );
    assert_eq!(other.status, 1);
    assert!(other.err.contains("escrow"), "{}", other.err);
}

#[test]
fn a_demo_series_is_written_once() {
    let folder = tempfile::tempdir().expect("a directory");
    let scan = folder.path().join("scan.nii").display().to_string();
    std::fs::write(&scan, common::nifti()).expect("writes");
    let out = folder.path().join("series").display().to_string();
    let made = swarm(folder.path(), &["dev", "series", &scan, &out, "--json"]).json();
    assert_eq!(made["files"], 5);
    assert!(made["patient"].as_array().expect("secrets").len() > 2);
    assert_eq!(std::fs::read_dir(&out).expect("reads").count(), 5);
    let again = swarm(folder.path(), &["dev", "series", &scan, &out]);
    assert_eq!(again.status, 2, "{}", again.err);
}
