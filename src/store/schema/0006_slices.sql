-- Schema version 6: a full read that broke off goes on where it was.

-- A full read that has not come to its end, at most one a connection: what it was begun with. `controller` and `scope` are
-- as in `watermark`, `highest` is the highestCommittedUSN from before it.
CREATE TABLE unfinished_read (
    connection INTEGER PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    scope      BLOB    NOT NULL,
    highest    INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL
) STRICT;

-- Where every container of the naming context was when it began: one that was renamed or moved since took objects with it
-- whose slices are read already (R8).
CREATE TABLE unfinished_container (
    connection INTEGER NOT NULL REFERENCES unfinished_read (connection) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    dn         TEXT    NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;

-- What of `0..=highest` it has read: ranges of uSNChanged, both ends included. A row commits with the last objects of its
-- slice or after them. `kinds` are those of which there was any object, `parents` (JSON) what held objects and is no container by
-- class, `met` the hashes of all objectGUIDs.
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
