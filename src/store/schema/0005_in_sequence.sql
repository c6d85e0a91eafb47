-- Schema version 5: what a first read writes is written one row after the other. GUIDs are random, so a tree that is
-- keyed by them is written all over; only `object_of_guid` is one now, and its entries are short.

-- `id` grows with time. A row is made when the first version of the object's asset is staged; `fingerprint`, `asset` and
-- the two of the acceptance are NULL while upstream holds none.
CREATE TABLE object_in_sequence (
    id           INTEGER PRIMARY KEY,
    connection   INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid         BLOB    NOT NULL,
    kind         TEXT    NOT NULL,
    dn           TEXT    NOT NULL,
    external_id  TEXT    NOT NULL,
    fingerprint  BLOB,
    accepted_at  INTEGER,
    accepted_run INTEGER,
    asset        INTEGER
) STRICT;
INSERT INTO object_in_sequence (connection, guid, kind, dn, external_id, fingerprint, accepted_at, accepted_run, asset)
    SELECT connection, guid, kind, dn, external_id, fingerprint, accepted_at, accepted_run, asset FROM object;
-- Of what waits and is known the names of the last reading are in both.
INSERT INTO object_in_sequence (connection, guid, kind, dn, external_id)
    SELECT connection, guid, kind, dn, external_id FROM stage AS s
    WHERE NOT EXISTS (SELECT 1 FROM object AS o WHERE o.connection = s.connection AND o.guid = s.guid);
DROP TABLE object;
ALTER TABLE object_in_sequence RENAME TO object;
CREATE UNIQUE INDEX object_of_guid ON object (connection, guid);

-- What waits is a few numbers; names are in the row `object` of that table. `asset` is the text in the table of that name: it
-- is stored once, and `object` takes it over. `seq` comes from `last_seq`, and is never used twice.
CREATE TABLE stage_in_sequence (
    seq           INTEGER PRIMARY KEY,
    connection    INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    object        INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    asset         INTEGER NOT NULL,
    staged_at     INTEGER NOT NULL,
    sent          INTEGER NOT NULL,
    removal       INTEGER NOT NULL,
    rejected_run  INTEGER,
    rejected_at   INTEGER,
    reject_reason TEXT
) STRICT;
CREATE TABLE last_seq (seq INTEGER NOT NULL) STRICT;
INSERT INTO last_seq SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'stage';
-- The numbers of assets accepted so far are above 0.
INSERT INTO asset (id, json) SELECT -seq, asset FROM stage;
INSERT INTO stage_in_sequence
    SELECT seq, s.connection, o.id, s.kind, s.fingerprint, -seq, staged_at, sent, removal, rejected_run, rejected_at,
        reject_reason
    FROM stage AS s JOIN object AS o ON o.connection = s.connection AND o.guid = s.guid;
DROP TABLE stage;
ALTER TABLE stage_in_sequence RENAME TO stage;
CREATE UNIQUE INDEX stage_of_object ON stage (object);
CREATE INDEX stage_rejected ON stage (connection) WHERE rejected_run IS NOT NULL;
