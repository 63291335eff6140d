//! Every fault that is planted is found, by the check of its name, with a next step.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use swarm_host::keys;

use super::rack::Rack;
use super::{Run, swarm, swarm_on_a_full_disk};

/// A rack, and what the doctor is told about it.
struct Box_ {
    rack: Rack,
    home: PathBuf,
    etc: PathBuf,
}

impl Box_ {
    /// The configurations of the rack, with `from` in queen.toml replaced by `to`.
    fn with(&self, from: &str, to: &str) -> Run {
        let text = std::fs::read_to_string(self.rack.queen_toml()).expect("queen.toml");
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(self.etc.join("queen.toml"), text.replace(from, to)).expect("written");
        self.doctor(&[])
    }

    /// The rack as it is.
    fn as_it_is(&self) -> Run {
        self.with("[queen]", "[queen]")
    }

    fn doctor(&self, more: &[&str]) -> Run {
        let etc = self.etc.display().to_string();
        let arguments = [&["--json", "doctor", "--etc", &etc], more].concat();
        swarm(&self.home, &arguments)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_fault_is_found_and_named() {
    // Blocks come by themselves: the chain's clock goes on.
    let rack = Rack::with(|plan| plan.block_seconds = Some(1)).await;
    let dir = rack.dir.path().to_owned();
    let (home, etc) = (dir.join("home"), dir.join("etc"));
    std::fs::create_dir(&etc).expect("made");
    std::fs::copy(dir.join("bee-01.toml"), etc.join("bee-01.toml")).expect("copied");
    let mut this = Box_ { rack, home, etc };

    let well = this.as_it_is();
    assert_eq!(well.status, 0, "{}\n{}", well.out, well.err);
    for name in [
        "config.queen",
        "config.bee-01",
        "ledger",
        "key.queen",
        "key.settler.1",
        "key.gas",
        "key.bee-01",
        "key.bee-01.identity",
        "socket.queen",
        "core.dumps",
        "engine.bee-01",
        "models.bee-01",
        "queen",
        "clock.queen",
        "queen.health",
        "chain.node",
        "clock.chain",
        "chain.escrow",
        "chain.gas",
        "chain.write",
    ] {
        assert_eq!(well.check(name)["result"], "ok", "{:#}", well.check(name));
    }
    // How full the disk of the machine is that runs this is its own business.
    assert_ne!(well.check("disk.state")["result"], "fail");
    assert_eq!(
        well.check("power")["result"],
        "unknown",
        "no meter is not 0 W"
    );
    let gate = this.doctor(&["--gate"]);
    assert_eq!(gate.status, 0, "{}", gate.err);
    let gates = gate.json()["checks"].as_array().expect("checks").clone();
    assert!(
        gates.len() > 10 && gates.iter().all(|check| check["gates"] == true),
        "{gates:#?}"
    );

    // A chain that is away, and one that is another.
    let rpc = format!("rpc_url = \"{}\"", this.rack.node.url());
    let away = this.with(&rpc, "rpc_url = \"http://127.0.0.1:9/v2/SECRETKEY\"");
    away.assert_fails("chain.node", "");
    assert_eq!(
        away.check("chain.node")["gates"],
        false,
        "a new version is not judged by the link"
    );
    assert!(!away.out.contains("SECRETKEY"), "{}", away.out);
    let other = this.with(
        &format!("chain_id = {}", swarm_chain::devchain::CHAIN_ID),
        "chain_id = 8453",
    );
    other.assert_fails("chain.node", "not 8453");
    let nothing = this.with(
        &this.rack.dev.escrow.to_string(),
        "0x00000000000000000000000000000000000000e5",
    );
    nothing.assert_fails("chain.node", "no contract at escrow");

    // A purse that is empty.
    let poor = dir.join("poor.key");
    let payer = keys::create_key(&poor).expect("a key").address();
    let empty = this.with(
        &dir.join("gas.key").display().to_string(),
        &poor.display().to_string(),
    );
    empty.assert_fails("chain.gas", "0.000000 ETH");
    let step = empty.check("chain.gas")["next_step"].to_string();
    assert!(
        step.contains(&payer.to_string()),
        "it says where to send: {step}"
    );

    // A key that others can read.
    let settler = dir.join("settler.key");
    let mode = |mode| {
        std::fs::set_permissions(&settler, std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    mode(0o644);
    this.as_it_is().assert_fails("key.settler.1", "mode 0644");
    mode(0o600);

    // Disks: full, and one that takes no files.
    let etc = this.etc.display().to_string();
    let full = swarm_on_a_full_disk(&this.home, &["--json", "doctor", "--etc", &etc]);
    full.assert_fails("disk.state", "cannot write");
    let state = this.rack.state_dir().display().to_string();
    this.with(&state, "/proc/self")
        .assert_fails("disk.state", "cannot write to /proc/self");

    // Configurations: a typo, a duration without a unit.
    this.with("seal_every", "seal_evry")
        .assert_fails("config.queen", "seal_evry");
    this.with("shutdown = \"3s\"", "shutdown = \"3\"")
        .assert_fails("config.queen", "a duration with a unit");

    // Her clock is ten minutes off: she is told apart from this box and from the chain.
    this.rack.queen.stop();
    this.rack.set_queens_clock(600);
    this.rack.queen.start();
    this.rack.health().await;
    let off = this.as_it_is();
    off.assert_fails("clock.queen", "s ahead of this box");
    assert_eq!(
        off.check("clock.chain")["result"],
        "ok",
        "the chain agrees with this box"
    );

    // She is gone.
    this.rack.queen.kill();
    let gone = this.as_it_is();
    gone.assert_fails("queen", "does not answer");
    assert_eq!(gone.check("queen")["gates"], true, "she is on this box");
    gone.assert_fails("socket.queen", "nothing listens");
    assert_eq!(
        gone.check("chain.node")["result"],
        "ok",
        "the rest is still checked"
    );
}
