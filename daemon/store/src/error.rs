//! What can go wrong with a blob.

use std::io;
use std::path::PathBuf;

use swarm_types::B256;

/// Why the store refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither a blob nor an upload of that digest.
    #[error("there is no blob {0}")]
    Unknown(B256),
    /// The size that the upload announced is outside the limits.
    #[error("a blob has 1 to {max} bytes, not {size}")]
    Size {
        /// What was announced.
        size: u64,
        /// The store's limit.
        max: u64,
    },
    /// The upload was begun with another size.
    #[error("the upload of this blob was begun with {begun} bytes, not {given}")]
    SizeDiffers {
        /// Size of the first `begin`.
        begun: u64,
        /// Size of this one.
        given: u64,
    },
    /// Too many uploads are open.
    #[error("{0} uploads are open already; finish one, or wait until unfinished ones are swept")]
    TooManyUploads(usize),
    /// A piece is longer than one request may carry.
    #[error("a piece has at most {max} bytes, not {length}")]
    PieceTooLong {
        /// Bytes of the piece.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A piece does not begin where the upload ends.
    #[error(
        "the upload stands at byte {expected}, the piece begins at {given}: ask for the status and go on from there"
    )]
    Offset {
        /// Where the next piece must begin.
        expected: u64,
        /// Where it began.
        given: u64,
    },
    /// More bytes than announced.
    #[error("the piece ends at byte {end}, after the announced size of {size}")]
    Overrun {
        /// End of the piece.
        end: u64,
        /// Announced size.
        size: u64,
    },
    /// All bytes are there, and they are not what the address says. The upload is gone.
    #[error("the bytes have the digest {found}, not {expected}; the upload was discarded")]
    Digest {
        /// The address.
        expected: B256,
        /// The digest of what came.
        found: B256,
    },
    /// An age header longer than any honest one.
    #[error("the age header is longer than {0} bytes")]
    HeaderTooLong(usize),
    /// A range that is not within the blob.
    #[error("bytes {start}..{end} are not within a blob of {size} bytes")]
    Range {
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
        /// Size of the blob.
        size: u64,
    },
    /// The disk.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Gives an IO error its action and path.
pub(crate) fn io_at(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}
