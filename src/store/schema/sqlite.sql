-- Schema of the state in SQLite. Times are Unix seconds in UTC. GUIDs are the 16 octets of the wire; `sqlite3` shows
-- them with hex(). Rows that grow with the directory are numbered by `sequence`, so that a first read writes them one
-- after the other.

-- Numbers for everything that is staged, and for the rows `object` and `asset`. None is used twice. `identity` is random: by
-- it and `last`, a marker beside the file shows when the file was replaced by an older copy of it.
CREATE TABLE sequence (
    last     INTEGER NOT NULL,
    identity BLOB    NOT NULL
) STRICT;
INSERT INTO sequence (last, identity) VALUES (0, randomblob(16));

-- Gateway and connector that assets are sent to. Connections with the same target share their assets (R37). The columns
-- behind these are what was learnt about the gateway, NULL while nothing was: most assets that it accepted in one request,
-- fewest that it refused as too many, octets of a request that it accepts, and when that was refused; assets of the next
-- request, how long one takes, and the calls that it allows in a window of so many seconds.
CREATE TABLE target (
    id        INTEGER PRIMARY KEY,
    gateway   TEXT NOT NULL,
    connector TEXT NOT NULL,
    taken_assets INTEGER, refused_assets INTEGER, taken_bytes INTEGER, refused_at INTEGER,
    request_assets INTEGER, request_ms INTEGER,
    window_calls INTEGER, window_seconds INTEGER,
    UNIQUE (gateway, connector)
) STRICT;

-- `restored_at` is when the file was found to be an older copy, NULL after a full read that sent everything.
-- A full read is due while `next_baseline` is reached and `last_baseline`, the end of the last complete one, lies before it
-- (R33). `configured` is 0 while the program runs without the connection: its objects yield their assets to others.
CREATE TABLE connection (
    id                   INTEGER PRIMARY KEY,
    name                 TEXT    NOT NULL UNIQUE,
    description          TEXT    NOT NULL,
    configured           INTEGER NOT NULL DEFAULT 1,
    target               INTEGER NOT NULL REFERENCES target (id),
    state                TEXT    NOT NULL CHECK (state IN ('Registered', 'Scheduled', 'Processing', 'Processed')),
    state_since          INTEGER NOT NULL,
    registered_at INTEGER, scheduled_at INTEGER, processing_at INTEGER, processed_at INTEGER,
    last_synced INTEGER, last_successful_sync INTEGER,
    next_sync INTEGER, next_baseline INTEGER, last_baseline INTEGER,
    last_error TEXT, last_error_remedy TEXT,
    skipped_ticks        INTEGER NOT NULL DEFAULT 0,
    restored_at          INTEGER
) STRICT;

-- One row an execution. `ended` is NULL while it runs, or after the process died in it. `asked_by` says who asked for it,
-- `reason` why it read that much; the four times are milliseconds, NULL where the process died. `host` is the controller
-- that was read, `controller_choice` why; the sites are as that controller named them over its session, NULL where it did
-- not, and `client_site` is empty where the directory has none for this computer.
CREATE TABLE run (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    connection       INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    wanted           TEXT    NOT NULL,
    mode             TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    asked_by         TEXT    NOT NULL,
    started INTEGER NOT NULL, ended INTEGER,
    outcome TEXT, error TEXT, remedy TEXT, held_list TEXT,
    requests INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0, referrals INTEGER NOT NULL DEFAULT 0,
    controller       BLOB,
    host TEXT, controller_choice TEXT, controller_site TEXT, client_site TEXT, in_site INTEGER,
    watermark_before INTEGER, watermark_after INTEGER,
    connecting_ms INTEGER, reading_ms INTEGER, examining_ms INTEGER, delivering_ms INTEGER
) STRICT;
CREATE INDEX run_of_connection ON run (connection, id);
CREATE INDEX run_open ON run (connection) WHERE ended IS NULL;

CREATE TABLE run_count (
    run       INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    kind      TEXT    NOT NULL,
    read INTEGER NOT NULL, unchanged INTEGER NOT NULL, staged INTEGER NOT NULL,
    sent INTEGER NOT NULL, accepted INTEGER NOT NULL, rejected INTEGER NOT NULL,
    unmapped INTEGER NOT NULL, removed INTEGER NOT NULL, held INTEGER NOT NULL,
    PRIMARY KEY (run, kind)
) STRICT, WITHOUT ROWID;

