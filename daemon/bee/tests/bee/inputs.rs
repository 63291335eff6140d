//! What a bee refuses.

use swarm_imaging::{FakePatient, SeriesSpec, write_series};
use swarm_store::{age, archive};
use swarm_types::{B256, digest, sha256};

use crate::hive::{Hive, MODEL, scan, volume};

#[tokio::test]
async fn bad_inputs_are_refused_with_reasons_that_hold_nothing_of_the_patient() {
    let hive = Hive::open().await;
    let (queen, client, me) = (&hive.queen, &hive.client, &hive.keys.identity);
    let good = scan(1);
    let other = age::Identity::generate();
    let garbage = |bytes: &[u8], seq| {
        let ciphertext = age::encrypt(bytes, &[me.recipient()]).expect("encrypts");
        client.lease_of(queen, seq, MODEL, sha256(bytes), ciphertext)
    };
    let tar = archive::pack(&good).expect("packs");
    let sealed = age::encrypt(&tar, &[me.recipient()]).expect("encrypts");
    let mut bent = sealed.clone();
    *bent.last_mut().expect("bytes") ^= 1;
    let identified = write_series(&volume(1), &SeriesSpec::default()).expect("series");
    let text = vec![(
        "DOE_JOHN.txt".to_string(),
        b"JOHN DOE, born 1970-01-01".to_vec(),
    )];
    let twice = [tar.strip_suffix(&[0; 1024]).expect("end"), &tar].concat();
    let mut no_reply = client.lease(queen, 11, MODEL, &good, me);
    no_reply.reply_to = "age1nobody".into();

    let cases = [
        (
            client.lease(queen, 1, MODEL, &good, &other),
            true,
            "not encrypted to this bee",
        ),
        (
            client.lease_of(queen, 2, MODEL, sha256(b"another"), sealed),
            false,
            "not the one that the order names",
        ),
        (
            client.lease_of(queen, 3, MODEL, digest::input_digest(&good), bent),
            false,
            "not a whole age file",
        ),
        (garbage(b"no tar", 4), false, "not a tar"),
        (garbage(&twice, 5), false, "not a tar"),
        (
            client.lease(queen, 6, MODEL, &identified, me),
            false,
            "identifies its patient",
        ),
        (client.lease(queen, 7, MODEL, &text, me), false, "file 1"),
        (
            client.lease(queen, 8, B256::ZERO, &good, me),
            true,
            "does not have the model",
        ),
        (
            client.lease(queen, 9, MODEL, &scan(14), me),
            false,
            "windows",
        ),
        (no_reply, false, "reply_to"),
        (
            client.lease(queen, 10, MODEL, &scan(13), me),
            true,
            "the engine crashed",
        ),
    ];
    let patient = FakePatient::default();
    let bee = hive.start();
    for (lease, retryable, words) in cases {
        let job = lease.job_id;
        hive.submit(lease);
        hive.queen
            .until("failed", |queen| {
                queen.failed.iter().any(|(failed, _)| *failed == job)
            })
            .await;
        let failed = hive.queen.state().failed.last().expect("failed").1.clone();
        assert_eq!(failed.retryable, retryable, "{job}: {}", failed.reason);
        assert!(failed.reason.contains(words), "{job}: {}", failed.reason);
        let reason = failed.reason.to_uppercase();
        for secret in ["DOE_", "DOE,", "JOHN", "1970", ".DCM", ".NII"] {
            assert!(!reason.contains(secret), "{job}: {}", failed.reason);
        }
        for secret in [
            &patient.name,
            &patient.id,
            &patient.birth_date,
            &patient.institution,
        ] {
            assert!(!failed.reason.contains(secret), "{job}: {}", failed.reason);
        }
    }
    // A bee whose engine crashed, as with the last of these, is not ready until its self-test passes again.
    hive.queen
        .until("not ready", |queen| {
            queen.heartbeats.last().is_some_and(|beat| !beat.ready)
        })
        .await;
    assert!(hive.queen.state().completed.is_empty());
    hive.stopped(bee).await;
}
