//! A line to the queen that can be made to break: a TCP proxy that cuts a connection in the middle of an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Shared {
    /// Bytes that came from the queen.
    passed: AtomicU64,
    /// Bytes from the queen after which a connection is cut.
    cut_after: AtomicU64,
    /// Connections that are still to be cut.
    cuts: AtomicU32,
}

/// The line; it stands until the runtime ends.
pub struct Line {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Line {
    /// Starts before the queen at `queen`, who need not be up.
    pub async fn start(queen: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let here = shared.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, queen, here.clone()));
            }
        });
        Self { shared, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts the next `cuts` connections over which more than `bytes` come from the queen.
    pub fn cut(&self, bytes: u64, cuts: u32) {
        self.shared.cut_after.store(bytes, SeqCst);
        self.shared.cuts.store(cuts, SeqCst);
    }

    /// Connections that were to be cut and were not.
    pub fn uncut(&self) -> u32 {
        self.shared.cuts.load(SeqCst)
    }

    /// Bytes that came from the queen over all connections.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(SeqCst)
    }
}

impl Shared {
    /// Counts; whether the connection over which `came` bytes have come is cut here.
    fn cuts_here(&self, new: u64, came: u64) -> bool {
        self.passed.fetch_add(new, SeqCst);
        let take = |cuts: u32| cuts.checked_sub(1);
        came > self.cut_after.load(SeqCst) && self.cuts.fetch_update(SeqCst, SeqCst, take).is_ok()
    }
}

async fn carry(mut near: TcpStream, queen: SocketAddr, shared: Arc<Shared>) {
    let Ok(mut far) = TcpStream::connect(queen).await else {
        return;
    };
    let (mut near_in, mut near_out) = near.split();
    let (mut far_in, mut far_out) = far.split();
    let down = async {
        let (mut buffer, mut came) = (vec![0; 64 << 10], 0);
        while let Ok(new @ 1..) = far_in.read(&mut buffer).await {
            came += new as u64;
            if shared.cuts_here(new as u64, came)
                || near_out.write_all(&buffer[..new]).await.is_err()
            {
                return;
            }
        }
    };
    // Whichever side ends, both ends are dropped.
    tokio::select! {
        _ = tokio::io::copy(&mut near_in, &mut far_out) => {}
        () = down => {}
    }
}
