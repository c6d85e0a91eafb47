-- Schema version 1. Times are Unix seconds in UTC. GUIDs are the 16 bytes of the wire; `sqlite3` shows them with hex().
-- Rows with a blob for a key and a short body live in the key's own tree (WITHOUT ROWID); rows that carry an asset
-- (some 500 bytes) are appended by number, so that writing a million of them stays sequential.

CREATE TABLE connection (
    id                   INTEGER PRIMARY KEY,
    name                 TEXT    NOT NULL UNIQUE,
    description          TEXT    NOT NULL,
    state                TEXT    NOT NULL CHECK (state IN ('Registered', 'Scheduled', 'Processing', 'Processed')),
    state_since          INTEGER NOT NULL,
    last_synced          INTEGER,
    last_successful_sync INTEGER,
    next_sync            INTEGER,
    next_baseline        INTEGER,
    last_error           TEXT,
    skipped_ticks        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row an execution; `ended` is NULL while it runs, or after the process died in it.
CREATE TABLE run (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    connection       INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    wanted           TEXT    NOT NULL,
    mode             TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    started          INTEGER NOT NULL,
    ended            INTEGER,
    outcome          TEXT,
    error            TEXT,
    requests         INTEGER NOT NULL DEFAULT 0,
    pages            INTEGER NOT NULL DEFAULT 0,
    referrals        INTEGER NOT NULL DEFAULT 0,
    controller       BLOB,
    watermark_before INTEGER,
    watermark_after  INTEGER
) STRICT;
CREATE INDEX run_of_connection ON run (connection, id);
CREATE INDEX run_open ON run (connection) WHERE ended IS NULL;

CREATE TABLE run_count (
    run       INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    kind      TEXT    NOT NULL,
    read      INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    staged    INTEGER NOT NULL,
    accepted  INTEGER NOT NULL,
    rejected  INTEGER NOT NULL,
    unmapped  INTEGER NOT NULL,
    removed   INTEGER NOT NULL,
    held      INTEGER NOT NULL,
    PRIMARY KEY (run, kind)
) STRICT, WITHOUT ROWID;

-- How far each domain controller has been read (R2): `controller` is its invocationId, `scope` the digest of what was
-- read, `usn` the highestCommittedUSN from before the read.
CREATE TABLE watermark (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    scope      BLOB    NOT NULL,
    usn        INTEGER NOT NULL,
    read_at    INTEGER NOT NULL,
    PRIMARY KEY (connection, controller)
) STRICT, WITHOUT ROWID;

-- Assets that upstream has still to accept: at most one an object, the latest version (R18, R20). `seq` orders them and
-- is never used twice. `sent` is the newest version of the object that was handed out for sending and whose fate
-- is unknown, 0 when there is none: while it is not 0, upstream may hold something else than `object` says.
CREATE TABLE stage (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    connection    INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid          BLOB    NOT NULL,
    kind          TEXT    NOT NULL,
    dn            TEXT    NOT NULL,
    external_id   TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    staged_at     INTEGER NOT NULL,
    sent          INTEGER NOT NULL,
    rejected_run  INTEGER,
    rejected_at   INTEGER,
    reject_reason TEXT,
    asset         TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX stage_of_object ON stage (connection, guid);
CREATE INDEX stage_of_kind ON stage (connection, kind);
CREATE INDEX stage_rejected ON stage (connection) WHERE rejected_run IS NOT NULL;

-- Objects that the mapping could make no asset of when they were last read (R15).
CREATE TABLE unmapped (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    dn         TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- Objects that upstream accepted an asset of. `kind`, `dn` and `external_id` are as last read, `fingerprint` and `asset`
-- as last accepted. Narrow, because every object read is compared with its row here.
CREATE TABLE object (
    connection   INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid         BLOB    NOT NULL,
    kind         TEXT    NOT NULL,
    dn           TEXT    NOT NULL,
    external_id  TEXT    NOT NULL,
    fingerprint  BLOB    NOT NULL,
    accepted_at  INTEGER NOT NULL,
    accepted_run INTEGER NOT NULL,
    asset        INTEGER NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- The last accepted asset of each object: one `assetData` element.
CREATE TABLE asset (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;
