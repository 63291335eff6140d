//! The invariants of the ledger, each as a question to the tables. All hold after every transaction.

use rusqlite::Connection;
use swarm_types::B256;

use crate::error::LedgerError;
use crate::journal::entry_hash;
use crate::limits::VIOLATIONS_MAX;
use crate::records::Violation;
use crate::sql::values::{list, one};
use crate::sql::{accounts, chain};

/// Queries that find nothing while all is well; each row is one violation, as text.
const RULES: &[(&str, &str)] = &[
    (
        "accounts-sum-to-zero",
        "SELECT 'the balances sum to ' || SUM(balance) FROM accounts HAVING SUM(balance) <> 0",
    ),
    (
        "balances-are-postings",
        "WITH moved AS (
            SELECT account, SUM(amount) AS amount FROM (
                SELECT credit AS account, amount FROM postings UNION ALL SELECT debit, -amount FROM postings)
            GROUP BY account)
        SELECT 'account ' || a.id || ' (' || a.kind || ') has ' || a.balance || ', its transfers say '
            || COALESCE(m.amount, 0)
        FROM accounts a LEFT JOIN moved m ON m.account = a.id
        WHERE a.balance <> COALESCE(m.amount, 0)",
    ),
    (
        "reserved-is-open",
        "WITH held AS (
            SELECT j.client AS account, SUM(j.fee) AS amount FROM open_jobs o JOIN jobs j ON j.id = o.job
            GROUP BY j.client)
        SELECT 'account ' || a.id || ' reserves ' || a.reserved || ', its open jobs say '
            || COALESCE(h.amount, 0)
        FROM accounts a LEFT JOIN held h ON h.account = a.id
        WHERE a.reserved <> COALESCE(h.amount, 0)",
    ),
    (
        "a-job-is-open-or-has-ended",
        "SELECT 'job ' || j.id || ' has ' ||
            ((o.job IS NOT NULL) + (x.job IS NOT NULL)) || ' states'
        FROM jobs j LEFT JOIN open_jobs o ON o.job = j.id LEFT JOIN outcomes x ON x.job = j.id
        WHERE (o.job IS NOT NULL) + (x.job IS NOT NULL) <> 1
        UNION ALL SELECT 'job ' || o.job || ' is open, and was not ordered so'
        FROM open_jobs o LEFT JOIN jobs j ON j.id = o.job WHERE j.blob IS NOT o.blob",
    ),
    (
        "fees-are-cleared",
        "SELECT 'job ' || x.job || ' credits account ' || x.credit FROM outcomes x
        LEFT JOIN accounts a ON a.id = x.credit WHERE x.state = 'completed' AND a.kind IS NOT 'clearing'",
    ),
    (
        "transfers-are-numbered-once",
        "SELECT 'transfer ' || t.id || ' is the reservation of job ' || j.id
        FROM transfers t JOIN jobs j ON j.transfer = t.id
        UNION ALL SELECT 'jobs have ' || COUNT(*) || ' reservations, with ' || COUNT(DISTINCT transfer) || ' numbers'
        FROM jobs HAVING COUNT(*) <> COUNT(DISTINCT transfer)",
    ),
    (
        "open-jobs-are-leased-or-pending",
        "SELECT 'job ' || job || ' is ' || state FROM open_jobs
        WHERE (state = 'pending') <> (lease_token IS NULL) OR (state = 'pending') <> (worker IS NULL)",
    ),
    (
        "refunds-are-uncollectable-jobs",
        "SELECT 'job ' || x.job || ' has ' || COUNT(t.id) || ' refunds'
        FROM outcomes x JOIN jobs j ON j.id = x.job
        LEFT JOIN transfers t ON t.job = j.id AND t.kind = 'refund' AND t.amount = j.fee
        WHERE x.state = 'completed' GROUP BY x.job HAVING COUNT(t.id) <> (x.uncollectable IS NOT NULL)",
    ),
    (
        "one-epoch-is-open",
        "SELECT COUNT(*) || ' epochs are open' FROM epochs WHERE state = 'open' HAVING COUNT(*) <> 1
        UNION ALL SELECT 'epoch ' || number || ' is ' || state || ' after the open one' FROM epochs
        WHERE number > (SELECT number FROM epochs WHERE state = 'open')",
    ),
    (
        "clearing-is-what-epochs-owe",
        "SELECT 'epoch ' || e.number || ' (' || e.state || ') clears ' || a.balance
        FROM epochs e LEFT JOIN accounts a ON a.kind = 'clearing'
            AND a.owner = unhex(printf('%016X', e.number))
        WHERE a.balance IS NOT CASE WHEN e.state IN ('final', 'void') THEN 0 ELSE
            (SELECT COALESCE(SUM(fees), 0) FROM client_epochs WHERE epoch = e.number) END",
    ),
    (
        "epoch-sums-are-jobs",
        "WITH done AS (
            SELECT j.client, x.worker, x.settles_in AS epoch, j.fee FROM outcomes x JOIN jobs j ON j.id = x.job
            WHERE x.settles_in IS NOT NULL AND x.uncollectable IS NULL),
        void AS (SELECT number FROM epochs WHERE state = 'void'),
        by_client AS (SELECT client, epoch, COUNT(*) AS jobs, SUM(fee) AS fees FROM done GROUP BY client, epoch),
        by_worker AS (SELECT worker, epoch, COUNT(*) AS jobs, SUM(fee) AS fees FROM done GROUP BY worker, epoch)
        SELECT 'client ' || s.client || ' in epoch ' || s.epoch || ': ' || s.fees FROM client_epochs s
        LEFT JOIN by_client d ON d.client = s.client AND d.epoch = s.epoch
        WHERE s.epoch NOT IN void AND (s.jobs, s.fees) <> (COALESCE(d.jobs, 0), COALESCE(d.fees, 0))
        UNION ALL SELECT 'worker ' || hex(s.worker) || ' in epoch ' || s.epoch || ': ' || s.fees
        FROM worker_epochs s LEFT JOIN by_worker d ON d.worker = s.worker AND d.epoch = s.epoch
        WHERE s.epoch NOT IN void AND (s.jobs, s.fees) <> (COALESCE(d.jobs, 0), COALESCE(d.fees, 0))
        UNION ALL SELECT 'a job of client ' || d.client || ' is in no sum of epoch ' || d.epoch FROM done d
        WHERE (d.client, d.epoch) NOT IN (SELECT client, epoch FROM client_epochs)
            OR (d.worker, d.epoch) NOT IN (SELECT worker, epoch FROM worker_epochs)
            OR d.epoch IN void",
    ),
    (
        "sealed-vectors-balance",
        "SELECT 'epoch ' || e.number || ' charges ' || e.charged FROM epochs e
        WHERE e.seal_hash IS NOT NULL AND (
            e.charged <> (SELECT COALESCE(SUM(amount), 0) FROM epoch_charges WHERE epoch = e.number)
            OR e.charged <> (SELECT COALESCE(SUM(amount), 0) FROM epoch_payouts WHERE epoch = e.number))",
    ),
    (
        "settled-vectors-are-the-chain's",
        "WITH said AS (
            SELECT epoch, kind, account, SUM(CAST(json_extract(body, '$.amount') AS INTEGER)) AS amount
            FROM chain_events WHERE kind IN ('charged', 'credited') GROUP BY epoch, kind, account),
        ours AS (
            SELECT epoch, 'charged' AS kind, client AS account, amount FROM epoch_charges
            UNION ALL SELECT epoch, 'credited', payee, amount FROM epoch_payouts),
        settled AS (SELECT number FROM epochs WHERE settled_tx IS NOT NULL)
        SELECT 'epoch ' || epoch || ': ' || kind || ' ' || hex(account) || ' ' || amount FROM (
            SELECT * FROM (SELECT * FROM said WHERE epoch IN settled EXCEPT SELECT * FROM ours)
            UNION ALL
            SELECT * FROM (SELECT * FROM ours WHERE epoch IN settled EXCEPT SELECT * FROM said))",
    ),
    (
        "clients-have-what-the-chain-gave",
        "WITH chain AS (
            SELECT account, SUM(CASE kind WHEN 'deposited' THEN amount ELSE -amount END) AS amount FROM (
                SELECT account, kind, CAST(json_extract(body, '$.amount') AS INTEGER) AS amount
                FROM chain_events WHERE applied = 1 AND kind IN ('deposited', 'withdrawn'))
            GROUP BY account),
        charged AS (
            SELECT j.client, SUM(j.fee) AS amount FROM outcomes x JOIN jobs j ON j.id = x.job
            WHERE x.settles_in IS NOT NULL AND x.uncollectable IS NULL GROUP BY j.client)
        SELECT 'client ' || hex(c.address) || ' has ' || a.balance FROM clients c
        JOIN accounts a ON a.id = c.account
        LEFT JOIN chain ON chain.account = c.address LEFT JOIN charged ON charged.client = c.account
        WHERE a.balance <> COALESCE(chain.amount, 0) - COALESCE(charged.amount, 0)",
    ),
    (
        "every-reference-exists",
        "SELECT 'table ' || \"table\" || ', row ' || COALESCE(rowid, '?') FROM pragma_foreign_key_check",
    ),
    (
        "the-file-is-whole",
        "SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'",
    ),
];

