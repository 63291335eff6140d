//! The warden itself: one connection at a time, one request a line.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

use super::LINE_BYTES_MAX;
use super::acts::Acts;
use super::protocol::{Answer, Refusal, Request};

/// Longest wait for a peer's next line, so that a silent one keeps nobody out.
const LINE_TIME_MAX: Duration = Duration::from_secs(2);
/// Most requests of one connection, for the same reason.
const REQUESTS_MAX: usize = 16;
/// Where users and their numbers are; those of `sysusers.d` are there too.
const PASSWD: &str = "/etc/passwd";

/// Users that may ask. The socket's mode says the same; a mode is changed more easily by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(BTreeSet<u32>);

/// A user that may ask is not there.
#[derive(Debug, thiserror::Error)]
pub enum AllowedError {
    /// The list of users cannot be read.
    #[error("{PASSWD} cannot be read")]
    Passwd(#[source] io::Error),
    /// No such user.
    #[error("there is no user '{0}' on this box")]
    Unknown(String),
}

impl Allowed {
    /// Root, and these users of this box.
    ///
    /// # Errors
    /// [`AllowedError`]; a name that is not there is a mistake, and is not passed over.
    pub fn users(names: &[String]) -> Result<Self, AllowedError> {
        let passwd = std::fs::read_to_string(PASSWD).map_err(AllowedError::Passwd)?;
        let mut ids = vec![0];
        for name in names {
            let id = uid_of(name, &passwd).ok_or_else(|| AllowedError::Unknown(name.clone()))?;
            ids.push(id);
        }
        Ok(Self::ids(ids))
    }

    /// Users by number.
    pub fn ids(ids: impl IntoIterator<Item = u32>) -> Self {
        Self(ids.into_iter().collect())
    }
}

fn uid_of(name: &str, passwd: &str) -> Option<u32> {
    let fields = |line: &str| -> Option<u32> {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    };
    passwd.lines().find_map(fields)
}

/// Answers until nobody connects for `idle`; systemd keeps the socket and starts the next one.
///
/// # Errors
/// When the socket cannot be listened to.
pub async fn serve(
    listener: &UnixListener,
    allowed: &Allowed,
    acts: &mut dyn Acts,
    idle: Duration,
) -> io::Result<()> {
    // Cancel-safe: a connection that is not taken waits for the next warden.
    while let Ok(accepted) = tokio::time::timeout(idle, listener.accept()).await {
        let (stream, _) = accepted?;
        if let Err(error) = attend(stream, allowed, acts).await {
            tracing::warn!(%error, "a connection to the warden broke");
        }
    }
    Ok(())
}

/// One connection, to its end.
async fn attend(mut stream: UnixStream, allowed: &Allowed, acts: &mut dyn Acts) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.split();
    if !allowed.0.contains(&peer.uid()) {
        let reason = format!("user {} may not ask the warden", peer.uid());
        tracing::warn!(uid = peer.uid(), pid = peer.pid(), "refused: {reason}");
        let refused = Answer::Refused(Refusal::new("peer", reason));
        return say(&mut write, &refused).await;
    }
    let mut reader = BufReader::new(read);
    for _ in 0..REQUESTS_MAX {
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        let mut limited = (&mut reader).take(limit);
        let read = limited.read_until(b'\n', &mut line);
        match tokio::time::timeout(LINE_TIME_MAX, read).await {
            Ok(Ok(0)) | Err(_) => return Ok(()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
        if line.pop() != Some(b'\n') {
            let reason = format!("is not a line of at most {LINE_BYTES_MAX} bytes");
            let refused = Answer::Refused(Refusal::new("request", reason));
            return say(&mut write, &refused).await;
        }
        let answer = answer(&line, &peer, acts);
        say(&mut write, &answer).await?;
    }
    Ok(())
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_string(answer).map_err(io::Error::other)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await
}

fn answer(line: &[u8], peer: &UCred, acts: &mut dyn Acts) -> Answer {
    let line = String::from_utf8_lossy(line);
    let done = Request::parse(&line)
        .map_err(Answer::Refused)
        .and_then(|request| act(&request, acts));
    let (uid, pid) = (peer.uid(), peer.pid());
    match done {
        Ok(()) => {
            tracing::info!(uid, pid, request = %line, "done");
            Answer::Done
        }
        Err(answer) => {
            tracing::warn!(uid, pid, request = %line, ?answer, "not done");
            answer
        }
    }
}

// Acts block, and nobody else is served meanwhile: a box has one set of switches.
fn act(request: &Request, acts: &mut dyn Acts) -> Result<(), Answer> {
    let failed = |error: super::ActError| Answer::Failed {
        reason: error.to_string(),
    };
    match request {
        Request::SetGpuPowerLimit { gpu, watts } => {
            let range = acts.gpu_power_range(gpu).map_err(failed)?;
            let Some(range) = range else {
                let reason = format!("there is no GPU {gpu} in this box");
                return Err(Answer::Refused(Refusal::new("gpu", reason)));
            };
            if !range.contains(watts) {
                let (least, most) = range.into_inner();
                let reason = format!("{watts} is not {least} to {most}, as the driver allows");
                return Err(Answer::Refused(Refusal::new("watts", reason)));
            }
            acts.set_gpu_power_limit(gpu, *watts).map_err(failed)
        }
        Request::SetWakeTimer { seconds } => acts
            .set_wake_timer(Duration::from_secs(*seconds))
            .map_err(failed),
        Request::PowerOff => acts.power_off().map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd =
            "root:x:0:0::/:/bin/sh\nswarm-queen-2:x:7:7::/:/x\nswarm-queen:x:990:9::/:/x\n";
        assert_eq!(uid_of("swarm-queen", passwd), Some(990));
        assert_eq!(uid_of("swarm", passwd), None);
        assert_eq!(uid_of("x", passwd), None);
        let error = Allowed::users(&["no-such-user".into()]).expect_err("unknown");
        assert!(error.to_string().contains("'no-such-user'"), "{error}");
        assert_eq!(Allowed::users(&[]).expect("reads"), Allowed::ids([0]));
    }
}
