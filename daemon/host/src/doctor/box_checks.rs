//! What the operating system says: time, core dumps, who listens.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Check;

/// How long a listener on this box may take to accept.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Listeners that are told by name.
const LISTENERS_TOLD: usize = 20;
/// systemd-timesyncd makes this file when the clock was set.
const TIMESYNC: &str = "/run/systemd/timesync/synchronized";

/// Whether the clock is kept right by somebody.
pub fn time_sync() -> Check {
    let name = "time.sync";
    if Path::new(TIMESYNC).exists() {
        return Check::ok(name, "systemd-timesyncd has set the clock");
    }
    let next = "enable systemd-timesyncd or chrony: orders and signatures count for minutes only";
    match output(
        "timedatectl",
        &["show", "--property=NTPSynchronized", "--value"],
    ) {
        Some(text) if text.trim() == "yes" => Check::ok(name, "the clock is synchronised"),
        Some(text) if text.trim() == "no" => {
            Check::warn(name, "nobody keeps the clock right", next)
        }
        _ => Check::unknown(
            name,
            "this system does not say whether its clock is kept right",
            next,
        ),
    }
}

/// Whether a daemon's memory can end on the disk. Each daemon forbids it to itself; this looks at those that run.
pub fn core_dumps() -> Check {
    let name = "core.dumps";
    let mut seen = 0;
    let mut open = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        let limits = is_daemon(&path)
            .then(|| std::fs::read_to_string(path.join("limits")))
            .and_then(Result::ok);
        let Some(limits) = limits else {
            continue;
        };
        seen += 1;
        if !cores_are_off(&limits) {
            open.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    match (seen, open.is_empty()) {
        (0, _) => Check::ok(
            name,
            "no daemon runs; each forbids its own core dumps when it starts",
        ),
        (_, true) => Check::ok(name, format!("off in {seen} running daemons")),
        (_, false) => Check::fail(
            name,
            format!("core dumps are on in process {}", open.join(", ")),
            "restart the daemon: one that ran before an update may lack the protection",
        ),
    }
}

/// Whether a process is a queen or a bee: other commands of the daemon hold no keys for long.
fn is_daemon(process: &Path) -> bool {
    let comm = std::fs::read_to_string(process.join("comm"));
    let role = || {
        let line = std::fs::read(process.join("cmdline")).ok()?;
        let role = line.split(|byte| *byte == 0).nth(1)?;
        Some([b"queen".as_slice(), b"bee"].contains(&role))
    };
    comm.is_ok_and(|comm| comm.trim() == "swarmd") && role() == Some(true)
}

fn cores_are_off(limits: &str) -> bool {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    line.is_some_and(|line| line.split_whitespace().take(2).all(|limit| limit == "0"))
}

/// Whether somebody answers at `address` on this box. What it says there is another check.
pub fn listens(name: &str, address: SocketAddr) -> Check {
    let at = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        ip if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    };
    match TcpStream::connect_timeout(&at, CONNECT_TIME) {
        Ok(_) => Check::ok(name, format!("something listens on {address}")),
        Err(error) => Check::fail(
            name,
            format!("nothing listens on {address}: {error}"),
            "start it (`systemctl status swarm-queen`), or correct listen.address",
        ),
    }
}

/// Which ports the network reaches, beside those in `expected`.
pub fn open_ports(expected: &[u16]) -> Check {
    let name = "sockets.open";
    let mut found = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(text) = std::fs::read_to_string(table) {
            found.extend(listeners(&text));
        }
    }
    let others: Vec<_> = found
        .iter()
        .filter(|port| !expected.contains(port))
        .map(u16::to_string)
        .collect();
    match others.len() {
        0 => Check::ok(name, "the network reaches nothing but what is configured"),
        many => Check::warn(
            name,
            format!(
                "the network reaches {many} other ports: {}",
                others[..many.min(LISTENERS_TOLD)].join(", ")
            ),
            "`ss -ltnp` names their programs; stop what the box does not need",
        ),
    }
}

/// Ports that listen beyond loopback, in a table of the kernel.
fn listeners(table: &str) -> Vec<u16> {
    let listening = |line: &str| {
        let mut fields = line.split_whitespace();
        let (address, port) = fields.nth(1)?.split_once(':')?;
        // State 0A is LISTEN. Addresses are words in the machine's order: 127.x ends with 7F, ::1 is 1 in the last.
        (fields.nth(1)? == "0A").then_some(())?;
        let loopback = match address.len() {
            8 => address.ends_with("7F"),
            _ => {
                address == "00000000000000000000000001000000"
                    || address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F")
            }
        };
        (!loopback).then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().skip(1).filter_map(listening).collect()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn listeners_are_told_apart_from_loopback_and_from_connections() {
        let v4 = "  sl  local_address rem_address   st\n\
            0: 00000000:1F40 00000000:0000 0A 0 0\n\
            1: 0100007F:2382 00000000:0000 0A 0 0\n\
            2: 0A00020F:0016 0A000202:D431 01 0 0\n";
        assert_eq!(listeners(v4), [8000]);
        let v6 = "  sl  local_address rem_address   st\n\
            0: 00000000000000000000000000000000:0016 00:0 0A\n\
            1: 00000000000000000000000001000000:0277 00:0 0A\n";
        assert_eq!(listeners(v6), [22]);
    }

    #[test]
    fn a_port_is_open_or_the_reason_is_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(listens("socket.queen", address).result, Outcome::Ok);
        drop(listener);
        let closed = listens("socket.queen", address);
        assert_eq!(closed.result, Outcome::Fail);
        assert!(closed.reason.contains("refused"), "{closed:?}");
    }

    #[test]
    fn core_limits_are_read_as_the_kernel_writes_them() {
        let line = |soft: &str, hard: &str| {
            format!(
                "Limit    Soft Limit  Hard Limit  Units\nMax core file size        {soft}     {hard}    bytes\n"
            )
        };
        assert!(cores_are_off(&line("0", "0")));
        assert!(!cores_are_off(&line("0", "unlimited")));
        assert!(!cores_are_off(""));
    }
}
