-- From version 16 to 17: a run lists the groups that became roles, and the roles that became groups.

-- As before, with one more fate: 'reclassified', which no column of `run_count` counts. `kind` is the one that the object
-- was.
CREATE TABLE run_object_17 (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    fate        TEXT    NOT NULL CHECK (fate IN ('rejected', 'unmapped', 'removed', 'reclassified')),
    guid        BLOB,
    kind        TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    external_id TEXT,
    reason      TEXT    NOT NULL
) STRICT;
INSERT INTO run_object_17 SELECT id, run, fate, guid, kind, dn, external_id, reason FROM run_object;
DROP TABLE run_object;
ALTER TABLE run_object_17 RENAME TO run_object;
CREATE INDEX run_object_of_run ON run_object (run, id);
