//! Writes the protocol's test vectors: `cargo run -p swarm-types --example vectors`.
//!
//! `vectors/protocol.json` holds single values; `vectors/epoch-002/` is a whole bundle. Any language can
//! read them; the tests of this crate and `scripts/test-vectors` check that they still hold.

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (name, bytes) in vectors::all() {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

#[path = "../tests/vectors/mod.rs"]
mod vectors;
