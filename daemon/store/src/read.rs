//! Reading a blob, or a range of it, as the bytes that were uploaded.

use std::io::{Cursor, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, Chain, ReadBuf, Take};

use crate::error::{StoreError, io_at};

/// An open range of a blob. A deletion meanwhile does not disturb it.
#[derive(Debug)]
pub struct BlobRead {
    /// Size of the whole blob.
    pub size: u64,
    /// The bytes that it gives.
    pub range: Range<u64>,
    inner: Chain<Cursor<Vec<u8>>, Take<tokio::fs::File>>,
}

impl BlobRead {
    /// `range` of the blob that `header` and `payload` are.
    pub(crate) async fn new(
        header: Vec<u8>,
        payload: std::fs::File,
        size: u64,
        range: Range<u64>,
    ) -> Result<Self, StoreError> {
        if range.start > range.end || range.end > size {
            let Range { start, end } = range;
            return Err(StoreError::Range { start, end, size });
        }
        let split = header.len() as u64;
        let within = |at: u64| at.min(split) as usize;
        let first = header[within(range.start)..within(range.end)].to_vec();
        let mut file = tokio::fs::File::from_std(payload);
        file.seek(SeekFrom::Start(range.start.saturating_sub(split)))
            .await
            .map_err(io_at("read", "payload".as_ref()))?;
        let rest = range.end.max(split) - range.start.max(split);
        Ok(Self {
            size,
            range,
            inner: Cursor::new(first).chain(file.take(rest)),
        })
    }
}

impl AsyncRead for BlobRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}
