-- Schema version 2: objects that are gone, or may be.

-- Objects that a read did not find where they were: to be looked up one by one (R22). A row commits with the watermark
-- of the read that missed the object, and stays until the object is found, removed, or both again. `verdict` and
-- `reason` are what the look-up of run `examined` said; `held_at` is when the threshold first held a gone one back (R23).
CREATE TABLE candidate (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    dn         TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    verdict    TEXT    CHECK (verdict IN ('gone', 'unclear')),
    reason     TEXT,
    examined   INTEGER,
    held_at    INTEGER,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- Objects concluded to be gone, that upstream holds or may hold (R24). Never in `object` at the same time. `sent_at` is
-- when upstream accepted the asset that says so, NULL before, and for ever where removals are only reported.
CREATE TABLE removed (
    id          INTEGER PRIMARY KEY,
    connection  INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid        BLOB    NOT NULL,
    kind        TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    removed_at  INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    sent_at     INTEGER,
    asset       TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX removed_object ON removed (connection, guid);

-- Where every container of the naming context was at the last read (R8): its children follow a rename or a move
-- without a change of their own.
CREATE TABLE container (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    dn         TEXT    NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- 1: the asset says that the object is gone; once accepted, nothing of the object is left but its row in `removed`.
ALTER TABLE stage ADD COLUMN removal INTEGER NOT NULL DEFAULT 0;
