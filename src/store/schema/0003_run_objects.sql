-- Schema version 3: what a run did, counted and told by name while it does it.

-- Assets that went out in a request of the run, whatever the answer was. Of older runs those are known that were answered.
ALTER TABLE run_count ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
UPDATE run_count SET sent = accepted + rejected;

-- The name of the list that the run held back (R23), NULL when it held back nothing.
ALTER TABLE run ADD COLUMN held_list TEXT;

-- The objects that a run did not get through, or removed, one by one: as many rows as `run_count` counts. `guid` is NULL
-- where the entry showed none. The lists of old runs go before their counts do.
CREATE TABLE run_object (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    fate        TEXT    NOT NULL CHECK (fate IN ('rejected', 'unmapped', 'removed')),
    guid        BLOB,
    kind        TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    external_id TEXT,
    reason      TEXT    NOT NULL
) STRICT;
CREATE INDEX run_object_of_run ON run_object (run, id);

-- Entries in scope that showed no readable objectGUID when they were last read: `unmapped` by name (R15).
CREATE TABLE unidentified (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    dn         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    PRIMARY KEY (connection, dn)
) STRICT, WITHOUT ROWID;
