//! The one writer: a thread that owns the connection, runs the commands that are waiting in one
//! transaction, commits (which syncs to disk) and answers then.
//!
//! A command decides its refusals before its first write, so a refused command leaves nothing to undo.
//! When storage fails inside a batch, the batch is rolled back and each of its commands runs again in a
//! transaction of its own, so that one bad command cannot take its neighbours along.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::checkpoint::Checkpointer;
use crate::error::{CommandError, LedgerError};
use crate::hot::Hot;
use crate::limits::{BATCH_COMMANDS_MAX, QUEUE_COMMANDS_MAX};
use crate::stepped::{Fate, Gate};

/// Pages that a file of SQLite may have.
const PAGES_MAX: i64 = 4_294_967_294;

/// What the ledger can be told to do.
pub(crate) trait Command: Send + 'static {
    /// What it answers.
    type Answer: Send + 'static;
    /// Why it may be refused.
    type Refusal: Error + Send + 'static;

    /// Whether it changes money, standings of workers and transfers only through [`Hot::books`], and open jobs only
    /// through [`Hot`], or not at all. What is pending there is written before any other command runs.
    const ON_BOOKS: bool = false;

    /// Runs inside a transaction. Must be repeatable: it may run twice, after a rollback in between.
    /// Must not write before it is sure not to refuse.
    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, CommandError<Self::Refusal>>;
}

/// A transaction of the writer: the tables, and what it keeps in memory beside them.
pub(crate) struct Tx<'a> {
    /// The tables.
    pub conn: &'a Connection,
    /// What is kept in memory; read again from the tables after a rollback.
    pub hot: &'a mut Hot,
}

impl<'a> Tx<'a> {
    /// The tables, with all that is pending in memory written to them.
    pub(crate) fn tables(&mut self) -> Result<&'a Connection, LedgerError> {
        self.hot.write(self.conn)?;
        Ok(self.conn)
    }
}

/// A queued command.
trait Work: Send {
    /// What kind of command it is.
    fn name(&self) -> &'static str;
    /// Runs it and keeps the answer; `Err` when storage failed.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), LedgerError>;
    /// Answers an error instead.
    fn fail(&mut self, error: LedgerError);
    /// Sends the answer.
    fn reply(self: Box<Self>);
}

struct Queued<C: Command> {
    command: C,
    answer: Option<Result<C::Answer, CommandError<C::Refusal>>>,
    reply: oneshot::Sender<Result<C::Answer, CommandError<C::Refusal>>>,
}

impl<C: Command> Work for Queued<C> {
    fn name(&self) -> &'static str {
        let path = std::any::type_name::<C>();
        path.rsplit("::").next().unwrap_or(path)
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), LedgerError> {
        if !C::ON_BOOKS {
            tx.hot.close_books(tx.conn)?;
        }
        // What was pending before may be written meanwhile.
        let changes = |tx: &Tx<'_>| tx.conn.total_changes() - tx.hot.rows_written;
        let before = changes(tx);
        match self.command.run(tx) {
            Err(CommandError::Ledger(error)) => Err(error),
            answer => {
                debug_assert!(
                    answer.is_ok() || before == changes(tx),
                    "a refused command has written"
                );
                self.answer = Some(answer);
                Ok(())
            }
        }
    }

    fn fail(&mut self, error: LedgerError) {
        self.answer = Some(Err(error.into()));
    }

    fn reply(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // A caller that went away does not want the answer; what it asked for is done all the same.
            let _ = self.reply.send(answer);
        }
    }
}

enum Message {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// A handle to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    place: Place,
    newest: watch::Receiver<u64>,
    pending: watch::Receiver<u64>,
    trouble: watch::Receiver<Option<String>>,
}

/// Where commands run.
#[derive(Clone)]
enum Place {
    /// On a thread of their own, which this leads to.
    Thread(mpsc::Sender<Message>),
    /// On the caller's thread, one by one, as the gate lets them.
    Here(Stepped, Arc<dyn Gate>),
}

/// A committer that works when it is called; `None` once closed.
#[derive(Clone)]
pub(crate) struct Stepped(Arc<Mutex<Option<Committer>>>);

