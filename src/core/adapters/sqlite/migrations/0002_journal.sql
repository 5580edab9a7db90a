-- The journal: claims and rows, changed in one transaction. Together they are the dedup window,
-- the outbox and the read-your-writes tail.
-- depends: 0001_metadata

-- One row per org, and one (org_no 0) for all of them together. `rows` and `bytes` count what is
-- unsettled. Everything of an org after `settled_through` is in the journal alone.
CREATE TABLE ledger (
    org_no INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: processes remember it
    org_id TEXT NOT NULL UNIQUE,
    rows INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    settled_through INTEGER NOT NULL
);
INSERT INTO ledger (org_no, org_id, settled_through) VALUES (0, '', 0);

-- Who holds a dedup key: the memory stamped `time`, made by the request `token` (if it had one).
CREATE TABLE claims (
    org_no INTEGER NOT NULL,
    key BLOB NOT NULL,
    time INTEGER NOT NULL,
    token BLOB,
    PRIMARY KEY (org_no, key)
) WITHOUT ROWID;

-- state: 0 owed, 1 delivered, 2 dead. due_at: when a sweep (owed) or settling (delivered) looks.
-- parked: 1 once a sweep has to find it, because the prompt road gave it back.
CREATE TABLE journal (
    time INTEGER PRIMARY KEY,
    org_no INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    parked INTEGER NOT NULL DEFAULT 0,
    rounds INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    payload BLOB NOT NULL
);

-- Partial, so that no append pays for them: a fresh row is neither parked nor past owed.
CREATE INDEX journal_parked ON journal (org_no, due_at) WHERE parked = 1;
CREATE INDEX journal_past_owed ON journal (state, org_no, time) WHERE state > 0;

CREATE TABLE dead_letters (
    time INTEGER PRIMARY KEY,
    reason TEXT NOT NULL,
    died_at INTEGER NOT NULL
);

-- Idempotency keys of appends: digests of the caller's key and of its body.
CREATE TABLE requests (
    org_no INTEGER NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (org_no, key)
) WITHOUT ROWID;

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
