-- Amounts are µUSDC below 2^63; times are Unix seconds; a job's key is its epoch of submission * 2^32 + number.
--
-- What every job passes is written so that SQLite neither fills a table of its own nor copies pages for each
-- statement: lists of words are ORs, not IN; triggers FAIL, not ABORT (the writer rolls the whole batch back);
-- `open_jobs.job` and `outcomes.credit` have no foreign key (`ledger check` compares them).

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Money -----------------------------------------------------------------------------------------

-- balance = posted credits - posted debits; the balances of all accounts sum to zero.
-- escrow: the outside world (minus what the escrow holds); client: what a client may spend;
-- clearing: fees of an epoch's jobs until its window closes; payee: pay that is final, not claimed.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind = 'escrow' OR kind = 'client' OR kind = 'clearing' OR kind = 'payee'),
    owner BLOB NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0,
    reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    created_at INTEGER NOT NULL,
    UNIQUE (kind, owner)
) STRICT;

-- What the chain says of a client, folded from its events; see state::mirror.
CREATE TABLE clients (
    account INTEGER PRIMARY KEY REFERENCES accounts (id),
    address BLOB NOT NULL UNIQUE,
    mirror_balance INTEGER NOT NULL DEFAULT 0,
    withdrawing INTEGER NOT NULL DEFAULT 0,
    matures_at INTEGER NOT NULL DEFAULT 0,
    cap INTEGER,
    cap_effective_at INTEGER NOT NULL DEFAULT 0,
    cap_before INTEGER
) STRICT;

