//! The plans of what is asked again and again, so that it stays fast as the ledger grows: an index leads to the
//! rows, and none but a few are sorted.

use rusqlite::Connection;
use swarm_types::{Address, MicroUsdc};

use super::{blobs, jobs, open_jobs, open_writer, outcomes, transfers};
use crate::ledger::LedgerConfig;

/// Every step of the plan of `sql`.
fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .expect("a statement");
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        steps.push(row.get(3).expect("a step"));
    }
    steps
}

fn ledger() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = LedgerConfig {
        chain_id: 1,
        escrow: Address::ZERO,
        default_cap: MicroUsdc(1),
    };
    let conn = open_writer(&folder.path().join("ledger.sqlite"), &config).expect("a ledger");
    (folder, conn)
}

#[test]
fn pages_sweeps_and_seals_use_their_index_and_sort_nothing() {
    let (_folder, conn) = ledger();
    let by_key = "USING INTEGER PRIMARY KEY";
    for (sql, first) in [
        (
            jobs::PAGE_OPEN,
            "SEARCH o USING INTEGER PRIMARY KEY (rowid<?)",
        ),
        (
            jobs::PAGE_OF_EPOCH,
            "SEARCH x USING INDEX outcomes_settles_in (settles_in=?",
        ),
        (
            jobs::PAGE_FAILED,
            "SEARCH x USING INDEX outcomes_failed (job<?",
        ),
        (
            jobs::PAGE_OF_ALL,
            "SEARCH j USING INTEGER PRIMARY KEY (rowid<?)",
        ),
        (
            outcomes::CHARGES,
            "SEARCH x USING INDEX outcomes_settles_in (settles_in=?)",
        ),
        (
            outcomes::SETTLED,
            "SEARCH x USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            open_jobs::USERS,
            "SEARCH open_jobs USING COVERING INDEX open_jobs_blob (blob=?)",
        ),
        (
            blobs::DUE[0],
            "SEARCH blobs USING INDEX blobs_released (released_at>?)",
        ),
        (
            blobs::DUE[1],
            "SEARCH blobs USING INDEX blobs_kept (kind=? AND created_at<?)",
        ),
        (
            blobs::DUE[2],
            "SEARCH blobs USING INDEX blobs_unfinished (created_at<?)",
        ),
        (
            blobs::DUE[3],
            "SEARCH blobs USING INDEX blobs_kept (kind=? AND created_at<?)",
        ),
        (
            super::journal::AFTER,
            "SEARCH journal USING INTEGER PRIMARY KEY (rowid>?)",
        ),
    ] {
        let steps = plan(&conn, sql);
        assert!(steps[0].starts_with(first), "{sql}\n{steps:#?}");
        for step in &steps {
            assert!(
                !step.starts_with("SCAN") && !step.contains("TEMP B-TREE"),
                "{sql}\n{steps:#?}"
            );
        }
    }
    // A client's jobs are sorted, and nobody else's are looked at.
    let steps = plan(&conn, jobs::PAGE_OF_CLIENT);
    assert!(
        steps
            .iter()
            .any(|step| step.contains("jobs_nonce (client=?")),
        "{steps:#?}"
    );
    assert!(
        !steps.iter().any(|step| step.starts_with("SCAN")),
        "{steps:#?}"
    );
    // So are those of a page of its history: by their keys alone, of which the newest are read.
    let steps = plan(&conn, transfers::HISTORY);
    for way in [
        "COVERING INDEX jobs_nonce (client=?",
        "INDEX transfers_client (client=? AND rowid<?",
    ] {
        let found = steps.iter().any(|step| step.contains(way));
        assert!(found, "{way}\n{steps:#?}");
    }
    let adopted = plan(&conn, transfers::HISTORY_ADOPTED);
    let found = adopted
        .iter()
        .any(|step| step.contains("jobs_nonce (client=?"));
    assert!(found, "{adopted:#?}");
    let mut scans = steps.iter().chain(&adopted);
    assert!(
        scans.all(|step| !step.starts_with("SCAN")
            || step.starts_with("SCAN newest")
            || step.starts_with("SCAN (subquery")),
        "{steps:#?} {adopted:#?}"
    );
    // A job that settled is found by its key wherever it is joined.
    let joined = plan(&conn, outcomes::SETTLED);
    assert_eq!(
        joined.iter().filter(|step| step.contains(by_key)).count(),
        3,
        "{joined:#?}"
    );
}
