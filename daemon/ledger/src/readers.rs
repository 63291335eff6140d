//! Connections that read: each query sees one committed state and never waits for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::LedgerError;
use crate::limits::READERS;
use crate::sql;
use crate::stepped::Gate;

/// A fixed set of reading connections.
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
    /// Queries run on the caller's thread, as this lets them.
    gate: Option<Arc<dyn Gate>>,
}

impl Readers {
    /// Opens all of them.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::some(path, READERS, None)
    }

    /// Opens one, for queries on the caller's thread.
    pub fn stepped(path: &Path, gate: Arc<dyn Gate>) -> Result<Self, LedgerError> {
        Self::some(path, 1, Some(gate))
    }

    fn some(path: &Path, count: usize, gate: Option<Arc<dyn Gate>>) -> Result<Self, LedgerError> {
        let free = (0..count)
            .map(|_| sql::open_reader(path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            free: Mutex::new(free),
            permits: Semaphore::new(count),
            gate,
        })
    }

    /// Runs `query` on a thread for blocking work.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| LedgerError::Stopped)?;
        if let Some(gate) = &self.gate {
            if gate.halted() {
                std::future::pending::<()>().await;
            }
            let conn = self.lock().pop().ok_or(LedgerError::Stopped)?;
            let outcome = snapshot(&conn, query);
            self.lock().push(conn);
            return outcome;
        }
        let this = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let conn = this.lock().pop().ok_or(LedgerError::Stopped)?;
            let outcome = snapshot(&conn, query);
            this.lock().push(conn);
            outcome
        });
        task.await.map_err(|_| LedgerError::Stopped)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // The list is whole even if a thread panicked while it held the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One state for all statements of a query.
fn snapshot<T>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let tx = conn.unchecked_transaction()?;
    let value = query(&tx)?;
    tx.rollback()?;
    Ok(value)
}
