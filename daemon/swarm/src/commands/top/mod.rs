//! `swarm top`: the rack, live. Three parts: [`feed`] asks the queen (on every event, and now and then), [`model`] is
//! what is known, [`view`] draws it. A queen who restarts is an old picture that says how old it is.

mod feed;
mod model;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::exit::Failure;
use crate::session::Session;
use model::{Flow, Model};

/// How often the picture is drawn anew when nothing happens: it says how old it is in seconds.
const DRAW: Duration = Duration::from_millis(500);
/// Keys and pictures that wait.
const WAITING_MAX: usize = 64;

/// `swarm top`.
pub async fn run(session: &Session, every: Duration) -> Result<()> {
    if session.out.is_json() || !std::io::stdout().is_terminal() {
        let text = "swarm top draws on a terminal; `swarm status --json` is for programs";
        return Err(Failure::usage(text).into());
    }
    let queen = session.queen()?;
    let mut model = Model::new(queen.base_url());
    let (send, mut looks) = mpsc::channel(WAITING_MAX);
    let _feed = AbortOnDropHandle::new(tokio::spawn(feed::run(queen, every, send)));
    let mut terminal = ratatui::try_init().context("take over the terminal")?;
    let keys = Keys::start();
    let done = async {
        let (mut keys, _ended) = keys?;
        loop {
            terminal
                .draw(|frame| view::draw(frame, &model, Instant::now()))
                .context("draw")?;
            tokio::select! {
                // Cancel-safe: channels keep what was not taken, and the clock is a clock.
                look = looks.recv() => match look {
                    Some(look) => model.update(look, Instant::now()),
                    None => return Ok(()),
                },
                key = keys.recv() => match key {
                    Some(key) => if model.key(key) == Flow::Quit { return Ok(()) },
                    None => return Ok(()),
                },
                () = tokio::time::sleep(DRAW) => {}
            }
        }
    }
    .await;
    ratatui::restore();
    done
}

/// Tells the thread that reads keys to end.
struct Keys(Arc<AtomicBool>);

impl Keys {
    /// Reads keys in a thread: the terminal has no asynchronous ones.
    fn start() -> Result<(mpsc::Receiver<event::KeyCode>, Self)> {
        let (send, keys) = mpsc::channel(WAITING_MAX);
        let end = Arc::<AtomicBool>::default();
        let ended = end.clone();
        let thread = std::thread::Builder::new().name("keys".into());
        let read = move || {
            while !ended.load(Ordering::Relaxed) {
                let key = match event::poll(Duration::from_millis(200)) {
                    Ok(true) => event::read(),
                    Ok(false) => continue,
                    Err(error) => Err(error),
                };
                match key {
                    Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                        let ends = key.modifiers.contains(event::KeyModifiers::CONTROL)
                            && key.code == event::KeyCode::Char('c');
                        let code = if ends {
                            event::KeyCode::Char('q')
                        } else {
                            key.code
                        };
                        if send.blocking_send(code).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    // The terminal is gone, and so is whoever looked at it.
                    Err(_) => return,
                }
            }
        };
        thread.spawn(read).context("read keys")?;
        Ok((keys, Self(end)))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