-- The objects that a run rejected, could not map or removed, one by one: as many rows as `run_count` counts. `guid` is NULL
-- where the entry showed none.
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

-- The controllers that were read, by a short number that stands in every row of `object`.
CREATE TABLE controller (
    id            INTEGER PRIMARY KEY,
    invocation_id BLOB NOT NULL UNIQUE
) STRICT;

-- Objects of the directory that an asset was made of, as last read. `asset` is the one whose id the object claims; it is the
-- object's only if `asset.owner` says so. `linked` are the objects that the asset names: 16 octets each. `first_seq` is the
-- number of the first reading of the object, `changed_seq` that of the last reading after it that changed what upstream
-- holds or is about to get of it (0: none), `changed_by` the controller that returned the last one of both (R2).
CREATE TABLE object (
    id          INTEGER PRIMARY KEY,
    connection  INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid        BLOB    NOT NULL,
    kind        TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    asset       INTEGER NOT NULL,
    linked      BLOB,
    first_seq   INTEGER NOT NULL,
    changed_seq INTEGER NOT NULL DEFAULT 0,
    changed_by  INTEGER
) STRICT;
CREATE UNIQUE INDEX object_of_guid ON object (connection, guid);

-- Assets of a target by externalAssetId (R37). `owner` is the live object that it belongs to, NULL when there is none.
-- `fingerprint` and `document` are those of the version that upstream accepted last; `fingerprint` is NULL when upstream
-- holds none, or one that says that the object is gone. Where it accepted none, `document` is that of a version that may
-- have arrived, once the stage has that no more. `accepted_at` stays after that. `sent` is the newest version that was
-- handed out and whose fate is unknown, 0 when there is none: until it is 0, upstream may hold something else.
-- `sent_before` is its value before that version, `out_run` the run that has the version in flight now.
CREATE TABLE asset (
    id           INTEGER PRIMARY KEY,
    target       INTEGER NOT NULL REFERENCES target (id),
    external_id  TEXT    NOT NULL,
    owner        INTEGER,
    fingerprint  BLOB,
    document     INTEGER,
    accepted_at  INTEGER,
    accepted_run INTEGER,
    sent         INTEGER NOT NULL DEFAULT 0,
    sent_before  INTEGER NOT NULL DEFAULT 0,
    out_run      INTEGER
) STRICT;
CREATE UNIQUE INDEX asset_of_id ON asset (target, external_id);
CREATE INDEX asset_without_owner ON asset (id) WHERE owner IS NULL;

-- Objects whose id is that of an asset with another owner. They wait until that one is gone.
CREATE TABLE contender (
    object     INTEGER PRIMARY KEY,
    asset      INTEGER NOT NULL,
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    since      INTEGER NOT NULL
) STRICT;
CREATE INDEX contender_of_asset ON contender (asset);

