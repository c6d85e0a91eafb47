-- From version 15 to 16: identities of connections, connections that are made over HTTP, their sealed secrets.

-- `uuid` is the identity of a connection, NULL in a row from before until the program runs with it. `read_with` is the
-- digest of the profile and the mapping that its staged versions were made with.
ALTER TABLE connection ADD COLUMN uuid BLOB;
ALTER TABLE connection ADD COLUMN read_with BLOB;
CREATE UNIQUE INDEX connection_of_uuid ON connection (uuid);

-- The revision of the stored connection that the run works with, NULL where the connection is configured elsewhere.
ALTER TABLE run ADD COLUMN revision INTEGER;

-- Connections that were made over HTTP. `revision` grows with each change; `body` is the configuration as JSON, without
-- secrets. A deleted one stays as long as the row in `connection` with the same `uuid`, which has its history.
CREATE TABLE stored_connection (
    uuid       BLOB    PRIMARY KEY NOT NULL,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    disabled   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX stored_connection_of_name ON stored_connection (name) WHERE deleted_at IS NULL;

-- Their secrets, sealed with a key that is not in the state (R35).
CREATE TABLE connection_secret (
    uuid       BLOB    NOT NULL REFERENCES stored_connection (uuid) ON DELETE CASCADE,
    field      TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (uuid, field)
) STRICT, WITHOUT ROWID;

-- A constant, sealed with the key that all secrets are sealed with: by it a process knows whether it has that key. At most
-- one row.
CREATE TABLE secrets_canary (
    sealed BLOB NOT NULL
) STRICT;

-- Number of changes of stored connections. Instances compare it with the one that they know.
CREATE TABLE stored_change (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO stored_change (last) VALUES (0);
