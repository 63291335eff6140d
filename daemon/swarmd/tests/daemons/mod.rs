//! The two daemons as a person sets them up: files in a directory, and the programs themselves.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Everything that two daemons need, in a directory of its own.
pub struct Files(pub tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        for (n, key) in ["queen.key", "settler.key", "gas.key", "bee.key"]
            .iter()
            .enumerate()
        {
            files.secret(key, &format!("{:064x}", n + 1));
        }
        let identity = swarm_store::age::Identity::generate();
        files.secret("bee.age", &identity.secret_text());
        std::fs::create_dir(files.path("models")).expect("made");
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn secret(&self, name: &str, text: &str) {
        swarm_host::keys::create_secret(&self.path(name), text).expect("written");
    }

    pub fn queen(&self) -> String {
        format!(
            r#"
            [keys]
            queen = {{ file = {:?} }}
            settlers = [{{ file = {:?} }}]
            gas = {{ file = {:?} }}
            [queen]
            state_dir = {:?}
            models_dir = {:?}
            operators = ["0x00000000000000000000000000000000000000aa"]
            [queen.listen]
            address = "127.0.0.1:0"
            [queen.chain]
            chain_id = 84532
            escrow = "0x0000000000000000000000000000000000000001"
            token = "0x0000000000000000000000000000000000000002"
            default_cap = "100000000"
            [queen.fees]
            protocol_payee = "0x0000000000000000000000000000000000000003"
            operator_payee = "0x0000000000000000000000000000000000000004"
            "#,
            self.path("queen.key"),
            self.path("settler.key"),
            self.path("gas.key"),
            self.path("state"),
            self.path("models"),
        )
    }

    pub fn bee(&self) -> String {
        format!(
            r#"
            queen = "http://127.0.0.1:9"
            name = "bee-01"
            key = {{ file = {:?} }}
            identity = {{ file = {:?} }}
            models = {:?}
            "#,
            self.path("bee.key"),
            self.path("bee.age"),
            cached("models"),
        )
    }

    pub fn command(&self, role: &str, config: &str) -> Command {
        let file = self.path(&format!("{role}.toml"));
        std::fs::write(&file, config).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarmd"));
        command
            .arg(role)
            .arg("--config")
            .arg(file)
            .current_dir(self.0.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, role: &str, config: &str) -> Output {
        self.command(role, config).output().expect("it starts")
    }
}

/// What scripts/setup put into the cache.
pub fn cached(name: &str) -> PathBuf {
    let cache = std::env::var_os("SWARM_CACHE").map(PathBuf::from);
    let home =
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/swarmos");
    let path = cache.unwrap_or_else(home).join(name);
    assert!(
        path.exists(),
        "{} is missing: run scripts/setup",
        path.display()
    );
    path
}
