//! A daemon as a process: started, killed from outside, started again.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take for anything: only one that hangs needs it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(20);

/// A daemon that can be started more than once. Dropping it kills the process.
pub struct Process {
    role: &'static str,
    config: PathBuf,
    faults: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    /// Environment of the next start, beside what is inherited.
    pub env: Vec<(String, String)>,
    /// Where the log of the last start begins.
    log_from: usize,
}

impl Process {
    /// `swarmd ROLE --config CONFIG`, not started yet; its log and its armed points are beside the
    /// configuration.
    pub fn new(role: &'static str, config: PathBuf) -> Self {
        let faults = config.with_extension("faults");
        std::fs::create_dir_all(&faults).expect("a directory");
        Self {
            role,
            log: config.with_extension("log"),
            config,
            faults,
            child: None,
            env: Vec::new(),
            log_from: 0,
        }
    }

    /// Starts it. A full disk is an error that it sees, not a signal that ends it.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.role);
        self.log_from = self.log().len();
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let mut log = log.expect("a log file");
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_swarmd"))
            .args([self.role, "--config"])
            .arg(&self.config)
            .env(swarm_faults::DIR_VARIABLE, &self.faults)
            .env("RUST_LOG", "info")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("swarmd starts");
        // Through a pipe: what the process says arrives also when it may write no file.
        let mut said = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || std::io::copy(&mut said, &mut log));
        self.child = Some(child);
    }

    /// SIGKILL, from outside.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let pid = child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(asked.expect("kill runs").success());
        let since = Instant::now();
        while child.try_wait().expect("a state").is_none() {
            assert!(
                since.elapsed() < PATIENCE,
                "{} does not stop:\n{}",
                self.role,
                self.log()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("a state").is_some()
    }

    /// Makes it stop for ever where it reaches `point` for the `times`th time from now.
    pub fn arm(&self, point: &str, times: u32) {
        std::fs::write(self.faults.join(point), times.to_string()).expect("armed");
    }

    /// Whether it says that it is at `point`.
    pub fn is_at(&self, point: &str) -> bool {
        self.here(point).exists()
    }

    /// Waits until it says that it is at `point`, and kills it there.
    pub async fn kill_at(&mut self, point: &str) {
        let since = Instant::now();
        while !self.is_at(point) {
            assert!(
                !self.has_ended(),
                "{} ended before {point}:\n{}",
                self.role,
                self.tail()
            );
            assert!(
                since.elapsed() < PATIENCE,
                "never at {point}:\n{}",
                self.tail()
            );
            tokio::time::sleep(LOOK).await;
        }
        self.kill();
        std::fs::remove_file(self.here(point)).expect("it said that it was here");
    }

    fn here(&self, point: &str) -> PathBuf {
        self.faults
            .join(format!("{point}{}", swarm_faults::HERE_SUFFIX))
    }

    /// All that it has said in all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What it has said since its last start.
    pub fn log_of_this_life(&self) -> String {
        self.log()[self.log_from..].to_owned()
    }

    /// Waits until it has said `text` since its last start.
    pub async fn says(&self, text: &str) {
        let since = Instant::now();
        while !self.log_of_this_life().contains(text) {
            assert!(
                since.elapsed() < PATIENCE,
                "never said: {text}\n{}",
                self.tail()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The end of its log, for a failure's message.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `swarmd` to its end; answers whether it was content, and what it said.
pub fn swarmd(arguments: &[&str], config: &Path, more: &[&Path]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_swarmd"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("swarmd runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// An address on loopback that was free a moment ago.
pub fn free_address() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}
