//! `swarmd warden`: does what needs privilege (`swarm_host::warden`), on the socket that systemd hands over.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use swarm_host::warden::{Allowed, ThisBox, serve};
use swarm_host::{logging, notify};
use tokio::net::UnixListener;

use crate::run::WrongConfig;

/// A warden that nobody asks for so long ends.
const IDLE: Duration = Duration::from_secs(60);

/// `swarmd warden`.
#[derive(clap::Args, Debug)]
pub struct WardenArgs {
    /// A user that may ask, besides root; can be given more than once
    #[arg(long = "allow", value_name = "USER")]
    allow: Vec<String>,
    /// Listen here instead of on systemd's socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Serves until nobody asks.
pub async fn run(args: &WardenArgs) -> Result<()> {
    let allowed = Allowed::users(&args.allow).map_err(|e| WrongConfig::because("--allow", &e))?;
    let _log = logging::init(None, &[]).context("set up the log")?;
    let listener = match &args.socket {
        Some(path) => UnixListener::bind(path)
            .with_context(|| format!("--socket: listen on {}", path.display()))?,
        None => {
            let handed = ListenFd::from_env().take_unix_listener(0);
            let Some(listener) = handed.context("take systemd's socket")? else {
                bail!("systemd handed over no socket, and --socket names none");
            };
            listener
                .set_nonblocking(true)
                .context("use systemd's socket")?;
            UnixListener::from_std(listener).context("use systemd's socket")?
        }
    };
    notify::ready();
    notify::status("waits for a request");
    let served = serve(&listener, &allowed, &mut ThisBox::default(), IDLE).await;
    served.context("listen")
}
