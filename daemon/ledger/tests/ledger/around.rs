//! Blobs, nonces, webhooks, names, events, backup, and what storage refuses by itself.
use crate::common::*;
use rusqlite::Connection;
use swarm_ledger::commands::*;
use swarm_ledger::journal::{entry_hash, kind};
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_ledger::{Ledger, LedgerConfig, LedgerError};
use swarm_types::{B256, MicroUsdc, sha256};

#[tokio::test]
async fn an_input_is_due_when_its_job_ended_and_not_before() {
    let f = Fixture::new().await;
    let input = order(CLIENT, 1).input;
    let begin = BlobBegin {
        now: 5,
        blob: input,
        kind: BlobKind::Input,
        uploader: address(CLIENT),
        job: None,
    };
    f.ledger.blob_begin(begin.clone()).await.unwrap();
    let whole = f
        .ledger
        .blob_complete(BlobComplete {
            now: 6,
            sha256: input.sha256,
        })
        .await
        .unwrap();
    assert_eq!(whole.completed_at, Some(6));
    let due = |orphans| f.ledger.retention_due(orphans, 0, 10);
    // An orphan until a job uses it.
    assert_eq!(due(6).await.unwrap(), [whole]);
    f.submit(1).await;
    assert_eq!(due(1_000).await.unwrap(), []);
    let delete = BlobDeleted {
        now: 40,
        sha256: input.sha256,
        reason: "job ended".into(),
    };
    assert_eq!(
        refused(f.ledger.blob_deleted(delete.clone()).await),
        BlobRefusal::InUse(job(1, 1))
    );
    let lease = f.claim(20).await.unwrap();
    f.ledger.complete(complete(&lease, 30)).await.unwrap();
    assert_eq!(due(0).await.unwrap()[0].released_at, Some(30));
    let gone = f.ledger.blob_deleted(delete.clone()).await.unwrap();
    assert_eq!(f.ledger.blob_deleted(delete).await.unwrap(), gone);
    assert_eq!(due(1_000).await.unwrap(), []);
    assert_eq!(
        refused(
            f.ledger
                .blob_complete(BlobComplete {
                    now: 6,
                    sha256: input.sha256
                })
                .await
        ),
        BlobRefusal::Deleted
    );
    // The same bytes may come again, but not as something else.
    assert_eq!(
        f.ledger.blob_begin(begin.clone()).await.unwrap().deleted_at,
        None
    );
    let mut other = begin;
    other.blob.size += 1;
    assert_eq!(
        refused(f.ledger.blob_begin(other).await),
        BlobRefusal::Different { field: "size" }
    );
    assert_eq!(
        refused(
            f.ledger
                .blob_complete(BlobComplete {
                    now: 6,
                    sha256: B256::ZERO
                })
                .await
        ),
        BlobRefusal::Unknown
    );
    // A result is due by age.
    let result = BlobBegin {
        now: 50,
        blob: BlobRef {
            sha256: sha256("result"),
            size: 9,
        },
        kind: BlobKind::Result,
        uploader: address(WORKER),
        job: Some(job(1, 1)),
    };
    f.ledger.blob_begin(result.clone()).await.unwrap();
    f.ledger
        .blob_complete(BlobComplete {
            now: 51,
            sha256: result.blob.sha256,
        })
        .await
        .unwrap();
    assert_eq!(f.ledger.retention_due(0, 51, 10).await.unwrap(), []);
    let due = f.ledger.retention_due(0, 52, 10).await.unwrap();
    assert_eq!((due.len(), due[0].job), (1, Some(job(1, 1))));
    f.assert_sound().await;
}

#[tokio::test]
async fn a_requests_nonce_counts_once_until_it_expires() {
    let mut f = Fixture::empty();
    let nonce = |now, nonce| UseRequestNonce {
        now,
        address: address(1),
        nonce,
        expires_at: 300,
    };
    f.ledger
        .use_request_nonce(nonce(1, u64::MAX))
        .await
        .unwrap();
    f.reopen().await;
    assert_eq!(
        refused(f.ledger.use_request_nonce(nonce(299, u64::MAX)).await),
        NonceRefusal::Replayed {
            address: address(1),
            nonce: u64::MAX
        }
    );
    f.ledger.use_request_nonce(nonce(1, 2)).await.unwrap();
    f.ledger.sweep(Sweep { now: 299 }).await.unwrap();
    assert!(f.ledger.use_request_nonce(nonce(299, 2)).await.is_err());
    f.ledger.sweep(Sweep { now: 300 }).await.unwrap();
    f.ledger.use_request_nonce(nonce(300, 2)).await.unwrap();
}

