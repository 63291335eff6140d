//! Whether a directory takes what is written to it, and how much more.

use std::io::Write;
use std::path::Path;

use super::Check;

/// Below this the ledger and the uploads are about to stop: a day of jobs of a small rack.
const FREE_FAIL_BYTES: u64 = 1 << 30;
/// Below this part of the disk somebody should look.
const FREE_WARN_PERCENT: u64 = 10;
/// What is written to see whether it can be.
const PROBE: &[u8] = b"swarm doctor: this file can be deleted\n";

/// Writes a file to `dir`, makes it durable and removes it; then looks at the space.
pub fn check(name: &str, dir: &Path) -> Check {
    let shown = dir.display();
    if let Err(error) = probe(dir) {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => format!("make {shown}, or correct the configuration"),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::FileTooLarge => {
                "free space, or raise the limit on the size of files".to_owned()
            }
            std::io::ErrorKind::ReadOnlyFilesystem => format!(
                "the disk is mounted read-only, which a disk that fails becomes: look at `dmesg`, then `mount -o remount,rw` the disk of {shown}"
            ),
            _ => format!("let the daemon's user write to {shown}"),
        };
        return Check::fail(name, format!("cannot write to {shown}: {error}"), next).gating();
    }
    match rustix::fs::statvfs(dir) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            judge(name, dir, free, stat.f_blocks.saturating_mul(stat.f_frsize))
        }
        Err(error) => Check::unknown(
            name,
            format!("the system does not say how much space {shown} has: {error}"),
            "look with `df`",
        ),
    }
    .gating()
}

fn judge(name: &str, dir: &Path, free: u64, all: u64) -> Check {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let shown = dir.display();
    let reason = format!("{shown} takes writes, {} of {} free", gib(free), gib(all));
    let next = format!("free space on the disk of {shown}, or shorten retention.result_days");
    if free < FREE_FAIL_BYTES {
        Check::fail(name, reason, next)
    } else if free / 100 * 100 < all / 100 * FREE_WARN_PERCENT {
        Check::warn(name, reason, next)
    } else {
        Check::ok(name, reason)
    }
}

fn probe(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(PROBE)?;
        file.sync_all()
    };
    let written = write();
    let removed = match std::fs::remove_file(&path) {
        // Nothing was made, and the writing says why.
        Err(_) if written.is_err() => Ok(()),
        removed => removed,
    };
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn a_disk_is_judged_by_what_it_takes_and_what_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let check = check("disk.state", dir.path());
        assert!(
            check.gates && check.reason.contains("takes writes"),
            "{check:?}"
        );
        let left = std::fs::read_dir(dir.path()).expect("reads").count();
        assert_eq!(left, 0, "the probe is gone");
        let judged = |free: u64, all: u64| judge("d", dir.path(), free << 20, all << 30).result;
        assert_eq!(judged(1_000, 10), Outcome::Fail, "below 1 GiB");
        assert_eq!(judged(50_000, 1_000), Outcome::Warn, "below a tenth");
        assert_eq!(judged(500_000, 1_000), Outcome::Ok);
    }

    #[test]
    fn a_directory_that_is_not_there_or_takes_nothing_fails_with_a_next_step() {
        let missing = check("disk.state", Path::new("/nowhere/at/all"));
        assert_eq!(missing.result, Outcome::Fail);
        assert!(
            missing
                .next_step
                .expect("a step")
                .starts_with("make /nowhere")
        );
        // The kernel lets nobody make files here, not even root.
        let closed = check("disk.state", Path::new("/proc/self"));
        assert_eq!(closed.result, Outcome::Fail, "{closed:?}");
    }
}
