//! A bee with the real network and a real head, against a queen on loopback. Needs what `scripts/setup` installs.

mod common;

use std::path::PathBuf;

use common::{Client, Queen, keys};
use swarm_bee::Bee;
use swarm_imaging::{LoadOptions, load};
use swarm_inference::ModelPackage;
use swarm_store::{age, archive};
use swarm_types::digest;
use tokio_util::sync::CancellationToken;

fn cached(path: &str) -> PathBuf {
    let home =
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/swarmos");
    let path = std::env::var_os("SWARM_CACHE")
        .map_or_else(home, PathBuf::from)
        .join(path);
    assert!(
        path.exists(),
        "{} is missing: run scripts/setup",
        path.display()
    );
    path
}

#[tokio::test]
async fn a_real_scan_goes_through_the_real_network() {
    let scan = std::fs::read(cached("scan/ch2.nii.gz")).expect("reads");
    let files = vec![("ch2.nii.gz".to_string(), scan)];
    let queen = Queen::start().await;
    let dir = tempfile::tempdir().expect("dir");
    let mut keys = keys(dir.path(), &queen);
    keys.config.models = cached("models");
    keys.config.onnxruntime = Some(cached("onnxruntime/libonnxruntime.so"));
    let model = ModelPackage::from_dir(&cached("models/brain_mri"))
        .expect("package")
        .digest();
    let client = Client::new();
    let lease = client.lease(&queen, 1, model, &files, &keys.identity);
    queen.state().pending.push_back(lease);

    let stop = CancellationToken::new();
    let bee = tokio::spawn(Bee::run(keys.config, stop.clone()));
    queen
        .until("completed", |queen| {
            assert!(queen.failed.is_empty(), "{:?}", queen.failed);
            !queen.completed.is_empty()
        })
        .await;
    stop.cancel();
    bee.await.expect("joins").expect("ends well");

    let queen = queen.state();
    let (_, done) = &queen.completed[0];
    assert!(
        done.engine.starts_with("onnxruntime-cpu 1."),
        "{}",
        done.engine
    );
    assert_eq!(done.execution.engine, swarm_types::sha256(&done.engine));
    let sealed = &queen.blobs[&done.result.sha256];
    let tar = age::decrypt(sealed, &client.identity, 64 << 20).expect("decrypts");
    let results = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("unpacks");
    assert_eq!(digest::manifest_digest(&results), done.manifest);
    let names: Vec<_> = results.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mask.nii.gz", "report.json", "montage.png"]);
    let options = LoadOptions::default();
    let (head, mask) = (load(&files, &options), load(&results[..1], &options));
    assert_eq!(mask.expect("loads").dims(), head.expect("loads").dims());
    assert!(results[2].1.starts_with(b"\x89PNG"));
}
