//! Connections that read: each query sees one committed state and never waits for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::LedgerError;
use crate::limits::READERS;
use crate::sql;
use crate::stepped::Gate;
use crate::writer::Stepped;

/// A fixed set of reading connections; in a simulation the writer's own.
pub(crate) struct Readers {
    source: Source,
    permits: Semaphore,
}

/// Where the connections are.
enum Source {
    /// Those that no query has. Queries run on threads for blocking work.
    Free(Arc<Mutex<Vec<Connection>>>),
    /// The writer's, between its commands. Queries run on the caller's thread, as the gate lets them.
    Writers(Stepped, Arc<dyn Gate>),
}

impl Readers {
    /// Opens all of them.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let free: Result<_, _> = (0..READERS).map(|_| sql::open_reader(path)).collect();
        Ok(Self {
            source: Source::Free(Arc::new(Mutex::new(free?))),
            permits: Semaphore::new(READERS),
        })
    }

    /// Reads through a stepped writer's connection. That sees what is committed too, because no command is
    /// under way meanwhile, and a simulation opens, reads and prepares everything once instead of twice.
    pub fn stepped(writer: Stepped, gate: Arc<dyn Gate>) -> Self {
        Self {
            source: Source::Writers(writer, gate),
            permits: Semaphore::new(1),
        }
    }

    /// Runs `query` on a thread for blocking work.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| LedgerError::Stopped)?;
        match &self.source {
            Source::Free(free) => {
                let free = Arc::clone(free);
                let task = tokio::task::spawn_blocking(move || {
                    let conn = lock(&free).pop().ok_or(LedgerError::Stopped)?;
                    let outcome = snapshot(&conn, query);
                    lock(&free).push(conn);
                    outcome
                });
                task.await.map_err(|_| LedgerError::Stopped)?
            }
            Source::Writers(writer, gate) => {
                if gate.halted() {
                    std::future::pending::<()>().await;
                }
                writer.read(|conn| snapshot(conn, query))
            }
        }
    }
}

fn lock(free: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    // The list is whole even if a thread panicked while it held the lock.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One state for all statements of a query.
fn snapshot<T>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    // Two statements that every query has: they stay prepared.
    conn.prepare_cached("BEGIN")?.execute(())?;
    let value = query(conn);
    // Some failures have ended it by themselves.
    if !conn.is_autocommit() {
        conn.prepare_cached("ROLLBACK")?.execute(())?;
    }
    value
}
