//! Connections that read: each query sees one committed state and never waits for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::LedgerError;
use crate::limits::READERS;
use crate::sql;

/// A fixed set of reading connections.
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    /// Opens all of them.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let free = (0..READERS)
            .map(|_| sql::open_reader(path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            free: Mutex::new(free),
            permits: Semaphore::new(READERS),
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
