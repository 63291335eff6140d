//! XIDs in the kernel's log: the ring buffer where it may be read, the journal otherwise. NVML's event set misses
//! XIDs (of a device that is gone, say), so both are read.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::SyncSender;

use super::Xid;
use super::xid::parse;

/// The kernel's ring buffer; one read gives one record.
const KMSG: &str = "/dev/kmsg";
/// Longest record that is looked at: the kernel's own limit is 8 KiB with its fields.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// A journalctl that is followed; it ends with this value.
#[derive(Debug)]
pub struct Follower {
    child: Option<Child>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Follows the kernel's log from now on, in a thread of its own, and sends every XID. `None` when this process may
/// read neither the ring buffer nor the journal.
pub fn follow(to: SyncSender<Xid>) -> Option<Follower> {
    if let Some(ring) = ring() {
        return spawn(ring, to).then_some(Follower { child: None });
    }
    let mut child = Command::new("journalctl")
        .args([
            "--dmesg",
            "--follow",
            "--lines=0",
            "--output=cat",
            "--quiet",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let follower = Follower { child: Some(child) };
    spawn(BufReader::new(output), to).then_some(follower)
}

fn ring() -> Option<BufReader<File>> {
    let mut file = File::open(KMSG).ok()?;
    file.seek(SeekFrom::End(0)).ok()?;
    Some(BufReader::new(file))
}

fn spawn(log: impl BufRead + Send + 'static, to: SyncSender<Xid>) -> bool {
    let thread = std::thread::Builder::new().name("kernel-log".into());
    thread.spawn(move || read(log, &to)).is_ok()
}

/// Sends the XIDs of `log` until it ends or nobody listens. When nobody keeps up with a storm, the reader waits: the
/// kernel drops what it has no room for, and says so.
fn read(mut log: impl BufRead, to: &SyncSender<Xid>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match std::io::Read::take(&mut log, LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            // Records were overwritten before they were read: the next read goes on after them.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => continue,
            Err(error) => {
                tracing::warn!(%error, "the kernel's log cannot be read any more");
                return;
            }
        }
        if let Some(xid) = parse(&String::from_utf8_lossy(&line))
            && to.send(xid).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xids_are_found_between_other_lines_and_bytes_that_are_no_text() {
        let log = b"3,1,2,-;NVRM: Xid (PCI:0000:01:00): 48, pid=1, DBE\n SUBSYSTEM=pci\n\
            6,2,3,-;usb 1-1: new device\n\xff\xfe\n3,3,4,-;NVRM: Xid (PCI:0000:02:00): 79, lost";
        let long = [
            log.as_slice(),
            b"\n",
            &[b'x'; 40_000],
            b"\nNVRM: Xid (PCI:0000:03:00): 13, x",
        ]
        .concat();
        let (send, receive) = std::sync::mpsc::sync_channel(8);
        read(long.as_slice(), &send);
        drop(send);
        let found: Vec<_> = receive.iter().map(|xid| (xid.number, xid.device)).collect();
        let expected = [(48, "0000:01:00"), (79, "0000:02:00"), (13, "0000:03:00")];
        assert_eq!(
            found,
            expected.map(|(number, bus)| (number, bus.to_owned()))
        );
    }
}
