//! The log as the journal gets it. The journal's socket has a fixed place, so a process in a mount namespace of its own
//! plays the journal there and logs to it; nothing of the machine is touched.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use swarm_host::logging;

const GPU: &str = "GPU-8f2d51cc-1b6e-4f0a-9d3c-0123456789ab";

#[test]
fn events_reach_the_journal_with_their_fields() {
    let dir = tempfile::tempdir().expect("a directory");
    // What systemd does for a unit: standard error is the journal's, and its device and inode are told.
    let said = dir.path().join("stderr");
    let stderr = std::fs::File::create(&said).expect("made");
    let stream = stderr.metadata().expect("metadata");
    let root = std::fs::metadata("/proc/self").expect("/proc").uid() == 0;
    let namespace: &[&str] = match root {
        true => &["--mount"],
        false => &["--user", "--map-root-user", "--mount"],
    };
    let play = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec \"$0\" \"$@\"";
    let done = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", play])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "inside", "--nocapture"])
        .env(
            "JOURNAL_STREAM",
            format!("{}:{}", stream.dev(), stream.ino()),
        )
        .env_remove("RUST_LOG")
        .stderr(stderr)
        .output()
        .expect("unshare (util-linux) runs");
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let said = std::fs::read_to_string(&said).expect("reads");
    assert!(done.status.success(), "{out}{said}");
    assert!(out.contains("1 passed"), "{out}{said}");
}

#[test]
#[ignore = "run by the test above, in its namespace"]
fn inside() {
    let journal = UnixDatagram::bind("/run/systemd/journal/socket").expect("binds");
    journal
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    let log = logging::init(None, &[("GPU_UUID", GPU)]).expect("sets up");
    let mut datagram = vec![0; 64 << 10];
    let length = journal.recv(&mut datagram).expect("the first look");
    assert_eq!(length, 0);
    let mut next = || {
        let length = journal.recv(&mut datagram).expect("an entry");
        fields(&datagram[..length])
    };

    tracing::info!(job = "job-002-0848", epoch = 2, "completed\nwell");
    let entry = next();
    for (name, value) in [
        ("MESSAGE", "completed\nwell job=job-002-0848 epoch=2"),
        ("PRIORITY", "5"),
        ("JOB_ID", "job-002-0848"),
        ("EPOCH", "2"),
        ("GPU_UUID", GPU),
        ("TARGET", "journal"),
    ] {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        entry["SYSLOG_IDENTIFIER"].starts_with("journal"),
        "{entry:?}"
    );
    assert!(entry["CODE_FILE"].ends_with("journal.rs"), "{entry:?}");

    let span = tracing::info_span!("work", job = "job-002-0849", stage = tracing::field::Empty);
    span.record("stage", "infer");
    span.in_scope(|| tracing::warn!(error = "out of memory", "failed"));
    let entry = next();
    for (name, value) in [
        (
            "MESSAGE",
            "failed error=out of memory job=job-002-0849 stage=infer",
        ),
        ("PRIORITY", "4"),
        ("ERROR", "out of memory"),
        ("JOB_ID", "job-002-0849"),
        ("STAGE", "infer"),
    ] {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name}");
    }

    // What is logged changes while it runs, and a filter that is none changes nothing.
    tracing::debug!("not seen");
    log.set(Some("debug")).expect("a filter");
    log.set(Some("journal=loud")).expect_err("no filter");
    tracing::debug!("seen");
    assert_eq!(next()["MESSAGE"], "seen");
}

/// The journal's native protocol: `NAME=value`, or `NAME`, the value's length in eight bytes, the value.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !datagram.is_empty() {
        let end = datagram
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line");
        let line = std::str::from_utf8(&datagram[..end]).expect("text");
        datagram = &datagram[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let (length, rest) = datagram.split_at(8);
                let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
                let (value, rest) = rest.split_at(usize::try_from(length).expect("fits"));
                assert_eq!(rest[0], b'\n');
                datagram = &rest[1..];
                (line, String::from_utf8(value.to_vec()).expect("text"))
            }
        };
        fields.insert(name.to_owned(), value);
    }
    fields
}
