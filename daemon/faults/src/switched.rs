//! What a debug build does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::{CLOCK_VARIABLE, DIR_VARIABLE, HERE_SUFFIX};

pub fn point(name: &str) {
    static DIR: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = DIR.get_or_init(|| std::env::var_os(DIR_VARIABLE).map(PathBuf::from));
    if let Some(dir) = dir
        && is_the_end(dir, name)
    {
        loop {
            // Whoever unparks this thread must not let it go on.
            std::thread::park();
        }
    }
}

pub fn clock_skew_seconds() -> i64 {
    static SKEW: OnceLock<i64> = OnceLock::new();
    *SKEW.get_or_init(|| {
        let text = std::env::var(CLOCK_VARIABLE).ok();
        text.map_or(0, |text| text.parse().expect("seconds"))
    })
}

/// Whether `name` is armed and has been reached as often as it was to be; says so in `dir` then.
fn is_the_end(dir: &Path, name: &str) -> bool {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let armed = dir.join(name);
    let Ok(text) = fs::read_to_string(&armed) else {
        return false;
    };
    let left: u32 = text.trim().parse().expect("a number of times");
    if left > 1 {
        fs::write(&armed, (left - 1).to_string()).expect("the armed point can be written");
        return false;
    }
    fs::remove_file(&armed).expect("the armed point can be removed");
    let here = dir.join(format!("{name}{HERE_SUFFIX}"));
    let pid = std::process::id().to_string();
    fs::write(here, pid).expect("the process can say that it is here");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_ends_it_at_the_time_it_is_armed_for_and_only_then() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        assert!(!is_the_end(dir, "a.b"));
        fs::write(dir.join("a.b"), "2").expect("armed");
        assert!(!is_the_end(dir, "a.c"));
        assert!(!is_the_end(dir, "a.b"));
        assert!(!dir.join("a.b.here").exists());
        assert!(is_the_end(dir, "a.b"));
        assert!(dir.join("a.b.here").exists());
        assert!(!is_the_end(dir, "a.b"));
    }
}
