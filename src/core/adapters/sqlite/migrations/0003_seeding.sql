-- Which bindings' stores were read for the claims of the last dedup window. And the rest of what the
-- original left: times, texts and statuses in forms that 0001 does not know.
-- depends: 0002_journal
-- The functions memtrace_* are foreign_values.py; migrate.py lends them to the connection.

-- Times. One that is missing or cannot be read is 1970, so that rows sort; an expiry that cannot be
-- read is over, as it was to the original.
UPDATE organizations SET created_at = coalesce(memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z')
    WHERE created_at IS NOT coalesce(memtrace_time(CAST(created_at AS BLOB)), '');
UPDATE api_keys SET created_at = coalesce(memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z')
    WHERE created_at IS NOT coalesce(memtrace_time(CAST(created_at AS BLOB)), '');
UPDATE api_keys SET expires_at = coalesce(memtrace_time(CAST(expires_at AS BLOB)), '1970-01-01T00:00:00.000000Z')
    WHERE expires_at IS NOT memtrace_time(CAST(expires_at AS BLOB));
UPDATE agents SET created_at = coalesce(memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z')
    WHERE created_at IS NOT coalesce(memtrace_time(CAST(created_at AS BLOB)), '');
UPDATE agents SET last_active_at = memtrace_time(CAST(last_active_at AS BLOB))
    WHERE last_active_at IS NOT memtrace_time(CAST(last_active_at AS BLOB));
UPDATE sessions SET
        created_at = coalesce(memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z'),
        updated_at = coalesce(memtrace_time(CAST(updated_at AS BLOB)),
            memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z'),
        closed_at = memtrace_time(CAST(closed_at AS BLOB))
    WHERE created_at IS NOT coalesce(memtrace_time(CAST(created_at AS BLOB)), '')
        OR updated_at IS NOT coalesce(memtrace_time(CAST(updated_at AS BLOB)), '')
        OR closed_at IS NOT memtrace_time(CAST(closed_at AS BLOB));
UPDATE arc_instances SET created_at = coalesce(memtrace_time(CAST(created_at AS BLOB)), '1970-01-01T00:00:00.000000Z')
    WHERE created_at IS NOT coalesce(memtrace_time(CAST(created_at AS BLOB)), '');

-- A status that the API does not know: what has an end is closed.
UPDATE sessions SET status = CASE
        WHEN lower(trim(status)) = 'closed' THEN 'closed'
        WHEN lower(trim(status)) != 'active' AND closed_at IS NOT NULL THEN 'closed'
        ELSE 'active' END
    WHERE status NOT IN ('active', 'closed');

-- Texts that are none: the original's answers showed U+FFFD for such bytes. Where two names would
-- become one, they are told apart.
UPDATE organizations SET name = memtrace_text(CAST(name AS BLOB))
    WHERE NOT memtrace_is_text(CAST(name AS BLOB)) OR typeof(name) = 'blob';
UPDATE organizations SET settings_json = memtrace_text(CAST(settings_json AS BLOB))
    WHERE NOT memtrace_is_text(CAST(settings_json AS BLOB)) OR typeof(settings_json) = 'blob';
UPDATE OR IGNORE api_keys SET name = memtrace_text(CAST(name AS BLOB))
    WHERE NOT memtrace_is_text(CAST(name AS BLOB)) OR typeof(name) = 'blob';
UPDATE api_keys SET name = memtrace_escaped(CAST(name AS BLOB))
    WHERE NOT memtrace_is_text(CAST(name AS BLOB)) OR typeof(name) = 'blob';
UPDATE api_keys SET permissions = memtrace_text(CAST(permissions AS BLOB))
    WHERE NOT memtrace_is_text(CAST(permissions AS BLOB)) OR typeof(permissions) = 'blob';
UPDATE OR IGNORE agents SET name = memtrace_text(CAST(name AS BLOB))
    WHERE NOT memtrace_is_text(CAST(name AS BLOB)) OR typeof(name) = 'blob';
UPDATE agents SET name = memtrace_escaped(CAST(name AS BLOB))
    WHERE NOT memtrace_is_text(CAST(name AS BLOB)) OR typeof(name) = 'blob';
UPDATE agents SET description = memtrace_text(CAST(description AS BLOB))
    WHERE NOT memtrace_is_text(CAST(description AS BLOB)) OR typeof(description) = 'blob';
UPDATE agents SET config_json = memtrace_text(CAST(config_json AS BLOB))
    WHERE NOT memtrace_is_text(CAST(config_json AS BLOB)) OR typeof(config_json) = 'blob';
UPDATE sessions SET agent_id = memtrace_text(CAST(agent_id AS BLOB))
    WHERE NOT memtrace_is_text(CAST(agent_id AS BLOB)) OR typeof(agent_id) = 'blob';
UPDATE sessions SET metadata_json = memtrace_text(CAST(metadata_json AS BLOB))
    WHERE NOT memtrace_is_text(CAST(metadata_json AS BLOB)) OR typeof(metadata_json) = 'blob';

-- Bindings: `HTTP://arc` is `http://arc`, and what is sealed is bytes.
UPDATE arc_instances SET url = lower(substr(trim(url), 1, instr(trim(url), '://')))
        || substr(trim(url), instr(trim(url), '://') + 1)
    WHERE instr(url, '://') > 0;
UPDATE arc_instances SET
        api_key_cipher = CAST(api_key_cipher AS BLOB), api_key_nonce = CAST(api_key_nonce AS BLOB)
    WHERE typeof(api_key_cipher) != 'blob' OR typeof(api_key_nonce) != 'blob';

-- One row per binding whose store was looked at. Times are microseconds since 1970 UTC: everything
-- stamped in [reached, began_at) was read; again_at says when the newest part is read once more,
-- because a store may hide it from the first look. A new binding is a new row.
CREATE TABLE seedings (
    binding_id TEXT PRIMARY KEY REFERENCES arc_instances (id) ON DELETE CASCADE,
    began_at INTEGER NOT NULL,
    reached INTEGER NOT NULL,
    again_at INTEGER,
    done INTEGER NOT NULL DEFAULT 0
);
-- Who wrote here before made its claims itself.
INSERT INTO seedings (binding_id, began_at, reached, done)
    SELECT arc_instances.id, 0, 0, 1 FROM arc_instances JOIN ledger USING (org_id);
