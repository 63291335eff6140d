//! Copies of the ledger: written while it runs, and put back after a check.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::check;
use crate::error::{Cause, LedgerError};
use crate::sql::{chain, open_reader, schema};

/// Pages of one step: all of them, so that the copy is of one state.
const ALL_PAGES: i32 = -1;

/// Writes a copy of what `conn` sees to `to`, which must not exist.
pub(crate) fn write(conn: &Connection, to: &Path) -> Result<(), LedgerError> {
    place(conn, to, false)
}

fn place(conn: &Connection, to: &Path, restored: bool) -> Result<(), LedgerError> {
    vacant(to)?;
    let partial = beside(to, "partial");
    let outcome = copy(conn, &partial, restored).and_then(|()| settle(&partial, to));
    if outcome.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&partial);
    }
    outcome
}

/// Puts the backup `from` in place as `to`, which must not exist, if it is whole.
pub(crate) fn restore(from: &Path, to: &Path) -> Result<(), LedgerError> {
    let source = open_reader(from)?;
    let found = schema::version(&source)?;
    if found == 0 {
        return Err(failed("this is not a ledger:", from, None));
    }
    schema::check(&source)?;
    if found == schema::VERSION
        && let Some(violation) = check::all(&source)?.first()
    {
        return Err(LedgerError::Damaged {
            what: violation.to_string(),
        });
    }
    place(&source, to, true)
}

fn vacant(to: &Path) -> Result<(), LedgerError> {
    for path in [to.to_owned(), suffixed(to, "-wal"), suffixed(to, "-shm")] {
        if path.exists() {
            return Err(failed("this place is taken:", &path, None));
        }
    }
    Ok(())
}

fn copy(conn: &Connection, partial: &Path, restored: bool) -> Result<(), LedgerError> {
    let create = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(partial);
    create.map_err(|e| failed("cannot create", partial, Some(Arc::new(e))))?;
    let mut target = Connection::open(partial)?;
    let step = Backup::new(conn, &mut target)?.step(ALL_PAGES)?;
    if step != StepResult::Done {
        return Err(failed("the copy did not finish:", partial, None));
    }
    if restored {
        chain::set_restored(&target, true)?;
    }
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Syncs the copy, gives it its name, and syncs the name.
fn settle(partial: &Path, to: &Path) -> Result<(), LedgerError> {
    let sync = || -> io::Result<()> {
        File::open(partial)?.sync_all()?;
        fs::rename(partial, to)?;
        let folder = match to.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()
    };
    sync().map_err(|e| failed("cannot write", to, Some(Arc::new(e))))
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    suffixed(path, &format!(".{extension}"))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(what: &'static str, path: &Path, source: Option<Cause>) -> LedgerError {
    LedgerError::Backup {
        what,
        path: path.to_owned(),
        source,
    }
}
