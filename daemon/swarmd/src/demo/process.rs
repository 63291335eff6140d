//! The demo's child processes: started with a log file each, ended in order, never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a child may take to end by itself after SIGTERM.
const STOP_SECONDS_MAX: Duration = Duration::from_secs(20);

/// A running child. Dropping it kills it, so that no way out of the demo leaves one behind.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `arguments`; what it prints goes to `<logs>/<name>.log`.
    pub fn start(name: &str, program: &Path, arguments: &[&str], logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("share the log file")?)
            .stderr(file)
            // Ctrl-C reaches the demo alone, which then ends its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self {
            name: name.into(),
            child,
            log,
        })
    }

    /// Fails when the child has ended, with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("ask for the child's state")? {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!(
                    "{} ended early ({status}); the end of {}:\n{}",
                    self.name,
                    self.log.display(),
                    tail.join("\n")
                )
            }
        }
    }

    /// Asks the child to end (SIGTERM: it drains) and waits; kills it when that takes too long.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            // `kill` sends the signal, so that this crate needs no unsafe code.
            Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .status()
                .await
                .context("run kill")?;
            if tokio::time::timeout(STOP_SECONDS_MAX, self.child.wait())
                .await
                .is_err()
            {
                self.child
                    .kill()
                    .await
                    .with_context(|| format!("kill {}", self.name))?;
                bail!(
                    "{} did not end within {} s of SIGTERM",
                    self.name,
                    STOP_SECONDS_MAX.as_secs()
                );
            }
        }
        Ok(())
    }
}

/// The `swarm` command line with the demo's queen and chain, as a person would type it.
pub struct Swarm {
    program: PathBuf,
    queen: String,
    rpc: String,
}

impl Swarm {
    /// `program` is the `swarm` binary.
    pub fn new(program: PathBuf, queen: String, rpc: String) -> Self {
        Self {
            program,
            queen,
            rpc,
        }
    }

    /// The command with the client directory `home`.
    pub fn command(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--home")
            .arg(home)
            .args(["--queen", &self.queen, "--rpc", &self.rpc])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it with `--json` and reads what it prints; its progress goes to the terminal, line by line.
    pub async fn json(&self, home: &Path, arguments: &[&str]) -> Result<serde_json::Value> {
        self.run(home, arguments, true).await
    }

    /// The same without its progress: for questions asked again and again.
    pub async fn quiet_json(&self, home: &Path, arguments: &[&str]) -> Result<serde_json::Value> {
        self.run(home, arguments, false).await
    }

    async fn run(
        &self,
        home: &Path,
        arguments: &[&str],
        show_progress: bool,
    ) -> Result<serde_json::Value> {
        let mut command = self.command(home, arguments);
        command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("run swarm")?;
        let progress = child.stderr.take().context("swarm's progress")?;
        let shown = async {
            let mut lines = BufReader::new(progress).lines();
            while let Some(line) = lines.next_line().await.context("read swarm's progress")? {
                if show_progress {
                    println!("        · {line}");
                }
            }
            Ok::<(), anyhow::Error>(())
        };
        let ended = async { child.wait_with_output().await.context("run swarm") };
        let ((), output) = tokio::try_join!(shown, ended)?;
        if !output.status.success() {
            bail!(
                "swarm {}: {} {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout)
            );
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("swarm {} printed no JSON", arguments.join(" ")))
    }
}