-- What moved between accounts, except the fees of jobs: those are two-phase, and a job's own rows are its transfer.
-- While it is open its fee is set aside (`accounts.reserved`); a completion moves the fee, any other end frees it.
CREATE TABLE transfers (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind = 'deposit' OR kind = 'withdrawal' OR kind = 'reorg' OR kind = 'refund'
        OR kind = 'resettle' OR kind = 'payout' OR kind = 'claim'),
    debit INTEGER NOT NULL REFERENCES accounts (id),
    credit INTEGER NOT NULL REFERENCES accounts (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    client INTEGER REFERENCES accounts (id),
    job INTEGER,
    epoch INTEGER,
    tx BLOB,
    log_index INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_client ON transfers (client) WHERE client IS NOT NULL;

CREATE TRIGGER transfers_fixed BEFORE UPDATE ON transfers
BEGIN SELECT RAISE(ABORT, 'a transfer cannot change'); END;
CREATE TRIGGER transfers_keep BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are kept'); END;

-- Workers and epochs ----------------------------------------------------------------------------

CREATE TABLE workers (
    address BLOB PRIMARY KEY,
    payee BLOB,
    state TEXT NOT NULL,
    label TEXT,
    recipient TEXT,
    profile TEXT NOT NULL DEFAULT 'null',
    stats TEXT NOT NULL DEFAULT 'null',
    draining_self INTEGER NOT NULL DEFAULT 0,
    draining_operator INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    last_heartbeat_millis INTEGER,
    registered_at INTEGER NOT NULL,
    CHECK (state <> 'approved' OR payee IS NOT NULL)
) STRICT;

CREATE TABLE join_codes (
    code BLOB PRIMARY KEY,
    payee BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by BLOB
) STRICT;

CREATE TABLE epochs (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    sealed_at INTEGER,
    previous BLOB,
    receipts_root BLOB,
    receipt_count INTEGER,
    bundle BLOB,
    charged INTEGER,
    charges BLOB,
    payouts BLOB,
    seal_hash BLOB,
    signatures TEXT,
    settled_tx BLOB,
    settled_block INTEGER,
    final_at INTEGER,
    void_reason TEXT
) STRICT;
CREATE UNIQUE INDEX epochs_open ON epochs (state) WHERE state = 'open';

CREATE TRIGGER epochs_final BEFORE UPDATE ON epochs WHEN OLD.state = 'final'
BEGIN SELECT RAISE(ABORT, 'a final epoch cannot change'); END;
CREATE TRIGGER epochs_keep BEFORE DELETE ON epochs
BEGIN SELECT RAISE(ABORT, 'epochs are kept'); END;

-- Running sums of an epoch: by client (the charges) and by worker.
CREATE TABLE client_epochs (
    client INTEGER NOT NULL REFERENCES accounts (id),
    epoch INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    fees INTEGER NOT NULL CHECK (fees >= 0),
    PRIMARY KEY (client, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_epochs_epoch ON client_epochs (epoch);

CREATE TABLE worker_epochs (
    worker BLOB NOT NULL REFERENCES workers (address),
    epoch INTEGER NOT NULL,
    jobs INTEGER NOT NULL DEFAULT 0,
    fees INTEGER NOT NULL DEFAULT 0 CHECK (fees >= 0),
    ready_millis INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (worker, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX worker_epochs_epoch ON worker_epochs (epoch);

-- The vectors of a sealed epoch.
CREATE TABLE epoch_charges (
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    client BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (epoch, client)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch_payouts (
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    payee BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (epoch, payee)
) STRICT, WITHOUT ROWID;
CREATE INDEX epoch_payouts_payee ON epoch_payouts (payee);

CREATE TABLE epoch_agents (
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    worker BLOB NOT NULL,
    payee BLOB NOT NULL,
    receipts INTEGER NOT NULL,
    fees INTEGER NOT NULL,
    ready_seconds INTEGER NOT NULL,
    work INTEGER NOT NULL,
    readiness INTEGER NOT NULL,
    PRIMARY KEY (epoch, worker)
) STRICT, WITHOUT ROWID;
CREATE INDEX epoch_agents_worker ON epoch_agents (worker);

CREATE TABLE submissions (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    seal_hash BLOB NOT NULL,
    tx BLOB NOT NULL UNIQUE,
    sender BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    gas_limit INTEGER NOT NULL,
    max_fee_per_gas TEXT NOT NULL,
    max_priority_fee_per_gas TEXT NOT NULL,
    raw BLOB NOT NULL,
    submitted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX submissions_epoch ON submissions (epoch);

-- Jobs ------------------------------------------------------------------------------------------

-- What was ordered. `transfer` numbers its reservation among the client's transfers.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    client INTEGER NOT NULL REFERENCES accounts (id),
    nonce INTEGER NOT NULL,
    model BLOB NOT NULL,
    input BLOB NOT NULL,
    max_fee INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    signature BLOB NOT NULL,
    commitment BLOB NOT NULL,
    fee INTEGER NOT NULL,
    salt BLOB NOT NULL,
    job_type TEXT NOT NULL,
    blob BLOB NOT NULL,
    blob_size INTEGER NOT NULL,
    reply_to TEXT,
    recipients BLOB NOT NULL,
    label TEXT,
    webhook TEXT,
    max_attempts INTEGER NOT NULL,
    transfer INTEGER NOT NULL,
    submitted_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_nonce ON jobs (client, nonce);

CREATE TRIGGER jobs_fixed BEFORE UPDATE ON jobs
BEGIN SELECT RAISE(ABORT, 'what was ordered cannot change'); END;
CREATE TRIGGER jobs_keep BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'jobs are kept'); END;

-- Where an open job is: a row from its submission to its end. Narrow, because it is what claims, renewals and
-- progress write.
CREATE TABLE open_jobs (
    job INTEGER PRIMARY KEY,
    -- Its input, as in `jobs`.
    blob BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state = 'pending' OR state = 'claimed' OR state = 'processing'),
    attempts INTEGER NOT NULL DEFAULT 0,
    worker BLOB,
    lease_token INTEGER,
    lease_expires_at INTEGER,
    claimed_at INTEGER,
    stage TEXT,
    fraction_bps INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    CHECK ((state = 'pending') = (lease_expires_at IS NULL))
) STRICT;
CREATE INDEX open_jobs_blob ON open_jobs (blob);

-- How a job ended, once. Beside a completion is what its worker stated (the other fields of the execution are the
-- job's own) and where the fee is: moved to `credit`, the clearing account of the epoch that was open then, charged in
-- epoch `settles_in`. Otherwise the fee is free again.
CREATE TABLE outcomes (
    job INTEGER PRIMARY KEY REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED,
    state TEXT NOT NULL DEFAULT 'completed'
        CHECK (state = 'completed' OR state = 'dead' OR state = 'cancelled' OR state = 'expired'),
    worker BLOB,
    attempts INTEGER NOT NULL,
    claimed_at INTEGER,
    ended_at INTEGER NOT NULL,
    stage TEXT,
    fraction_bps INTEGER NOT NULL DEFAULT 10000,
    error TEXT,
    credit INTEGER,
    settles_in INTEGER,
    uncollectable TEXT,
    device BLOB,
    started_at INTEGER,
    completed_at INTEGER,
    energy INTEGER,
    engine TEXT,
    power TEXT,
    signature BLOB,
    blob BLOB,
    blob_size INTEGER,
    manifest BLOB,
    CHECK ((state = 'completed') = (worker IS NOT NULL AND credit IS NOT NULL AND settles_in IS NOT NULL
        AND device IS NOT NULL AND started_at IS NOT NULL AND completed_at IS NOT NULL AND energy IS NOT NULL
        AND engine IS NOT NULL AND power IS NOT NULL AND signature IS NOT NULL AND blob IS NOT NULL
        AND blob_size IS NOT NULL AND manifest IS NOT NULL)),
    CHECK (state = 'completed' OR credit IS NULL AND settles_in IS NULL)
) STRICT;
CREATE INDEX outcomes_settles_in ON outcomes (settles_in) WHERE settles_in IS NOT NULL;
-- What ended without a completion.
CREATE INDEX outcomes_failed ON outcomes (job) WHERE settles_in IS NULL;

CREATE TRIGGER open_jobs_fixed BEFORE UPDATE OF job, blob ON open_jobs
BEGIN SELECT RAISE(FAIL, 'what was ordered cannot change'); END;
CREATE TRIGGER open_jobs_keep BEFORE DELETE ON open_jobs
WHEN NOT EXISTS (SELECT 1 FROM outcomes WHERE job = OLD.job)
BEGIN SELECT RAISE(FAIL, 'an open job is kept until it has ended'); END;
CREATE TRIGGER outcomes_fixed BEFORE UPDATE OF job, state, worker, attempts, claimed_at, ended_at, stage,
    fraction_bps, error, credit, device, started_at, completed_at, energy, engine, power, signature, blob,
    blob_size, manifest ON outcomes
BEGIN SELECT RAISE(FAIL, 'a job that has ended cannot change'); END;
CREATE TRIGGER outcomes_final BEFORE UPDATE OF settles_in, uncollectable ON outcomes
WHEN OLD.settles_in IS NULL OR (SELECT state FROM epochs WHERE number = OLD.settles_in) = 'final'
BEGIN SELECT RAISE(FAIL, 'a job of a final epoch cannot change'); END;
CREATE TRIGGER outcomes_keep BEFORE DELETE ON outcomes
BEGIN SELECT RAISE(ABORT, 'outcomes are kept'); END;

-- The double entry: all that moved.
CREATE VIEW postings (debit, credit, amount) AS
    SELECT debit, credit, amount FROM transfers
    UNION ALL SELECT j.client, x.credit, j.fee FROM outcomes x JOIN jobs j ON j.id = x.job
        WHERE x.state = 'completed';

-- Rows of final epochs.
CREATE TRIGGER client_epochs_final BEFORE UPDATE ON client_epochs
WHEN (SELECT state FROM epochs WHERE number = OLD.epoch) = 'final'
BEGIN SELECT RAISE(FAIL, 'a final epoch cannot change'); END;
CREATE TRIGGER client_epochs_keep BEFORE DELETE ON client_epochs
BEGIN SELECT RAISE(ABORT, 'sums are kept'); END;
CREATE TRIGGER worker_epochs_final BEFORE UPDATE ON worker_epochs
WHEN (SELECT state FROM epochs WHERE number = OLD.epoch) = 'final'
BEGIN SELECT RAISE(FAIL, 'a final epoch cannot change'); END;
CREATE TRIGGER worker_epochs_keep BEFORE DELETE ON worker_epochs
BEGIN SELECT RAISE(ABORT, 'sums are kept'); END;
CREATE TRIGGER epoch_charges_fixed BEFORE UPDATE ON epoch_charges
BEGIN SELECT RAISE(ABORT, 'a vector cannot change'); END;
CREATE TRIGGER epoch_charges_final BEFORE DELETE ON epoch_charges
WHEN (SELECT state FROM epochs WHERE number = OLD.epoch) IN ('final', 'void')
BEGIN SELECT RAISE(ABORT, 'a final epoch cannot change'); END;
CREATE TRIGGER epoch_payouts_fixed BEFORE UPDATE ON epoch_payouts
BEGIN SELECT RAISE(ABORT, 'a vector cannot change'); END;
CREATE TRIGGER epoch_payouts_final BEFORE DELETE ON epoch_payouts
WHEN (SELECT state FROM epochs WHERE number = OLD.epoch) IN ('final', 'void')
BEGIN SELECT RAISE(ABORT, 'a final epoch cannot change'); END;
CREATE TRIGGER epoch_agents_fixed BEFORE UPDATE ON epoch_agents
BEGIN SELECT RAISE(ABORT, 'a vector cannot change'); END;
CREATE TRIGGER epoch_agents_final BEFORE DELETE ON epoch_agents
WHEN (SELECT state FROM epochs WHERE number = OLD.epoch) IN ('final', 'void')
BEGIN SELECT RAISE(ABORT, 'a final epoch cannot change'); END;

-- Journal ---------------------------------------------------------------------------------------

-- hash = SHA-256(hash of the entry before, seq, time (8 bytes each, big-endian), kind, 0x00, body).
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER journal_fixed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER journal_keep BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;

-- Chain -----------------------------------------------------------------------------------------

CREATE TABLE chain_blocks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    parent BLOB NOT NULL,
    timestamp INTEGER NOT NULL
) STRICT;

-- `applied` is 0 while the event waits for its block to be safe.
CREATE TABLE chain_events (
    tx BLOB NOT NULL,
    log_index INTEGER NOT NULL,
    block INTEGER NOT NULL,
    time INTEGER NOT NULL,
    account BLOB,
    epoch INTEGER,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    applied INTEGER NOT NULL,
    PRIMARY KEY (tx, log_index)
) STRICT;
CREATE INDEX chain_events_block ON chain_events (block, log_index);
CREATE INDEX chain_events_account ON chain_events (account, block, log_index)
    WHERE account IS NOT NULL;
CREATE INDEX chain_events_epoch ON chain_events (epoch, kind) WHERE epoch IS NOT NULL;
CREATE INDEX chain_events_waiting ON chain_events (block, log_index) WHERE applied = 0;

CREATE TABLE order_signers (
    client BLOB NOT NULL,
    signer BLOB NOT NULL,
    removed_at INTEGER,
    PRIMARY KEY (client, signer)
) STRICT, WITHOUT ROWID;

-- Around ----------------------------------------------------------------------------------------

CREATE TABLE blobs (
    sha256 BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    kind TEXT NOT NULL,
    uploader BLOB NOT NULL,
    job INTEGER,
    created_at INTEGER NOT NULL,
    completed_at INTEGER,
    released_at INTEGER,
    deleted_at INTEGER,
    deleted_reason TEXT
) STRICT;
CREATE INDEX blobs_kept ON blobs (kind, created_at) WHERE deleted_at IS NULL;
CREATE INDEX blobs_released ON blobs (released_at) WHERE released_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX blobs_unfinished ON blobs (created_at) WHERE completed_at IS NULL AND deleted_at IS NULL;

CREATE TABLE request_nonces (
    address BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (address, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_nonces_expiry ON request_nonces (expires_at);

CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client BLOB NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (client, url)
) STRICT;

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    -- Entries are written last in their transaction.
    event INTEGER NOT NULL REFERENCES journal (seq) DEFERRABLE INITIALLY DEFERRED,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    error TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_done ON deliveries (id) WHERE due_at IS NULL;

CREATE TABLE names (
    address BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    chain_id INTEGER NOT NULL,
    block INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;
