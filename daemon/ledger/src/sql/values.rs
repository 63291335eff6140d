//! Between the protocol's types and SQLite's.

use rusqlite::{Connection, Params, Row, Statement, ToSql};
use swarm_types::order::Order;
use swarm_types::{Address, B256, JobId, MicroUsdc, Signature65};

use crate::error::LedgerError;
use crate::limits::{EPOCH_MAX, JOB_SEQ_MAX};

/// The key of a job in its table; `None` for an id that the ledger cannot have given.
pub(crate) fn job_key(id: JobId) -> Option<i64> {
    (id.epoch <= EPOCH_MAX && id.seq <= JOB_SEQ_MAX).then_some(((id.epoch << 32) | id.seq) as i64)
}

/// The id of a job by its key.
pub(crate) fn job_id(key: i64) -> JobId {
    JobId {
        epoch: (key >> 32) as u64,
        seq: (key as u64) & JOB_SEQ_MAX,
    }
}

/// Any 64 bits as SQLite's signed integer.
pub(crate) fn bits(value: u64) -> i64 {
    value.cast_signed()
}

/// What [`bits`] stored.
pub(crate) fn unbits(value: i64) -> u64 {
    value.cast_unsigned()
}

/// Reads columns by position, in order.
pub(crate) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

impl<'a, 'b> Columns<'a, 'b> {
    pub fn new(row: &'a Row<'b>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as SQLite has it.
    pub fn get<T: rusqlite::types::FromSql>(&mut self) -> Result<T, LedgerError> {
        let column = self.next;
        self.next += 1;
        Ok(self.row.get(column)?)
    }

    pub fn address(&mut self) -> Result<Address, LedgerError> {
        self.get::<[u8; 20]>().map(Address::from)
    }

    pub fn address_option(&mut self) -> Result<Option<Address>, LedgerError> {
        Ok(self.get::<Option<[u8; 20]>>()?.map(Address::from))
    }

    pub fn digest(&mut self) -> Result<B256, LedgerError> {
        self.get::<[u8; 32]>().map(B256::from)
    }

    pub fn digest_option(&mut self) -> Result<Option<B256>, LedgerError> {
        Ok(self.get::<Option<[u8; 32]>>()?.map(B256::from))
    }

    pub fn amount(&mut self) -> Result<MicroUsdc, LedgerError> {
        self.get::<u64>().map(MicroUsdc)
    }

    pub fn job(&mut self) -> Result<JobId, LedgerError> {
        self.get::<i64>().map(job_id)
    }

    pub fn job_option(&mut self) -> Result<Option<JobId>, LedgerError> {
        Ok(self.get::<Option<i64>>()?.map(job_id))
    }

    pub fn signature(&mut self) -> Result<Signature65, LedgerError> {
        let bytes: [u8; 65] = self.get()?;
        Signature65::normalise(&bytes).map_err(|e| damaged(format!("a signature: {e}")))
    }

    /// A word of one of the fixed lists.
    pub fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, LedgerError> {
        let word: String = self.get()?;
        parse(&word).ok_or_else(|| damaged(format!("the word '{word}'")))
    }

    /// JSON text.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, LedgerError> {
        let text: String = self.get()?;
        serde_json::from_str(&text).map_err(|e| damaged(format!("stored JSON: {e}")))
    }

    /// What a client ordered: client, model, input, max_fee, nonce, deadline.
    pub fn order(&mut self) -> Result<Order, LedgerError> {
        Ok(Order {
            client: self.address()?,
            model: self.digest()?,
            input: self.digest()?,
            max_fee: self.amount()?,
            nonce: unbits(self.get()?),
            deadline: self.get()?,
        })
    }
}

pub(crate) fn damaged(what: impl Into<String>) -> LedgerError {
    LedgerError::Damaged { what: what.into() }
}

/// All rows of a query.
pub(crate) fn list<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&mut Columns<'_, '_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = conn.prepare_cached(sql)?;
    collect(&mut statement, params, read)
}

fn collect<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    read: impl Fn(&mut Columns<'_, '_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut rows = statement.query(params)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(read(&mut Columns::new(row))?);
    }
    Ok(items)
}

/// The first row of a query, if there is one.
pub(crate) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&mut Columns<'_, '_>) -> Result<T, LedgerError>,
) -> Result<Option<T>, LedgerError> {
    first(&mut *conn.prepare_cached(sql)?, params, read)
}

/// The same of a statement that is used again and again.
pub(crate) fn first<T>(
    statement: &mut Statement<'_>,
    params: impl Params,
    read: impl Fn(&mut Columns<'_, '_>) -> Result<T, LedgerError>,
) -> Result<Option<T>, LedgerError> {
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => read(&mut Columns::new(row)).map(Some),
        None => Ok(None),
    }
}

/// Runs a statement that writes; answers the number of rows.
pub(crate) fn execute(
    conn: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, LedgerError> {
    Ok(conn.prepare_cached(sql)?.execute(params)?)
}

/// Rows of one statement: a row costs a third of what it costs alone.
const ROWS_AT_ONCE: usize = 32;

/// Binds the values of a row, in the order of its columns.
pub(crate) struct RowValues<'a, 'b> {
    statement: &'a mut Statement<'b>,
    next: usize,
}

impl RowValues<'_, '_> {
    pub fn bind(&mut self, value: impl ToSql) -> Result<(), LedgerError> {
        self.next += 1;
        Ok(self.statement.raw_bind_parameter(self.next, value)?)
    }
}

/// Inserts rows, many in a statement.
pub(crate) fn insert_many<T>(
    conn: &Connection,
    table: &str,
    columns: &[&str],
    rows: &[T],
    values: impl Fn(&mut RowValues<'_, '_>, &T) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let (many, rest) = rows.as_chunks::<ROWS_AT_ONCE>();
    insert_chunks(conn, table, columns, many, &values)?;
    let (rest, _) = rest.as_chunks::<1>();
    insert_chunks(conn, table, columns, rest, &values)
}

fn insert_chunks<T, const N: usize>(
    conn: &Connection,
    table: &str,
    columns: &[&str],
    chunks: &[[T; N]],
    values: &impl Fn(&mut RowValues<'_, '_>, &T) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    if chunks.is_empty() {
        return Ok(());
    }
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    let sql = format!(
        "INSERT OR FAIL INTO {table} ({}) VALUES {}",
        columns.join(", "),
        vec![row; N].join(", ")
    );
    let mut statement = conn.prepare_cached(&sql)?;
    for chunk in chunks {
        let mut row = RowValues {
            statement: &mut statement,
            next: 0,
        };
        for item in chunk {
            values(&mut row, item)?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_key() {
        let id = JobId { epoch: 2, seq: 848 };
        assert_eq!(job_key(id).map(job_id), Some(id));
        let last = JobId {
            epoch: EPOCH_MAX,
            seq: JOB_SEQ_MAX,
        };
        assert_eq!(job_key(last).map(job_id), Some(last));
        assert_eq!(
            job_key(JobId {
                epoch: 1,
                seq: JOB_SEQ_MAX + 1
            }),
            None
        );
        assert_eq!(
            job_key(JobId {
                epoch: EPOCH_MAX + 1,
                seq: 1
            }),
            None
        );
    }
}
