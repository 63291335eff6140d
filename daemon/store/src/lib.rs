//! Encrypted blobs by content address, and what goes into them.
//!
//! - [`BlobStore`]: resumable uploads, digest checked before a blob exists, ranged reads, deletion that destroys the
//!   wrapped key first.
//! - [`age`]: encryption to recipients (age format, X25519).
//! - [`archive`]: the tar that a plaintext is, packed the same way every time and unpacked with suspicion.
//! - [`cid`]: CIDv1 of a blob and of a bundle's directory.
//!
//! Nothing here opens a network connection. Plaintext never touches the disk.

pub mod age;
pub mod archive;
mod blob;
pub mod cid;
mod error;
mod layout;
mod read;

pub use blob::{BlobLimits, BlobStore};
pub use error::StoreError;
pub use read::BlobRead;
