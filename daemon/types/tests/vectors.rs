//! The committed vectors are what the code gives today.

#[path = "vectors/mod.rs"]
mod made;

use std::path::Path;

#[test]
fn committed_vectors_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (name, bytes) in made::all() {
        let committed = std::fs::read(folder.join(&name)).expect("a committed vector");
        assert!(
            committed == bytes,
            "{name} changed: cargo run -p swarm-types --example vectors"
        );
    }
}

#[test]
fn the_committed_bundle_verifies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/epoch-002");
    let verified = swarm_types::bundle::verify(|name| std::fs::read(folder.join(name)).ok())
        .expect("verifies");
    assert_eq!(verified.leaves.len(), 9);
    assert_eq!(verified.settlers.len(), 2);
}
