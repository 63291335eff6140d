//! The daemons under a service manager: what they tell it, what they do when it asks for a reload or a stop, and what a
//! bee does that keeps crashing. The manager is a socket that listens; the daemons are the real programs.

mod daemons;

use std::collections::VecDeque;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use daemons::Files;
use serde_json::Value;
use swarm_host::warden::{Warden, WardenError};

/// Only what hangs needs it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon and the manager's end of its socket.
struct Unit {
    child: Child,
    socket: UnixDatagram,
    heard: VecDeque<String>,
    /// Everything that it logged, once it has ended.
    log: Option<std::thread::JoinHandle<String>>,
}

impl Unit {
    fn start(files: &Files, mut command: Command) -> Self {
        let path = files.path("notify.sock");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("binds");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        command.env("NOTIFY_SOCKET", &path);
        command.env("WATCHDOG_USEC", "60000000");
        command.env_remove("RUST_LOG");
        let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("text");
            text
        });
        Self {
            child,
            socket,
            heard: VecDeque::new(),
            log: Some(log),
        }
    }

    /// The next assignment that begins so, skipping others.
    fn hear(&mut self, beginning: &str) -> String {
        let mut skipped = Vec::new();
        loop {
            while let Some(line) = self.heard.pop_front() {
                if line.starts_with(beginning) {
                    return line;
                }
                skipped.push(line);
            }
            let mut datagram = [0; 4096];
            let Ok(length) = self.socket.recv(&mut datagram) else {
                let _ = self.child.kill();
                let log = self.log.take().expect("once").join().expect("no panic");
                panic!("no {beginning}, only {skipped:?}; it logged:\n{log}");
            };
            let text = std::str::from_utf8(&datagram[..length]).expect("text");
            self.heard.extend(text.lines().map(str::to_owned));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([name, &pid]).status();
        assert!(done.expect("kill runs").success());
    }

    /// Asks for a reload and waits for the word.
    fn reload(&mut self) {
        self.signal("-HUP");
        self.hear("RELOADING=1");
        self.hear("MONOTONIC_USEC=");
        self.hear("READY=1");
    }

    /// Asks for the end; gives what it logged.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        let status = self.child.wait().expect("it ends");
        let log = self.log.take().expect("once").join().expect("no panic");
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Unit {
    /// A test that fails leaves no daemon behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("an address")
}

fn get(address: SocketAddr, path: &str) -> Value {
    use std::io::Write;
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{path}: {e}: {answer}"))
}

#[test]
fn a_queen_says_what_she_does_and_takes_another_configuration_or_keeps_hers() {
    let files = Files::new();
    let address = free_address();
    let config = files.queen().replace("127.0.0.1:0", &address.to_string());
    let mut queen = Unit::start(&files, files.command("queen", &config));
    queen.hear("READY=1");
    let life = || {
        let info = get(address, "/api/v1/info");
        let seconds = info["max_order_life_seconds"].as_str();
        seconds.expect("a decimal string").to_owned()
    };
    let before = life();
    assert!(files.path("state/ledger.sqlite").exists());
    let status = queen.hear("STATUS=bees");
    assert!(
        status.starts_with("STATUS=bees: 0; open jobs: 0; epoch: 1; "),
        "{status}"
    );
    for _ in 0..2 {
        queen.hear("WATCHDOG=1");
    }

    let write = |text: &str| std::fs::write(files.path("queen.toml"), text).expect("written");
    let longer = config.replace("[queen]", "[queen]\nmax_order_life = \"48h\"");
    write(&longer);
    queen.reload();
    assert_ne!(before, "172800");
    assert_eq!(life(), "172800");
    for (from, to) in [
        ("48h", "48"),
        ("max_order_life", "max_order_live"),
        ("127.0.0.1", "127.0.0.2"),
        ("queen.key", "gas.key"),
        ("[keys]", "log = \"loud=loud\"\n[keys]"),
    ] {
        let wrong = longer.replace(from, to);
        assert_ne!(wrong, longer, "{from}");
        write(&wrong);
        queen.reload();
        assert_eq!(life(), "172800", "{to}");
    }

    queen.signal("-TERM");
    queen.hear("STOPPING=1");
    let more = queen.hear("EXTEND_TIMEOUT_USEC=");
    assert_eq!(more, "EXTEND_TIMEOUT_USEC=41000000");
    let log = queen.stop();
    let refused = log.matches("is refused; the configuration stays as it was");
    assert_eq!(refused.count(), 5, "{log}");
    for named in [
        "changed=\"max_order_life\"",
        "'48' is not a duration with a unit",
        "unknown field `max_order_live`",
        "a restart is needed for listen.address",
        "a restart is needed for keys",
        "log: 'loud=loud' is not a filter",
    ] {
        assert!(log.contains(named), "{named}: {log}");
    }
}

#[test]
fn a_bee_is_ready_without_its_queen_and_lives_as_long_as_it_turns() {
    let files = Files::new();
    let mut command = files.command("bee", &files.bee());
    command.arg("--state").arg(files.0.path());
    let mut bee = Unit::start(&files, command);
    bee.hear("STATUS=proves its models");
    bee.hear("READY=1");
    let status = bee.hear("STATUS=the queen");
    assert_eq!(status, "STATUS=the queen at http://127.0.0.1:9/ is away");
    for _ in 0..2 {
        bee.hear("WATCHDOG=1");
    }
    let write = |text: &str| std::fs::write(files.path("bee.toml"), text).expect("written");
    write(&files.bee().replace("name =", "poll = \"10s\"\nname ="));
    bee.reload();
    write(&files.bee().replace("bee-01", "bee-02"));
    bee.reload();
    let log = bee.stop();
    assert!(log.contains("changed=\"poll\""), "{log}");
    assert!(log.contains("a restart is needed for name"), "{log}");
    // An end that was asked for counts for nothing.
    assert_eq!(starts(files.0.path())["running"], Value::Null);
}

fn starts(state: &Path) -> Value {
    let text = std::fs::read(state.join("starts.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[test]
fn a_bee_that_keeps_crashing_stops_trying_and_says_why() {
    let files = Files::new();
    let state = files.path("bee-state");
    std::fs::create_dir(&state).expect("made");
    let address = free_address();
    let queen = files.queen().replace("127.0.0.1:0", &address.to_string());
    let mut queen = Unit::start(&files, files.command("queen", &queen));
    queen.hear("READY=1");
    let config = files.bee().replace("127.0.0.1:9", &address.to_string());
    let bee = |files: &Files| {
        let mut command = files.command("bee", &config);
        command.arg("--state").arg(&state);
        command
    };
    for crash in 0..5 {
        let mut child = bee(&files).spawn().expect("it starts");
        let begun = Instant::now();
        let counted = |state: &Value| state["unclean"].as_array().map(Vec::len) == Some(crash);
        while !counted(&starts(&state)) {
            assert!(begun.elapsed() < PATIENCE, "start {crash} is not noted");
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    let mut crashed = Unit::start(&files, bee(&files));
    crashed.hear("READY=1");
    let status = crashed.hear("STATUS=not ready: quarantined");
    let why = "quarantined because it ended 5 times within 10 minutes without being asked to";
    assert!(status.contains(why), "{status}");
    crashed.hear("WATCHDOG=1");
    let begun = Instant::now();
    let told = loop {
        let bees = get(address, "/api/v1/workers");
        let told = bees[0]["not_ready_reason"].as_str().map(str::to_owned);
        if let Some(told) = told {
            assert_eq!(bees[0]["ready"], false);
            break told;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the queen hears nothing: {bees}"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(told.contains(why), "{told}");
    crashed.stop();
    queen.stop();

    let clear = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarmd"));
        command.args(["bee", "--clear-quarantine", "--state"]);
        let done = command.arg(&state).output().expect("it runs");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).expect("text")
    };
    assert!(clear().contains(why));
    assert!(clear().contains("no quarantine"));
}

/// systemd's own program hands over the socket. What the warden would do is refused, so that nothing happens to the
/// machine that tests.
#[tokio::test(flavor = "multi_thread")]
async fn a_warden_takes_systemds_socket_and_refuses_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("warden.sock");
    let me = Command::new("id").arg("-un").output().expect("id runs");
    let me = String::from_utf8(me.stdout).expect("text");
    let mut activate = Command::new("systemd-socket-activate");
    activate.arg("--listen").arg(&socket);
    activate.arg(env!("CARGO_BIN_EXE_swarmd"));
    activate.args(["warden", "--allow", me.trim()]);
    let mut warden = activate.stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while !socket.exists() {
        assert!(begun.elapsed() < PATIENCE, "nobody listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let client = Warden::at(&socket);
    let refused = client.set_wake_timer(Duration::from_secs(59)).await;
    let refused = refused.expect_err("too soon");
    warden.kill().expect("killed");
    warden.wait().expect("reaped");
    let WardenError::Refused(refusal) = refused else {
        panic!("{refused}")
    };
    assert_eq!(refusal.field, "seconds");

    let unknown = Command::new(env!("CARGO_BIN_EXE_swarmd"))
        .args(["warden", "--allow", "no-such-user"])
        .output()
        .expect("it runs");
    assert_eq!(unknown.status.code(), Some(78));
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        said.contains("--allow") && said.contains("no-such-user"),
        "{said}"
    );
}
