//! Moves the write-ahead log into the database, beside the writer: a thread with a connection of its own does
//! the writing and syncing while commands go on, so that the writer has little left to move when the log is to
//! begin anew. Without it every submission would wait for tens of megabytes now and then.

use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::error::LedgerError;
use crate::limits::{WAL_PAGES, WAL_PAGES_BESIDE};
use crate::sql;

const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The thread; it ends when the writer's connection lets go of it.
pub(crate) struct Checkpointer(JoinHandle<()>);

impl Checkpointer {
    /// Watches the writer's connection `conn` of the file at `path`.
    pub fn start(conn: &mut Connection, path: &Path) -> Result<Self, LedgerError> {
        let beside = sql::open_reader(path)?;
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || follow(&beside, &woken))
            .map_err(|source| LedgerError::Storage {
                source: Arc::new(source),
            })?;
        let (mut before, mut next) = (0, WAL_PAGES_BESIDE);
        conn.wal_hook(Some(move |wal: &mut Wal, pages: c_int| {
            let pages = pages.cast_unsigned();
            if pages < before {
                // The log began anew.
                next = WAL_PAGES_BESIDE;
            }
            before = pages;
            if pages >= next {
                next = pages + WAL_PAGES_BESIDE;
                match wake.try_send(()) {
                    Ok(()) | Err(TrySendError::Full(())) => {}
                    Err(TrySendError::Disconnected(())) => {
                        tracing::error!("nothing moves the log beside the writer any more");
                    }
                }
            }
            if pages >= WAL_PAGES
                && let Err(error) = wal.checkpoint()
            {
                // The commit is durable in the log, which grows until this works.
                tracing::warn!(%error, "the log could not be moved into the database");
            }
            Ok(())
        }))?;
        Ok(Self(thread))
    }

    /// Lets go of the thread and waits for its end.
    pub fn stop(self, conn: &mut Connection) {
        let none = None::<fn(&mut Wal, c_int) -> rusqlite::Result<()>>;
        if let Err(error) = conn.wal_hook(none) {
            tracing::error!(%error, "the log's watcher could not be taken off");
            return;
        }
        if self.0.join().is_err() {
            tracing::error!("the thread that moves the log ended badly");
        }
    }
}

fn follow(conn: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Three numbers: busy, pages in the log, pages moved.
        if let Err(error) = conn.query_row(MOVE, (), |_| Ok(())) {
            tracing::warn!(%error, "the log could not be moved into the database");
        }
    }
}
