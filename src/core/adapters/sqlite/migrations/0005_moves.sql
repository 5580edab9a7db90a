-- An org whose memories are being moved to another store: until that ends nothing of it settles,
-- so whatever the move has not seen in the old store is still owed by the journal.
-- depends: 0002_journal

CREATE TABLE moves (
    org_id TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    until INTEGER NOT NULL -- microseconds since 1970 UTC; past it the move is dead
);
