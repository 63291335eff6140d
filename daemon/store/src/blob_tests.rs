//! The store on a real directory.

use super::*;
use crate::age;

fn reference(bytes: &[u8]) -> BlobRef {
    BlobRef {
        sha256: sha256(bytes),
        size: bytes.len() as u64,
    }
}

async fn store(dir: &std::path::Path) -> BlobStore {
    BlobStore::open(dir, BlobLimits::default())
        .await
        .expect("opens")
}

fn sealed(plaintext: &[u8]) -> (age::Identity, Vec<u8>) {
    let identity = age::Identity::generate();
    let bytes = age::encrypt(plaintext, &[identity.recipient()]).expect("encrypts");
    (identity, bytes)
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stopped_after_a_restart() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, bytes) = sealed(&[5; 3000]);
    let blob = reference(&bytes);
    // Pieces that cut the header, end with it, and go on after it.
    for pieces in [[10, 1500], [200, 201], [2000, 2001]] {
        let first = store(dir.path()).await;
        assert_eq!(first.begin(blob).await.expect("begins").offset, 0);
        first
            .append(blob.sha256, 0, bytes[..pieces[0]].to_vec())
            .await
            .expect("appends");
        drop(first);
        let again = store(dir.path()).await;
        let status = again.begin(blob).await.expect("found");
        assert_eq!((status.offset, status.complete), (pieces[0] as u64, false));
        assert!(matches!(
            again.read(blob.sha256, None).await,
            Err(StoreError::Unknown(_))
        ));
        let second = bytes[pieces[0]..pieces[1]].to_vec();
        again
            .append(blob.sha256, pieces[0] as u64, second)
            .await
            .expect("appends");
        let rest = bytes[pieces[1]..].to_vec();
        let status = again
            .append(blob.sha256, pieces[1] as u64, rest)
            .await
            .expect("appends");
        assert!(status.complete);
        assert_eq!(
            again.read_all(blob.sha256, 1 << 20).await.expect("reads"),
            bytes
        );
        // A replay of the last piece, or of the beginning, changes nothing.
        assert!(
            again
                .append(blob.sha256, 0, vec![1])
                .await
                .expect("known")
                .complete
        );
        assert!(again.begin(blob).await.expect("known").complete);
        assert!(again.delete(blob.sha256).await.expect("deletes"));
    }
}

#[tokio::test]
async fn every_range_is_that_of_the_uploaded_bytes() {
    let dir = tempfile::tempdir().expect("dir");
    let store = store(dir.path()).await;
    let (_, bytes) = sealed(b"a small scan");
    let blob = store.put(bytes.clone()).await.expect("puts");
    assert_eq!(blob, reference(&bytes));
    let size = blob.size;
    for start in (0..=size).step_by(7) {
        for end in (start..=size).step_by(11) {
            let mut read = Vec::new();
            let mut reader = store
                .read(blob.sha256, Some(start..end))
                .await
                .expect("opens");
            reader.read_to_end(&mut read).await.expect("reads");
            assert_eq!(read, bytes[start as usize..end as usize]);
        }
    }
    let beyond = store.read(blob.sha256, Some(0..size + 1)).await;
    assert!(matches!(beyond, Err(StoreError::Range { .. })));
    assert_eq!(
        store.cid(blob.sha256).await.expect("cid"),
        cid::of_bytes(&bytes)
    );
    assert!(matches!(
        store.read_all(blob.sha256, size - 1).await,
        Err(StoreError::Size { .. })
    ));
}

#[tokio::test]
async fn wrong_bytes_never_become_a_blob() {
    let dir = tempfile::tempdir().expect("dir");
    let store = store(dir.path()).await;
    let blob = reference(b"what was promised");
    store.begin(blob).await.expect("begins");
    let refused = store
        .append(blob.sha256, 0, b"what was PROMISED".to_vec())
        .await;
    assert!(matches!(refused, Err(StoreError::Digest { .. })));
    assert_eq!(store.status(blob.sha256).await.expect("status"), None);
    store.begin(blob).await.expect("begins anew");
    assert!(
        store
            .append(blob.sha256, 0, b"what was promised".to_vec())
            .await
            .expect("whole")
            .complete
    );
}