#[tokio::test]
async fn events_are_pushed_to_who_asked_for_them() {
    let mut f = Fixture::new().await;
    let hook = |url: &str, events: &[&str]| AddWebhook {
        now: 5,
        client: address(CLIENT),
        url: url.into(),
        events: events.iter().map(|e| (*e).to_owned()).collect(),
    };
    let all = f
        .ledger
        .add_webhook(hook("https://all", &[]))
        .await
        .unwrap();
    f.ledger
        .add_webhook(hook("https://done", &[kind::JOB_COMPLETED]))
        .await
        .unwrap();
    assert_eq!(f.ledger.webhooks(address(CLIENT)).await.unwrap().len(), 2);
    f.reopen().await;
    let mut submit = order(CLIENT, 1);
    submit.webhook = Some("https://job".into());
    f.ledger.submit(submit).await.unwrap();
    let lease = f.claim(20).await.unwrap();
    f.ledger.complete(complete(&lease, 30)).await.unwrap();
    let due = f.ledger.deliveries_due(30, 10).await.unwrap();
    let pushed: Vec<_> = due
        .iter()
        .map(|d| (d.url.as_str(), d.event.kind.as_str()))
        .collect();
    assert_eq!(
        pushed,
        [
            ("https://all", kind::JOB_SUBMITTED),
            ("https://all", kind::JOB_CLAIMED),
            ("https://all", kind::JOB_COMPLETED),
            ("https://done", kind::JOB_COMPLETED),
            ("https://job", kind::JOB_COMPLETED),
        ]
    );
    let record = |id, retry_at, error: Option<&str>| RecordDelivery {
        now: 31,
        id,
        retry_at,
        error: error.map(str::to_owned),
    };
    f.ledger
        .record_delivery(record(due[0].id, Some(60), Some("503")))
        .await
        .unwrap();
    f.ledger
        .record_delivery(record(due[1].id, None, None))
        .await
        .unwrap();
    assert_eq!(
        refused(f.ledger.record_delivery(record(u64::MAX, None, None)).await),
        WebhookRefusal::Unknown
    );
    assert_eq!(f.ledger.deliveries_due(59, 10).await.unwrap().len(), 3);
    let again = f.ledger.deliveries_due(60, 10).await.unwrap();
    assert_eq!(again.iter().map(|d| d.attempts).max(), Some(1));
    f.ledger.sweep(Sweep { now: 40 }).await.unwrap();
    assert_eq!(f.ledger.deliveries_due(60, 10).await.unwrap().len(), 4);
    let remove = |client, id| RemoveWebhook {
        now: 40,
        client: address(client),
        id,
    };
    assert_eq!(
        refused(f.ledger.remove_webhook(remove(0x77, all.id)).await),
        WebhookRefusal::Unknown
    );
    f.ledger
        .remove_webhook(remove(CLIENT, all.id))
        .await
        .unwrap();
    f.submit(2).await;
    assert_eq!(f.ledger.deliveries_due(60, 10).await.unwrap().len(), 4);
    f.assert_sound().await;
}