/// Every violation, at most [`VIOLATIONS_MAX`] of each rule.
pub(crate) fn all(conn: &Connection) -> Result<Vec<Violation>, LedgerError> {
    let mut violations = Vec::new();
    for (rule, sql) in RULES {
        let sql = format!("SELECT * FROM ({sql}) LIMIT {VIOLATIONS_MAX}");
        for detail in list(conn, &sql, (), |c| c.get::<Option<String>>())? {
            // Text joined with what is missing is missing itself.
            let detail = detail.unwrap_or_else(|| "a row that should be there is not".into());
            violations.push(Violation { rule, detail });
        }
    }
    violations.extend(journal(conn)?);
    violations.extend(mirrors(conn)?);
    Ok(violations)
}

/// The chain of hashes, from the first entry; the first break is named.
fn journal(conn: &Connection) -> Result<Option<Violation>, LedgerError> {
    let mut statement =
        conn.prepare("SELECT seq, time, kind, body, hash FROM journal ORDER BY seq")?;
    let mut rows = statement.query(())?;
    let (mut seq, mut hash) = (0u64, B256::ZERO);
    while let Some(row) = rows.next()? {
        let stored: u64 = row.get(0)?;
        let time: u64 = row.get(1)?;
        let kind = row.get_ref(2)?.as_str().unwrap_or_default();
        let body = row.get_ref(3)?.as_str().unwrap_or_default();
        hash = entry_hash(&hash, seq + 1, time, kind, body);
        if stored != seq + 1 || row.get::<_, [u8; 32]>(4)? != hash.0 {
            return Ok(Some(Violation {
                rule: "journal-is-a-chain",
                detail: format!("entry {stored} does not follow entry {seq}"),
            }));
        }
        seq = stored;
    }
    Ok(None)
}

/// What is kept of each client's account on chain is what its events say.
fn mirrors(conn: &Connection) -> Result<Vec<Violation>, LedgerError> {
    let mut violations = Vec::new();
    let sql = "SELECT account FROM clients WHERE address = ?1";
    for client in chain::clients(conn)? {
        let Some(account) = one(conn, sql, [client.as_slice()], |c| c.get())? else {
            continue;
        };
        let kept = accounts::mirror(conn, account)?;
        let folded = chain::mirror(conn, client, u64::MAX)?;
        if kept != folded && violations.len() < VIOLATIONS_MAX {
            violations.push(Violation {
                rule: "mirror-is-the-events",
                detail: format!("client {client}: {kept:?} is kept, the events say {folded:?}"),
            });
        }
    }
    Ok(violations)
}
