-- A job queue on PostgreSQL as it is usually written: the peer of the ledger. It keeps no money, no journal
-- and no signature.
CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    payload TEXT NOT NULL,
    worker INTEGER,
    result TEXT,
    submitted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    claimed_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ
);
CREATE INDEX jobs_pending ON jobs (id) WHERE state = 'pending';
CREATE INDEX jobs_claimed ON jobs (worker) WHERE state = 'claimed';