#[tokio::test]
async fn odd_pieces_and_sizes_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let limits = BlobLimits {
        blob_bytes_max: 16 << 20,
        uploads_max: 2,
    };
    let store = BlobStore::open(dir.path(), limits).await.expect("opens");
    let blob = reference(b"0123456789");
    assert!(matches!(
        store.append(blob.sha256, 0, vec![0]).await,
        Err(StoreError::Unknown(_))
    ));
    for size in [0, (16 << 20) + 1] {
        let refused = store.begin(BlobRef { size, ..blob }).await;
        assert!(matches!(refused, Err(StoreError::Size { .. })), "{size}");
    }
    store.begin(blob).await.expect("begins");
    store
        .append(blob.sha256, 0, b"012".to_vec())
        .await
        .expect("appends");
    let other_size = store.begin(BlobRef { size: 11, ..blob }).await;
    assert!(matches!(
        other_size,
        Err(StoreError::SizeDiffers {
            begun: 10,
            given: 11
        })
    ));
    for (offset, piece) in [(0, 3), (4, 1), (3, 8), (u64::MAX, 1)] {
        let refused = store.append(blob.sha256, offset, vec![0; piece]).await;
        assert!(
            matches!(
                refused,
                Err(StoreError::Offset { .. } | StoreError::Overrun { .. })
            ),
            "{offset}"
        );
    }
    let long = store
        .append(blob.sha256, 3, vec![0; BLOB_PIECE_BYTES_MAX + 1])
        .await;
    assert!(matches!(long, Err(StoreError::PieceTooLong { .. })));
    assert_eq!(
        store
            .status(blob.sha256)
            .await
            .expect("status")
            .expect("there")
            .offset,
        3
    );
    store.begin(reference(b"two")).await.expect("begins");
    assert!(matches!(
        store.begin(reference(b"three")).await,
        Err(StoreError::TooManyUploads(2))
    ));
    assert_eq!(
        store
            .sweep_uploads(Duration::from_secs(3600))
            .await
            .expect("sweeps"),
        0
    );
    assert_eq!(
        store.sweep_uploads(Duration::ZERO).await.expect("sweeps"),
        2
    );
    store.begin(reference(b"three")).await.expect("room again");
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    let dir = tempfile::tempdir().expect("dir");
    let store = store(dir.path()).await;
    let mut bytes = b"age-encryption.org/v1\n".to_vec();
    bytes.resize(age::HEADER_BYTES_MAX + 10, b'x');
    let blob = reference(&bytes);
    store.begin(blob).await.expect("begins");
    let refused = store.append(blob.sha256, 0, bytes).await;
    assert!(matches!(refused, Err(StoreError::HeaderTooLong(_))));
}

#[tokio::test]
async fn deletion_destroys_the_wrapped_key_also_when_it_was_interrupted() {
    let dir = tempfile::tempdir().expect("dir");
    let first = store(dir.path()).await;
    let (identity, bytes) = sealed(&[9; 5000]);
    let blob = first.put(bytes.clone()).await.expect("puts");
    let name = swarm_types::hex::encode(blob.sha256);
    let place = dir.path().join("blobs").join(&name);
    // On disk the key and what it opens are apart.
    let header = std::fs::read(place.join("header")).expect("header");
    let payload = std::fs::read(place.join("payload")).expect("payload");
    assert_eq!([header.clone(), payload.clone()].concat(), bytes);
    assert!(age::decrypt(&payload, &identity, 1 << 20).is_err());

    // A second name of the same inode sees what the deletion wrote before it unlinked the file.
    let witness = dir.path().join("witness");
    std::fs::hard_link(place.join("header"), &witness).expect("links");
    let mut open = first.read(blob.sha256, None).await.expect("opens");
    assert!(first.delete(blob.sha256).await.expect("deletes"));
    assert!(!first.delete(blob.sha256).await.expect("nothing left"));
    assert_eq!(
        std::fs::read(&witness).expect("witness"),
        vec![0; header.len()]
    );
    assert!(matches!(
        first.read(blob.sha256, None).await,
        Err(StoreError::Unknown(_))
    ));
    let mut rest = Vec::new();
    open.read_to_end(&mut rest)
        .await
        .expect("a reader that was there first is not disturbed");
    assert_eq!(rest, bytes);

    // Power went after the rename into deleted/: the next start finishes.
    first.put(bytes.clone()).await.expect("puts again");
    let doomed = dir.path().join("deleted").join(&name);
    std::fs::rename(&place, &doomed).expect("renames");
    drop(first);
    let again = store(dir.path()).await;
    assert!(!doomed.exists());
    assert_eq!(again.status(blob.sha256).await.expect("status"), None);
}

#[tokio::test]
async fn a_crash_between_the_last_byte_and_the_check_is_caught_up() {
    let dir = tempfile::tempdir().expect("dir");
    let store = store(dir.path()).await;
    let blob = reference(b"0123456789");
    store.begin(blob).await.expect("begins");
    store
        .append(blob.sha256, 0, b"012345678".to_vec())
        .await
        .expect("appends");
    let name = swarm_types::hex::encode(blob.sha256);
    let payload = dir.path().join("uploads").join(name).join("payload");
    std::fs::write(payload, b"0123456789").expect("writes");
    assert!(store.begin(blob).await.expect("checked").complete);
}