-- Text of a version: one `assetData` element.
CREATE TABLE document (
    seq  INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

-- Versions that upstream has still to accept: at most one an object, the latest (R18, R20), and at most one an asset that
-- says that its object is gone (`object` is NULL). `document` has the text under the same number.
CREATE TABLE stage (
    connection    INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    seq           INTEGER NOT NULL,
    object        INTEGER,
    asset         INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    staged_at     INTEGER NOT NULL,
    rejected_run  INTEGER,
    rejected_at   INTEGER,
    reject_reason TEXT,
    PRIMARY KEY (connection, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX stage_of_object ON stage (object);
CREATE UNIQUE INDEX stage_removal ON stage (asset) WHERE object IS NULL;
CREATE INDEX stage_rejected ON stage (connection) WHERE rejected_run IS NOT NULL;

-- What is to be asked for again, or decided upon, and why:
-- 'unmapped'  an entry that no asset could be made of when it was last read (R15); without a GUID it is known by its DN;
-- 'missing'   an object that a read did not find where it was (R22). `verdict` is the result of the look-up in run `run`;
-- 'inherited' an object that became the owner of an asset: what of it waited may be older than what upstream holds (R18);
-- 'replaced'  an asset whose object has another id now (R37): gone, unless another object claims it.
-- `held_at` is when the threshold first held back what is gone (R23).
CREATE TABLE recheck (
    id         INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    why        TEXT    NOT NULL CHECK (why IN ('unmapped', 'missing', 'replaced', 'inherited')),
    guid       BLOB,
    kind       TEXT    NOT NULL,
    dn         TEXT    NOT NULL,
    asset      INTEGER,
    since      INTEGER NOT NULL,
    verdict    TEXT    CHECK (verdict IN ('gone', 'unclear')),
    reason     TEXT,
    run        INTEGER,
    controller BLOB,
    held_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX recheck_object ON recheck (connection, why, guid) WHERE guid IS NOT NULL AND asset IS NULL;
CREATE UNIQUE INDEX recheck_name ON recheck (connection, dn) WHERE guid IS NULL;
CREATE UNIQUE INDEX recheck_asset ON recheck (asset) WHERE asset IS NOT NULL;

-- Assets whose object is concluded to be gone, that upstream holds or may hold (R24). `sent_at` is when upstream accepted the
-- version that says so, NULL before, and for ever where removals are only reported.
CREATE TABLE removed (
    id         INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    asset      INTEGER NOT NULL,
    guid       BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    dn         TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    removed_at INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX removed_asset ON removed (asset);
CREATE INDEX removed_object ON removed (connection, guid);
CREATE INDEX removed_by_age ON removed (removed_at);

-- How far each domain controller has been read (R2): `controller` is its invocationId, `scope` the digest of what was read,
-- `usn` the highestCommittedUSN from before the read. `seq` is `sequence.last` when it committed. `complete` is 1 when the
-- controller has by then returned every object with a `first_seq` up to there, or is in `missed_on` for it.
CREATE TABLE watermark (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    scope      BLOB    NOT NULL,
    usn        INTEGER NOT NULL,
    read_at    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    complete   INTEGER NOT NULL DEFAULT 0,
    host       TEXT    NOT NULL DEFAULT '',
    server     TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (connection, controller)
) STRICT, WITHOUT ROWID;

-- Where a DirSync search goes on, the controller that gave the cookie, and `sequence.last` when it committed.
CREATE TABLE dirsync_cookie (
    connection INTEGER PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    scope      BLOB    NOT NULL,
    cookie     BLOB    NOT NULL,
    read_at    INTEGER NOT NULL,
    controller BLOB    NOT NULL,
    seq        INTEGER NOT NULL
) STRICT;

-- The number of the last change that each controller brought.
CREATE TABLE last_change (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (connection, controller)
) STRICT, WITHOUT ROWID;

-- Objects that a complete read or look-up on a controller missed, which had not returned them before, and since when. Such a
-- controller proves nothing about them before REMOVAL_LAG has passed (R22). A row goes when it returns the object.
CREATE TABLE missed_on (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    controller BLOB    NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (connection, guid, controller)
) STRICT, WITHOUT ROWID;
CREATE INDEX missed_on_controller ON missed_on (connection, controller);

-- Objects that were removed by what one controller returned: another one may still return them, and is asked.
CREATE TABLE removed_by (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    controller BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- Where every container within the base context was, as each controller returned it: its children follow a rename or a move
-- without a change of their own (R8).
CREATE TABLE container (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    guid       BLOB    NOT NULL,
    dn         TEXT    NOT NULL,
    PRIMARY KEY (connection, controller, guid)
) STRICT, WITHOUT ROWID;

-- A full read that has not come to its end, at most one a connection: what it was begun with. `highest` is the
-- highestCommittedUSN from before it.
CREATE TABLE unfinished_read (
    connection INTEGER PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    scope      BLOB    NOT NULL,
    highest    INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL
) STRICT;

-- Where every container was when it began: one that was renamed or moved since took objects with it whose slices are read.
CREATE TABLE unfinished_container (
    connection INTEGER NOT NULL REFERENCES unfinished_read (connection) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    dn         TEXT    NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- What of `0..=highest` it has read: ranges of uSNChanged, both ends included. A row commits with the last objects of its
-- slice or after them. `kinds` are those of which there was any object, `parents` (JSON) what held objects and is no
-- container by class, `met` the hashes of all objectGUIDs.
CREATE TABLE slice (
    id         INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES unfinished_read (connection) ON DELETE CASCADE,
    low        INTEGER NOT NULL,
    high       INTEGER NOT NULL,
    kinds      TEXT    NOT NULL,
    parents    TEXT    NOT NULL,
    met        BLOB    NOT NULL
) STRICT;
CREATE INDEX slice_of_connection ON slice (connection);

-- Reviews of Qualys accounts, the last ones: `counts` are the numbers of findings by kind, `document` is the whole
-- review; both are JSON.
CREATE TABLE review (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    counts   TEXT    NOT NULL,
    document TEXT    NOT NULL
) STRICT;
