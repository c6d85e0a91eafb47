-- From version 15 to 16: what sqlite_16.sql does, which says what is in the columns and tables.

ALTER TABLE connection ADD COLUMN uuid BYTEA;
ALTER TABLE connection ADD COLUMN read_with BYTEA;
CREATE UNIQUE INDEX connection_of_uuid ON connection (uuid);

ALTER TABLE run ADD COLUMN revision BIGINT;

CREATE TABLE stored_connection (
    uuid BYTEA PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    disabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX stored_connection_of_name ON stored_connection (name) WHERE deleted_at IS NULL;

CREATE TABLE connection_secret (
    uuid BYTEA NOT NULL REFERENCES stored_connection (uuid) ON DELETE CASCADE,
    field TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (uuid, field)
);

CREATE TABLE secrets_canary (
    sealed BYTEA NOT NULL
);

CREATE TABLE stored_change (
    last BIGINT NOT NULL
);
INSERT INTO stored_change (last) VALUES (0);
