-- Orgs, API keys, bindings, agents, sessions, kept answers and health.
-- Opens the file of Memtrace v0.2.0 in place: the first five tables are its own. Two of them are
-- rebuilt, because a key name was unique across all orgs, and a session needed a registered agent.

CREATE TABLE IF NOT EXISTS organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    settings_json TEXT DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS agents (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT,
    config_json TEXT DEFAULT '{}',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    last_active_at TIMESTAMP,
    UNIQUE (org_id, name)
);

-- One binding an org: where its memories live, and the key to it, sealed with the master key.
CREATE TABLE IF NOT EXISTS arc_instances (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL UNIQUE REFERENCES organizations (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    api_key_cipher BLOB NOT NULL,
    api_key_nonce BLOB NOT NULL,
    database TEXT NOT NULL,
    measurement TEXT NOT NULL DEFAULT 'events',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- API keys, rebuilt. The sequence goes along, so that no key id is ever used twice.
CREATE TABLE IF NOT EXISTS api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key_hash TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    org_id TEXT NOT NULL,
    permissions TEXT DEFAULT 'read,write',
    created_at TIMESTAMP,
    expires_at TIMESTAMP,
    enabled INTEGER DEFAULT 1
);
CREATE TABLE api_keys_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key_hash TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    permissions TEXT NOT NULL DEFAULT 'read,write',
    created_at TIMESTAMP,
    expires_at TIMESTAMP,
    enabled INTEGER NOT NULL DEFAULT 1
);
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'api_keys_rebuilt', seq FROM sqlite_sequence WHERE name = 'api_keys';
INSERT INTO api_keys_rebuilt
    (id, key_hash, key_prefix, name, org_id, permissions, created_at, expires_at, enabled)
    SELECT id, key_hash, key_prefix, name, org_id, coalesce(nullif(trim(permissions), ''), 'read,write'),
        created_at, expires_at, CASE WHEN enabled = 1 THEN 1 ELSE 0 END
    FROM api_keys;
DROP TABLE api_keys;
ALTER TABLE api_keys_rebuilt RENAME TO api_keys;
-- Where an org has two of one name, as only another writer can have left them, the later is told apart.
UPDATE api_keys SET name = name || ' (key ' || id || ')'
    WHERE enabled = 1 AND EXISTS (SELECT 1 FROM api_keys AS first WHERE first.enabled = 1
        AND first.org_id = api_keys.org_id AND first.name = api_keys.name AND first.id < api_keys.id);
CREATE INDEX idx_api_keys_prefix ON api_keys (key_prefix);
-- Among enabled keys only: a revoked key's name may be given to its successor.
CREATE UNIQUE INDEX api_keys_name ON api_keys (org_id, name) WHERE enabled = 1;

-- Sessions, rebuilt.
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT DEFAULT 'active',
    metadata_json TEXT DEFAULT '{}',
    created_at TIMESTAMP,
    updated_at TIMESTAMP,
    closed_at TIMESTAMP
);
CREATE TABLE sessions_rebuilt (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active',
    metadata_json TEXT NOT NULL DEFAULT '{}',
    created_at TIMESTAMP,
    updated_at TIMESTAMP,
    closed_at TIMESTAMP
);
INSERT INTO sessions_rebuilt
    (id, org_id, agent_id, status, metadata_json, created_at, updated_at, closed_at)
    SELECT id, org_id, agent_id, coalesce(status, 'active'), coalesce(metadata_json, '{}'),
        created_at, coalesce(updated_at, created_at), closed_at
    FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_rebuilt RENAME TO sessions;

-- Times are written as 2026-11-21T00:43:16.123456Z, which sorts as text. The original wrote
-- `2026-11-21 00:43:14` and `2026-11-21 00:43:18.969025316+00:00`; pages are cut by this order.
UPDATE organizations SET created_at = substr(replace(replace(created_at, ' ', 'T'), '+00:00', '')
        || CASE instr(created_at, '.') WHEN 0 THEN '.000000' ELSE '000000' END, 1, 26) || 'Z'
    WHERE created_at GLOB '????-??-?? ??:??:??' OR created_at GLOB '????-??-?? ??:??:??*+00:00';
UPDATE api_keys SET created_at = substr(replace(replace(created_at, ' ', 'T'), '+00:00', '')
        || CASE instr(created_at, '.') WHEN 0 THEN '.000000' ELSE '000000' END, 1, 26) || 'Z'
    WHERE created_at GLOB '????-??-?? ??:??:??' OR created_at GLOB '????-??-?? ??:??:??*+00:00';
UPDATE agents SET created_at = substr(replace(replace(created_at, ' ', 'T'), '+00:00', '')
        || CASE instr(created_at, '.') WHEN 0 THEN '.000000' ELSE '000000' END, 1, 26) || 'Z'
    WHERE created_at GLOB '????-??-?? ??:??:??' OR created_at GLOB '????-??-?? ??:??:??*+00:00';
UPDATE agents SET last_active_at = substr(replace(replace(last_active_at, ' ', 'T'), '+00:00', '')
        || CASE instr(last_active_at, '.') WHEN 0 THEN '.000000' ELSE '000000' END, 1, 26) || 'Z'
    WHERE last_active_at GLOB '????-??-?? ??:??:??'
        OR last_active_at GLOB '????-??-?? ??:??:??*+00:00';
UPDATE sessions SET created_at = substr(replace(replace(created_at, ' ', 'T'), '+00:00', '')
        || CASE instr(created_at, '.') WHEN 0 THEN '.000000' ELSE '000000' END, 1, 26) || 'Z'
    WHERE created_at GLOB '????-??-?? ??:??:??' OR created_at GLOB '????-??-?? ??:??:??*+00:00';

-- The original had no use for an org's settings. What somebody noted there under a name that means
-- something now is taken away: nothing may be deleted or refused because of an upgrade.
UPDATE organizations SET settings_json = json_remove(CAST(settings_json AS TEXT), '$.retention_days',
        '$.requests_per_second', '$.memories_per_second', '$.key_requests_per_second',
        '$.key_memories_per_second', '$.burst_seconds')
    WHERE CASE WHEN json_valid(CAST(settings_json AS TEXT)) THEN EXISTS (
        SELECT 1 FROM json_each(CAST(settings_json AS TEXT)) AS member
        WHERE member.key IN ('retention_days', 'requests_per_second', 'memories_per_second',
            'key_requests_per_second', 'key_memories_per_second', 'burst_seconds')) ELSE 0 END;

CREATE INDEX agents_age ON agents (org_id, created_at, id);
CREATE INDEX sessions_age ON sessions (org_id, created_at, id);
CREATE INDEX sessions_agent ON sessions (org_id, agent_id, created_at, id);
-- The original's, which nothing asks any more.
DROP INDEX IF EXISTS idx_agents_org;
DROP INDEX IF EXISTS idx_arc_instances_org;

-- Answers kept for callers that repeat a request under the same Idempotency-Key; digests of both.
CREATE TABLE replies (
    org_id TEXT NOT NULL,
    key BLOB NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (org_id, key)
) WITHOUT ROWID;
CREATE INDEX replies_age ON replies (at);

-- What the flusher last saw of each org's store. Times are microseconds since 1970 UTC.
CREATE TABLE store_health (
    org_id TEXT PRIMARY KEY,
    ok INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    circuit TEXT NOT NULL,
    retry_at INTEGER,
    reason TEXT NOT NULL
);

-- The flusher's metrics, one row: written by it, read by the server's /metrics.
CREATE TABLE flusher_report (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    metrics BLOB NOT NULL,
    at INTEGER NOT NULL
);
