//! How a daemon asks the warden.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, Refusal, Request};
use super::{LINE_BYTES_MAX, SOCKET};

/// Longest wait for an answer: systemd starts the warden first, and NVML takes seconds to wake a driver.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// Nobody listens: not an appliance, or its socket unit is off.
    #[error("the warden at {socket} cannot be reached")]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It refuses.
    #[error("the warden refuses: {}: {}", .0.field, .0.reason)]
    Refused(Refusal),
    /// It tried.
    #[error("the warden failed: {0}")]
    Failed(String),
    /// It said nothing, or nothing that is an answer.
    #[error("the warden gave no answer: {0}")]
    NoAnswer(String),
}

/// The warden of this box, seen from a daemon.
#[derive(Clone, Debug)]
pub struct Warden {
    socket: PathBuf,
}

impl Default for Warden {
    /// The one of an appliance.
    fn default() -> Self {
        Self::at(SOCKET)
    }
}

impl Warden {
    /// The one at `socket`. Connects only when something is asked.
    pub fn at(socket: impl AsRef<Path>) -> Self {
        let socket = socket.as_ref().to_owned();
        Self { socket }
    }

    /// Limits the power of the GPU with this UUID (`GPU-…`) to `watts`.
    ///
    /// # Errors
    /// [`WardenError`]; outside the range that the driver allows, it names `watts`.
    pub async fn set_gpu_power_limit(&self, gpu: &str, watts: u32) -> Result<(), WardenError> {
        let gpu = gpu.to_owned();
        self.ask(&Request::SetGpuPowerLimit { gpu, watts }).await
    }

    /// Sets the clock to switch the box on in `time`, whole seconds rounded down.
    ///
    /// # Errors
    /// [`WardenError`]; outside a minute to seven days it names `seconds`.
    pub async fn set_wake_timer(&self, time: Duration) -> Result<(), WardenError> {
        let seconds = time.as_secs();
        self.ask(&Request::SetWakeTimer { seconds }).await
    }

    /// Begins to shut the box down: every unit is stopped with its own deadline, then power goes off. Set the wake
    /// timer before.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn power_off(&self) -> Result<(), WardenError> {
        self.ask(&Request::PowerOff).await
    }

    async fn ask(&self, request: &Request) -> Result<(), WardenError> {
        match tokio::time::timeout(ANSWER_TIME_MAX, self.exchange(request)).await {
            Ok(Ok(Answer::Done)) => Ok(()),
            Ok(Ok(Answer::Refused(refusal))) => Err(WardenError::Refused(refusal)),
            Ok(Ok(Answer::Failed { reason })) => Err(WardenError::Failed(reason)),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let seconds = ANSWER_TIME_MAX.as_secs();
                Err(WardenError::NoAnswer(format!("nothing in {seconds} s")))
            }
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, WardenError> {
        let unreachable = |source| WardenError::Unreachable {
            socket: self.socket.clone(),
            source,
        };
        let connected = UnixStream::connect(&self.socket).await;
        let mut stream = connected.map_err(unreachable)?;
        let line = format!("{}\n", request.to_line());
        let sent = stream.write_all(line.as_bytes()).await;
        let mut answer = String::new();
        // Read also when it was not sent: whoever hangs up first may have said why.
        let limit = LINE_BYTES_MAX as u64;
        let mut reader = BufReader::new(stream.take(limit));
        let read = reader.read_line(&mut answer).await;
        if answer.is_empty() {
            let why = match sent.and(read) {
                Ok(_) => "it hung up".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(WardenError::NoAnswer(why));
        }
        serde_json::from_str(&answer)
            .map_err(|e| WardenError::NoAnswer(format!("its line is no answer: {e}")))
    }
}