impl Stepped {
    fn lock(&self) -> MutexGuard<'_, Option<Committer>> {
        // What a panic left half done is rolled back with its transaction.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one command on this thread. False when the gate halts the caller for ever.
    fn step(&self, gate: &dyn Gate, work: Box<dyn Work>) -> Result<bool, LedgerError> {
        let fate = gate.before(work.name());
        if fate == Fate::Halt {
            return Ok(false);
        }
        let mut committer = self.lock();
        let committer = committer.as_mut().ok_or(LedgerError::Stopped)?;
        let full = fate == Fate::DiskFull;
        if full {
            committer.limit_pages(1)?;
        }
        committer.settle(&mut vec![work]);
        if full {
            committer.limit_pages(PAGES_MAX)?;
        }
        Ok(gate.after() != Fate::Halt)
    }

    /// Reads between two commands.
    pub fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let committer = self.lock();
        query(&committer.as_ref().ok_or(LedgerError::Stopped)?.conn)
    }
}

impl Writer {
    /// Starts the thread.
    pub fn start(mut conn: Connection, path: &Path) -> Result<Self, LedgerError> {
        let (queue, inbox) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let checkpointer = Checkpointer::start(&mut conn, path)?;
        let (committer, newest, pending, trouble) = Committer::new(conn)?;
        let thread = Thread {
            committer,
            checkpointer,
            inbox,
        };
        std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || thread.run())
            .map_err(|source| LedgerError::Storage {
                source: Arc::new(source),
            })?;
        Ok(Self {
            place: Place::Thread(queue),
            newest,
            pending,
            trouble,
        })
    }

    /// Runs commands on the caller's thread, through `gate`.
    pub fn stepped(conn: Connection, gate: Arc<dyn Gate>) -> Result<(Self, Stepped), LedgerError> {
        // Nobody else has the file open, and a process that dies moves no log.
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let (committer, newest, pending, trouble) = Committer::new(conn)?;
        let stepped = Stepped(Arc::new(Mutex::new(Some(committer))));
        let writer = Self {
            place: Place::Here(stepped.clone(), gate),
            newest,
            pending,
            trouble,
        };
        Ok((writer, stepped))
    }

    /// Queues a command and waits for its durable answer.
    pub async fn run<C: Command>(&self, command: C) -> Result<C::Answer, CommandError<C::Refusal>> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Queued {
            command,
            answer: None,
            reply,
        });
        match &self.place {
            Place::Thread(queue) => queue
                .send(Message::Work(work))
                .await
                .map_err(|_| LedgerError::Stopped)?,
            Place::Here(stepped, gate) => {
                if !stepped.step(&**gate, work)? {
                    std::future::pending::<()>().await;
                }
            }
        }
        answer.await.map_err(|_| LedgerError::Stopped)?
    }

    pub async fn close(&self) {
        match &self.place {
            Place::Thread(queue) => {
                let (done, closed) = oneshot::channel();
                if queue.send(Message::Close(done)).await.is_ok() {
                    // An error means that another close was first.
                    let _ = closed.await;
                }
            }
            Place::Here(stepped, _) => {
                if let Some(committer) = stepped.lock().take() {
                    committer.close();
                }
            }
        }
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// Why the newest transaction that wrote anything failed, in words.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    pub fn subscribe_pending(&self) -> watch::Receiver<u64> {
        self.pending.clone()
    }
}

struct Thread {
    committer: Committer,
    checkpointer: Checkpointer,
    inbox: mpsc::Receiver<Message>,
}

impl Thread {
    fn run(mut self) {
        let mut batch: Vec<Box<dyn Work>> = Vec::with_capacity(BATCH_COMMANDS_MAX);
        let mut closed = None;
        while closed.is_none() {
            let Some(first) = self.inbox.blocking_recv() else {
                break;
            };
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Work(work) => batch.push(work),
                    Message::Close(done) => {
                        closed = Some(done);
                        break;
                    }
                }
                next = (batch.len() < BATCH_COMMANDS_MAX)
                    .then(|| self.inbox.try_recv().ok())
                    .flatten();
            }
            self.committer.settle(&mut batch);
        }
        self.inbox.close();
        self.checkpointer.stop(&mut self.committer.conn);
        // What was queued after the close hears that the writer has stopped, as its reply is dropped.
        self.committer.close();
        if let Some(done) = closed {
            let _ = done.send(());
        }
    }
}

