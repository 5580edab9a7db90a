-- Deletions: tombstones that reads respect at once, and the record of what became of each.
-- depends: 0002_journal

-- Exactly one of `exclusion` (JSON of core.model.memory.Exclusion) and `time` with `key` (16 bytes
-- of SHA-256(dedup key)) says what is covered. Times are microseconds since 1970 UTC.
CREATE TABLE deletions (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    exclusion TEXT,
    time INTEGER,
    key BLOB,
    from_journal INTEGER NOT NULL DEFAULT 0,
    from_store INTEGER NOT NULL DEFAULT 0,
    checked_at INTEGER,
    due_at INTEGER,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX deletions_grave ON deletions (org_id, time, key) WHERE time IS NOT NULL;
CREATE INDEX deletions_open ON deletions (org_id) WHERE state != 'closed';
CREATE INDEX deletions_rules ON deletions (org_id) WHERE exclusion IS NOT NULL;
CREATE INDEX deletions_due ON deletions (due_at) WHERE due_at IS NOT NULL;

-- Grows with every change of what is hidden of an org; readers keep what they know under it.
-- 0: nothing was ever deleted. In the row of all orgs: grows whenever content left the journal by
-- a deletion, so that whoever checkpoints knows that the log is to be emptied.
ALTER TABLE ledger ADD COLUMN deletions_version INTEGER NOT NULL DEFAULT 0;

-- No memory of this org is stamped at or before it any more: an exclusion ends there.
ALTER TABLE ledger ADD COLUMN stamped_through INTEGER NOT NULL DEFAULT 0;

-- A second Arc key, for deleting, sealed like the first; only flusher and command line open it.
ALTER TABLE arc_instances ADD COLUMN admin_key_cipher BLOB;
ALTER TABLE arc_instances ADD COLUMN admin_key_nonce BLOB;
