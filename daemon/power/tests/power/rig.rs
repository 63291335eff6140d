//! Peers of the tests: started on a free port, ended with the value.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use swarm_power::config::SourceConfig;
use swarm_power::meter::{Metric, Sample};

/// How long a peer may take to start on a busy machine.
const START_TIME: Duration = Duration::from_secs(60);

/// What `scripts/setup --tests` brought.
pub fn cache() -> PathBuf {
    let home = || Path::new(&std::env::var("HOME").expect("HOME")).join(".cache/swarmos");
    let cache = std::env::var_os("SWARM_CACHE").map_or_else(home, PathBuf::from);
    let power = cache.join("power");
    assert!(
        power.is_dir(),
        "{} is missing: run scripts/setup --tests",
        power.display()
    );
    power
}

/// A Debian program that was unpacked there.
pub fn program(path: &str) -> Command {
    let root = cache().join("root");
    let mut libraries = std::ffi::OsString::new();
    for dir in ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"] {
        libraries.push(root.join(dir));
        libraries.push(":");
    }
    let found = ["", "usr/"].map(|top| root.join(top).join(path));
    let found = found.iter().find(|path| path.is_file());
    let mut command =
        Command::new(found.unwrap_or_else(|| panic!("{path} is not below {}", root.display())));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound").port()
}

/// A process that ends with the value.
pub struct Peer(Child);

impl Peer {
    pub fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .spawn()
                .expect("the peer starts"),
        )
    }

    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until somebody listens.
pub fn wait_for_tcp(port: u16) {
    let until = Instant::now() + START_TIME;
    while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
        assert!(Instant::now() < until, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A pymodbus server.
pub struct Modbus {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
    pub port: u16,
}

impl Modbus {
    pub fn start(kind: &str) -> Self {
        Self::start_on(kind, free_port())
    }

    pub fn start_on(kind: &str, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/modbus_server.py");
        let child = Command::new("python3")
            .arg(script)
            .args([kind, &port.to_string()])
            .env("PYTHONPATH", cache().join("py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("python3 starts");
        let tell = child.stdin.take().expect("piped");
        let hear = BufReader::new(child.stdout.take().expect("piped"));
        let mut peer = Self {
            child,
            tell,
            hear,
            port,
        };
        peer.expect("ready");
        peer
    }

    /// Sets values by name.
    pub fn set(&mut self, values: &[(&str, i64)]) {
        let values: serde_json::Map<String, serde_json::Value> = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        self.say(&serde_json::Value::Object(values));
    }

    /// From now on every request gets an exception, or none.
    pub fn fail(&mut self, failing: bool) {
        self.say(&serde_json::json!({ "failing": failing }));
    }

    fn say(&mut self, message: &serde_json::Value) {
        writeln!(self.tell, "{message}").expect("the server reads");
        self.expect("ok");
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("the server answers");
        assert_eq!(line.trim_end(), word);
    }
}

impl Drop for Modbus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A source from its configuration.
pub fn source(text: &str) -> SourceConfig {
    let config: SourceConfig = toml::from_str(text).expect("parses");
    let site = swarm_power::PowerConfig {
        sources: vec![config.clone()],
        ..Default::default()
    };
    assert_eq!(site.problems(), Vec::<String>::new());
    config
}

/// A value of what was read.
pub fn value(samples: &[Sample], metric: Metric) -> Option<f64> {
    samples
        .iter()
        .find(|sample| sample.metric == metric)
        .map(|sample| sample.value)
}