/// Owns the connection: runs batches of commands.
struct Committer {
    conn: Connection,
    /// `None` after a rollback, until it could be read again.
    hot: Option<Hot>,
    newest: watch::Sender<u64>,
    pending: watch::Sender<u64>,
    trouble: watch::Sender<Option<String>>,
}

/// A committer, and what watches its newest entry, its pending jobs and its trouble.
type Watched = (
    Committer,
    watch::Receiver<u64>,
    watch::Receiver<u64>,
    watch::Receiver<Option<String>>,
);

impl Committer {
    fn new(conn: Connection) -> Result<Watched, LedgerError> {
        let hot = Hot::load(&conn)?;
        let (newest, newest_in) = watch::channel(hot.journal.head.seq);
        let (pending, pending_in) = watch::channel(0);
        let (trouble, trouble_in) = watch::channel(None);
        let committer = Self {
            conn,
            hot: Some(hot),
            newest,
            pending,
            trouble,
        };
        Ok((committer, newest_in, pending_in, trouble_in))
    }

    fn close(self) {
        if let Err((_, error)) = self.conn.close() {
            tracing::error!(%error, "the ledger was not closed cleanly; nothing durable is lost");
        }
    }

    /// Limits the file to `pages`; SQLite lowers that to the file's size at most, as on a full disk.
    fn limit_pages(&self, pages: i64) -> Result<(), LedgerError> {
        let set = self.conn.pragma_update(None, "max_page_count", pages);
        // SQLite answers with a row, which an update does not expect.
        match set {
            Ok(()) | Err(rusqlite::Error::ExecuteReturnedResults) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a batch, makes it durable, answers it and tells who watches.
    fn settle(&mut self, batch: &mut Vec<Box<dyn Work>>) {
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.transaction(batch) {
            tracing::warn!(%error, commands = batch.len(), "a batch was rolled back; its commands run one by one");
            for work in batch.iter_mut() {
                if let Err(error) = self.transaction(std::slice::from_mut(work)) {
                    tracing::error!(error = &error as &dyn Error, "a command failed in storage");
                    work.fail(error);
                }
            }
        }
        // Who watches is told before who asked, so that an answer is never ahead of the feed.
        if let Some(hot) = &mut self.hot {
            let seq = hot.journal.head.seq;
            self.newest
                .send_if_modified(|newest| std::mem::replace(newest, seq) != seq);
            if std::mem::take(&mut hot.became_pending) {
                self.pending
                    .send_modify(|times| *times = times.wrapping_add(1));
            }
        }
        for work in batch.drain(..) {
            work.reply();
        }
    }

    /// Runs `works` in one transaction; on any failure of storage nothing of it remains.
    fn transaction(&mut self, works: &mut [Box<dyn Work>]) -> Result<(), LedgerError> {
        let hot = match &mut self.hot {
            Some(hot) => hot,
            lost => lost.insert(Hot::load(&self.conn)?),
        };
        let conn = &self.conn;
        let changes = conn.total_changes();
        let mut run = || -> Result<(), LedgerError> {
            conn.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
            for work in works.iter_mut() {
                work.run(&mut Tx { conn, hot })?;
            }
            hot.write(conn)?;
            hot.journal.write(conn)?;
            swarm_faults::point("ledger.writer.before_commit");
            conn.prepare_cached("COMMIT")?.execute(())?;
            swarm_faults::point("ledger.writer.committed");
            Ok(())
        };
        let outcome = run();
        // One that wrote nothing says nothing about the disk.
        let wrote = self.conn.total_changes() != changes;
        if let Some(words) = outcome.as_ref().err().map(in_words) {
            self.trouble.send_replace(Some(words));
        } else if wrote {
            self.trouble
                .send_if_modified(|trouble| trouble.take().is_some());
        }
        if outcome.is_err() {
            self.hot = None;
            // Some failures have rolled back by themselves.
            if !self.conn.is_autocommit() {
                self.conn.execute_batch("ROLLBACK")?;
            }
        }
        outcome
    }
}

/// An error and its causes in one line.
fn in_words(error: &LedgerError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
