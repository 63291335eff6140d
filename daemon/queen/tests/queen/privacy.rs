//! What the queen's disk holds of a client's scan: ciphertext while the job needs it, nothing that opens afterwards.

use std::path::{Path, PathBuf};

use swarm_store::{age, archive};

use crate::rig::{Rig, until};

/// Every file below `dir` with its bytes.
fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            found.push((path, bytes));
        }
    }
    found
}

fn holds(files: &[(PathBuf, Vec<u8>)], needle: &[u8]) -> Option<PathBuf> {
    let found = files
        .iter()
        .find(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle));
    found.map(|(path, _)| path.clone())
}

#[tokio::test]
async fn after_deletion_a_restored_disk_opens_nothing() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let state = rig.dir.path().join("state");
    let scan: Vec<u8> = (0..20_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let request = rig.order(&scan).await;
    rig.as_client(&rig.client)
        .submit(&request)
        .await
        .expect("accepted");
    let lease = bee.poll(5).await.expect("work");
    let input = bee
        .queen
        .download_blob(lease.input, &mut |_, _| {})
        .await
        .expect("the input");

    // Before: only the ciphertext, and the bee's key alone opens it.
    let before = everything(&state);
    let pattern = &scan[1_000..1_064];
    assert_eq!(holds(&before, pattern), None, "plaintext is on disk");
    let payload = &input[input.len() - 500..input.len() - 400];
    assert!(holds(&before, payload).is_some(), "the ciphertext is there");
    let header_end = input
        .windows(5)
        .position(|w| w == b"\n--- ")
        .expect("an age file");
    let wrapped = &input[header_end - 40..header_end];
    assert!(
        holds(&before, wrapped).is_some(),
        "the wrapped key is there"
    );
    let tar = age::decrypt(&input, &bee.identity, 1 << 20).expect("opens for the bee");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("a tar");
    assert_eq!(files[0].1, scan);

    let done = bee.work(&lease).await;
    bee.queen
        .complete(lease.job_id, &done)
        .await
        .expect("completed");
    let record = until("the input is destroyed", || async {
        let record = rig
            .handle
            .ledger
            .blob(lease.input.sha256)
            .await
            .expect("reads")
            .expect("a record");
        record.deleted_at.is_some().then_some(record)
    })
    .await;
    assert!(
        record.deleted_reason.is_some(),
        "the deletion is recorded with its reason"
    );

    // After: the disk as it is, the log beside the database included, and a backup of the ledger.
    let backup = rig.dir.path().join("backup.sqlite");
    rig.handle.ledger.backup(&backup).await.expect("a backup");
    let mut after = everything(&state);
    after.push((backup.clone(), std::fs::read(&backup).expect("readable")));
    for (what, needle) in [
        ("plaintext", pattern),
        ("the wrapped key", wrapped),
        ("the ciphertext", payload),
    ] {
        assert_eq!(holds(&after, needle), None, "{what} is still on disk");
    }
    // Whoever has the bee's key as well gets nothing, not from a file and not from two put together.
    let mut tried = 0;
    for (path, bytes) in &after {
        for rest in std::iter::once(&Vec::new()).chain(after.iter().map(|(_, bytes)| bytes)) {
            let joined = [&bytes[..], &rest[..]].concat();
            assert!(
                age::decrypt(&joined, &bee.identity, 1 << 20).is_err(),
                "{} opens",
                path.display()
            );
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried} files");
    // The result, which the client may still fetch, opens for the client and for nobody else.
    let result = everything(&state.join("blobs"));
    assert!(!result.is_empty(), "the result is kept");
    rig.handle.shutdown().await;
}
