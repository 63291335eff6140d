//! SHA-256 and the digests that the protocol builds from it.

use alloy_primitives::B256;
use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: impl AsRef<[u8]>) -> B256 {
    B256::new(Sha256::digest(bytes.as_ref()).into())
}

/// SHA-256 of the parts, joined.
pub fn sha256_parts(parts: &[&[u8]]) -> B256 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    B256::new(hasher.finalize().into())
}

/// `input` of an order and `result` of an execution: SHA-256(salt ‖ digest). The salt keeps a public
/// bundle from showing which study was sent.
pub fn salted(salt: &B256, digest: &B256) -> B256 {
    sha256_parts(&[salt.as_slice(), digest.as_slice()])
}

/// The manifest of several files, as `sha256sum` prints it: `<64 hex><two spaces><path>\n` a file,
/// sorted by the path's bytes. Paths are relative, with `/`.
pub fn manifest<'a>(files: impl IntoIterator<Item = (&'a str, B256)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    files
        .iter()
        .map(|(path, digest)| format!("{}  {path}\n", hex::encode(digest)))
        .collect()
}

/// `d` of an input: SHA-256 of the only file, or of the manifest when there are several.
pub fn input_digest(files: &[(String, Vec<u8>)]) -> B256 {
    match files {
        [(_, bytes)] => sha256(bytes),
        files => manifest_digest(files),
    }
}

/// SHA-256 of the manifest of `files`; what a result and a model package are named by.
pub fn manifest_digest(files: &[(String, Vec<u8>)]) -> B256 {
    sha256(manifest(
        files
            .iter()
            .map(|(path, bytes)| (path.as_str(), sha256(bytes))),
    ))
}

/// The origin's proof-of-execution hash: sha256(job_id + result_hash + worker_ens), UTF-8, the result
/// hash as 64 hex digits without 0x. A commitment, not evidence that anything ran.
pub fn poe_hash(job: crate::JobId, result: &B256, worker: &str) -> B256 {
    sha256(format!("{job}{}{worker}", hex::encode(result)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_is_what_sha256sum_prints() {
        let files = vec![
            ("b/2.dcm".to_string(), b"two".to_vec()),
            ("a.dcm".to_string(), b"one".to_vec()),
        ];
        let text = manifest(files.iter().map(|(p, b)| (p.as_str(), sha256(b))));
        assert_eq!(
            text,
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.dcm\n\
             3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  b/2.dcm\n"
        );
        assert_eq!(input_digest(&files), sha256(text));
        assert_eq!(input_digest(&files[..1]), sha256(b"two"));
    }
}