#[tokio::test]
async fn the_feed_is_the_journal_and_watchers_hear_of_it() {
    let f = Fixture::new().await;
    let (mut newest, mut pending) = (f.ledger.subscribe(), f.ledger.subscribe_pending());
    let start = *newest.borrow_and_update();
    pending.borrow_and_update();
    f.submit(1).await;
    assert!(newest.has_changed().unwrap() && pending.has_changed().unwrap());
    pending.borrow_and_update();
    f.claim(20).await.unwrap();
    assert!(!pending.has_changed().unwrap());
    let events = f.ledger.events_after(start, 10).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, [kind::JOB_SUBMITTED, kind::JOB_CLAIMED]);
    assert_eq!(*newest.borrow(), events[1].seq);
    let Event {
        seq,
        time,
        kind,
        body,
        hash,
    } = &events[1];
    assert_eq!(entry_hash(&events[0].hash, *seq, *time, kind, body), *hash);
    assert!(body.contains("\"job\":\"job-001-0001\""), "{body}");
    assert_eq!(f.ledger.events_after(u64::MAX, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_name_is_kept_with_the_block_it_was_seen_at() {
    let f = Fixture::empty();
    let bind = |name: Option<&str>| BindName {
        now: 5,
        address: address(1),
        name: name.map(str::to_owned),
        chain_id: 1,
        block: 77,
    };
    f.ledger.bind_name(bind(Some("bee.eth"))).await.unwrap();
    let name = f.ledger.name_of(address(1)).await.unwrap().unwrap();
    assert_eq!((name.name.as_str(), name.block), ("bee.eth", 77));
    f.ledger.bind_name(bind(None)).await.unwrap();
    assert_eq!(f.ledger.name_of(address(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_backup_is_the_ledger_again() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    f.submit(2).await;
    let backup = f.folder.path().join("backup.db");
    f.ledger.backup(&backup).await.unwrap();
    assert!(matches!(
        f.ledger.backup(&backup).await,
        Err(LedgerError::Backup { .. })
    ));
    f.submit(3).await;
    let place = f.folder.path().join("restored.db");
    Ledger::restore(&backup, &place).unwrap();
    assert!(matches!(
        Ledger::restore(&backup, &place),
        Err(LedgerError::Backup { .. })
    ));
    let restored = Ledger::open(&place, config()).unwrap();
    assert_eq!(restored.check().await.unwrap(), []);
    assert_eq!(
        restored.stats().await.unwrap().journal + 1,
        f.ledger.stats().await.unwrap().journal
    );
    assert_eq!(restored.job(job(1, 3)).await.unwrap(), None);
    restored.submit(order(CLIENT, 3)).await.unwrap();

    // A backup in which somebody changed history is not put back.
    let raw = Connection::open(&backup).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'journal_fixed'";
    let trigger: String = raw.query_row(sql, (), |row| row.get(0)).unwrap();
    let change = "DROP TRIGGER journal_fixed; UPDATE journal SET body = '{}' WHERE seq = 2";
    raw.execute_batch(&format!("{change}; {trigger}")).unwrap();
    drop(raw);
    let outcome = Ledger::restore(&backup, &f.folder.path().join("other.db"));
    assert!(
        matches!(outcome, Err(LedgerError::Damaged { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn storage_itself_protects_what_is_final() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    f.submit(2).await;
    let cancel = Cancel {
        now: 30,
        job: job(1, 2),
        client: address(CLIENT),
    };
    f.ledger.cancel(cancel).await.unwrap();
    f.submit(3).await;
    let (_, built) = f.seal(1_000).await;
    f.block(5, f.settlement(&built, 2_000), 1).await.unwrap();
    let mut finalized = block(9, 0, Vec::new()).0;
    finalized.timestamp = 2_000;
    let command = Finalise {
        now: 2_000,
        epoch: swarm_types::EpochId(1),
        finalized,
    };
    f.ledger.finalise(command).await.unwrap();
    f.ledger.close().await;
    let raw = Connection::open(file(f.folder.path())).unwrap();
    for sql in [
        "UPDATE journal SET body = '{}'",
        "DELETE FROM journal",
        "UPDATE jobs SET fee = 1",
        "DELETE FROM jobs",
        "UPDATE outcomes SET engine = 'x' WHERE job = 4294967297",
        "UPDATE outcomes SET settles_in = 2 WHERE job = 4294967297",
        "UPDATE outcomes SET uncollectable = 'x' WHERE job = 4294967297",
        // The one that was cancelled.
        "UPDATE outcomes SET state = 'expired' WHERE job = 4294967298",
        "UPDATE outcomes SET settles_in = 2 WHERE job = 4294967298",
        "DELETE FROM outcomes",
        // The one that is open.
        "UPDATE open_jobs SET blob = x'00'",
        "DELETE FROM open_jobs",
        "UPDATE transfers SET amount = 1",
        "DELETE FROM transfers",
        "UPDATE epochs SET charged = 1 WHERE number = 1",
        "DELETE FROM epochs",
        "UPDATE client_epochs SET fees = 1",
        "UPDATE worker_epochs SET ready_millis = 1",
        "UPDATE epoch_payouts SET amount = 1",
        "DELETE FROM epoch_payouts",
        "DELETE FROM epoch_charges",
        "DELETE FROM epoch_agents",
    ] {
        let refused = raw.execute(sql, ()).unwrap_err().to_string();
        assert!(
            ["cannot", "kept", "grows"]
                .iter()
                .any(|word| refused.contains(word)),
            "{sql}: {refused}"
        );
    }
}

#[tokio::test]
async fn check_finds_what_was_tampered_with() {
    for (sql, rule) in [
        (
            "UPDATE accounts SET balance = balance + 1 WHERE kind = 'client'",
            "accounts-sum-to-zero",
        ),
        (
            "UPDATE accounts SET reserved = 7 WHERE kind = 'client'",
            "reserved-is-open",
        ),
        (
            "UPDATE clients SET mirror_balance = 7",
            "mirror-is-the-events",
        ),
        ("UPDATE client_epochs SET fees = 7", "epoch-sums-are-jobs"),
        (
            "DELETE FROM chain_events",
            "clients-have-what-the-chain-gave",
        ),
        ("UPDATE outcomes SET settles_in = 2", "epoch-sums-are-jobs"),
        (
            "INSERT INTO open_jobs (job, blob) SELECT id, blob FROM jobs",
            "a-job-is-open-or-has-ended",
        ),
        (
            "UPDATE epochs SET number = 2",
            "clearing-is-what-epochs-owe",
        ),
        (
            "INSERT INTO journal VALUES (99, 1, 'x', '{}', zeroblob(32))",
            "journal-is-a-chain",
        ),
    ] {
        let f = Fixture::new().await;
        f.done(1, 20).await;
        f.ledger.close().await;
        let path = file(f.folder.path());
        let raw = Connection::open(&path).unwrap();
        raw.execute(sql, ()).unwrap();
        drop(raw);
        let readers_only = f.ledger.check().await.unwrap();
        assert!(
            readers_only.iter().any(|v| v.rule == rule),
            "{sql}: {readers_only:?}"
        );
    }
}

#[tokio::test]
async fn a_ledger_belongs_to_one_escrow_and_one_schema() {
    let f = Fixture::empty();
    f.ledger.close().await;
    assert!(matches!(
        f.ledger.submit(order(CLIENT, 1)).await,
        Err(swarm_ledger::CommandError::Ledger(LedgerError::Stopped))
    ));
    let path = file(f.folder.path());
    let other = LedgerConfig {
        chain_id: 1,
        ..config()
    };
    assert!(matches!(
        Ledger::open(&path, other),
        Err(LedgerError::OtherEscrow { .. })
    ));
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    assert!(matches!(
        Ledger::open(&path, config()),
        Err(LedgerError::SchemaTooNew { found: 99, .. })
    ));
    // A build before or after this one, with the same number.
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 1).unwrap();
    raw.execute_batch(
        "DROP INDEX transfers_client; CREATE INDEX transfers_client ON transfers (job)",
    )
    .unwrap();
    drop(raw);
    let said = |outcome: Result<(), LedgerError>| match outcome {
        Err(LedgerError::SchemaOther { what, .. }) => what,
        outcome => panic!("{outcome:?}"),
    };
    let restored = f.folder.path().join("restored.db");
    for outcome in [
        Ledger::open(&path, config()).map(drop),
        Ledger::restore(&path, &restored),
    ] {
        assert_eq!(said(outcome), "index transfers_client is another");
    }
    assert!(!restored.exists());
    let nowhere = f.folder.path().join("no/such/folder.db");
    assert!(matches!(
        Ledger::open(&nowhere, config()),
        Err(LedgerError::Open { .. })
    ));
    std::fs::write(&path, b"this is no database, and never was one").unwrap();
    assert!(Ledger::open(&path, config()).is_err());
}

#[tokio::test]
async fn one_command_that_storage_refuses_takes_no_neighbour_along() {
    let f = Fixture::new().await;
    f.ledger.close().await;
    let path = file(f.folder.path());
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "CREATE TRIGGER broken BEFORE INSERT ON jobs WHEN NEW.nonce = 13
         BEGIN SELECT RAISE(ABORT, 'planted'); END",
    )
    .unwrap();
    drop(raw);
    let ledger = Ledger::open(&path, config()).unwrap();
    // All queued at once, so that they share batches.
    let tasks: Vec<_> = (1..=40)
        .map(|nonce| {
            let ledger = ledger.clone();
            tokio::spawn(async move { (nonce, ledger.submit(order(CLIENT, nonce)).await) })
        })
        .collect();
    for task in tasks {
        let (nonce, outcome) = task.await.unwrap();
        match outcome {
            Ok(_) => assert_ne!(nonce, 13),
            Err(error) => {
                assert_eq!(nonce, 13, "{error}");
                assert!(matches!(
                    error,
                    swarm_ledger::CommandError::Ledger(LedgerError::Storage { .. })
                ));
            }
        }
    }
    let account = ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(account.reserved, MicroUsdc(3_900_000));
    assert_eq!(ledger.check().await.unwrap(), []);
}
