//! How many connections may be open: in all, so that file descriptors last for the ledger and the store, and
//! from one address, so that nobody takes them all. One too many is closed at once and counted; with so many
//! open there is nobody to read an answer.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use swarm_host::files;

use crate::state::App;

/// Files that the queen needs beside connections: ledger, blobs, bundles, her own requests.
const FILES_SPARE: usize = 512;

/// Accepts what the limits allow. The innermost acceptor: TLS is spoken over what it lets in.
#[derive(Clone)]
pub(crate) struct Limited {
    app: App,
    /// Most in all.
    max: usize,
    open: Arc<Mutex<Open>>,
}

/// What is open now.
#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Limited {
    /// The limits of the queen's configuration, as far as the process may open files.
    pub fn new(app: App) -> Self {
        let wanted = app.config.limits.connections_max;
        let files =
            files::raise_limit().map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let max = wanted.min(files.saturating_sub(FILES_SPARE).max(1));
        if max < wanted {
            tracing::warn!(
                files,
                "limits.connections_max is {wanted}, but only {max} connections fit beside the queen's files"
            );
        }
        Self {
            app,
            max,
            open: Arc::default(),
        }
    }

    /// A place for a connection from `address`, given back when dropped; `None` when there is none.
    fn place(&self, address: IpAddr) -> Option<Place> {
        let config = &self.app.config;
        let mut open = lock(&self.open);
        if open.all >= self.max {
            return None;
        }
        // Behind a proxy everybody comes from the proxy's address.
        let own = open.by_address.entry(address).or_default();
        if !config.listen.behind_proxy && *own >= config.limits.connections_per_address_max {
            return None;
        }
        *own += 1;
        open.all += 1;
        Some(Place {
            open: self.open.clone(),
            address,
        })
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    // Counting cannot panic half way.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Accept<TcpStream, S> for Limited {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = stream.peer_addr().and_then(|peer| {
            let Some(place) = self.place(peer.ip()) else {
                self.app.metrics.connections_refused.add(1);
                return Err(io::Error::other("too many connections are open"));
            };
            // An answer goes out when it is written, not when the one before was acknowledged.
            stream.set_nodelay(true)?;
            Ok(Counted {
                stream,
                _place: place,
            })
        });
        ready(accepted.map(|stream| (stream, service)))
    }
}

/// One open connection's place among all.
struct Place {
    open: Arc<Mutex<Open>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.all -= 1;
        if let Some(own) = open.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// A connection that holds its place as long as it lives.
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Place,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
