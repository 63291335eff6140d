//! The schema: its steps, and whether a file has what they make.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rusqlite::Connection;

use super::values::list;
use crate::error::LedgerError;

/// The schema's steps; step n leads from version n to n + 1.
const MIGRATIONS: &[&str] = &[include_str!("migrations/001_initial.sql")];

/// Version of the schema that this program writes.
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Tables, indexes, triggers and views with what made them.
type Objects = BTreeMap<(String, String), String>;

/// Brings the file to this program's schema.
///
/// # Errors
/// When it is of a newer version, or what is in it is not what this program makes: see [`check`].
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), LedgerError> {
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(version(conn)? as usize) {
        let tx = conn.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step as u32 + 1)?;
        tx.commit()?;
    }
    check(conn)
}

/// Version of the schema in the file; 0 when it is no ledger yet.
///
/// # Errors
/// When it is newer than this program's.
pub(crate) fn version(conn: &Connection) -> Result<u32, LedgerError> {
    let found = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found > VERSION {
        true => Err(LedgerError::SchemaTooNew {
            found,
            known: VERSION,
        }),
        false => Ok(found),
    }
}

/// Looks whether a file of this program's version has everything that this program makes, as it makes it. Another
/// build may have called something else by the same number. What is there beside that is not looked at.
///
/// # Errors
/// [`LedgerError::SchemaOther`] with the first object that differs.
pub(crate) fn check(conn: &Connection) -> Result<(), LedgerError> {
    if version(conn)? < VERSION {
        return Ok(());
    }
    let found = objects(conn)?;
    for (name, made) in expected()? {
        let how = match found.get(name) {
            Some(there) if there == made => continue,
            Some(_) => "is another",
            None => "is missing",
        };
        let (kind, name) = name;
        return Err(LedgerError::SchemaOther {
            version: VERSION,
            what: format!("{kind} {name} {how}"),
        });
    }
    Ok(())
}

/// What this program makes.
fn expected() -> Result<&'static Objects, LedgerError> {
    static MADE: OnceLock<Objects> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made);
    }
    let memory = Connection::open_in_memory()?;
    for sql in MIGRATIONS {
        memory.execute_batch(sql)?;
    }
    let made = objects(&memory)?;
    Ok(MADE.get_or_init(|| made))
}

fn objects(conn: &Connection) -> Result<Objects, LedgerError> {
    // What SQLite makes for itself has no text.
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL";
    let objects = list(conn, sql, (), |c| {
        let name = (c.get()?, c.get()?);
        Ok((name, bare(&c.get::<String>()?)))
    })?;
    Ok(objects.into_iter().collect())
}

/// SQL without its comments and the layout of its lines, which SQLite keeps.
fn bare(sql: &str) -> String {
    let lines = sql.lines().map(|line| match line.find("--") {
        Some(comment) => &line[..comment],
        None => line,
    });
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Connection {
        let mut conn = Connection::open_in_memory().expect("memory");
        migrate(&mut conn).expect("migrates");
        conn
    }

    fn trouble(conn: &Connection) -> String {
        check(conn)
            .expect_err("another schema is noticed")
            .to_string()
    }

    #[test]
    fn a_schema_of_another_build_is_named() {
        let conn = ledger();
        check(&conn).expect("its own");
        conn.execute_batch("CREATE TABLE notes (text TEXT)")
            .expect("a table");
        check(&conn).expect("what is there beside it does not matter");
        conn.execute_batch("ALTER TABLE outcomes ADD COLUMN colour TEXT")
            .expect("a column");
        let text = trouble(&conn);
        assert!(text.contains("table outcomes is another"), "{text}");
        assert!(text.contains("empty state directory"), "{text}");
        let conn = ledger();
        conn.execute_batch("DROP VIEW postings").expect("a view");
        assert!(trouble(&conn).contains("view postings is missing"));
    }

    #[test]
    fn comments_and_layout_are_not_the_schema() {
        let made = "CREATE TABLE a (\n    b INTEGER -- what it is\n) STRICT";
        assert_eq!(bare(made), "CREATE TABLE a ( b INTEGER ) STRICT");
    }
}
