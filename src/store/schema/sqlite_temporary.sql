-- Tables that a transaction fills and reads. They are empty at its beginning.

-- The page that is stored: an object each. `first_with_id` is the position of the first object of the page with the same
-- `external_id`; that is NULL where no asset could be made, for `reason`. `object` and `asset` are the rows that it belongs to,
-- `is_new` and `asset_is_new` whether this page brings them, `verdict` what is done.
CREATE TEMP TABLE page (
    position      INTEGER PRIMARY KEY,
    first_with_id INTEGER NOT NULL,
    guid          BLOB    NOT NULL,
    kind          TEXT    NOT NULL,
    dn            TEXT    NOT NULL,
    external_id   TEXT,
    fingerprint   BLOB,
    reason        TEXT,
    linked        BLOB,
    object        INTEGER,
    is_new        INTEGER NOT NULL DEFAULT 0,
    asset         INTEGER,
    asset_is_new  INTEGER NOT NULL DEFAULT 0,
    verdict       TEXT
) STRICT;

-- The versions of a batch that is handed out or answered. `fate` is 'accepted', 'absent' (certainly not at the gateway) or
-- 'unknown'; `reason` is why the gateway rejected it.
CREATE TEMP TABLE batch (
    seq         INTEGER PRIMARY KEY,
    asset       INTEGER NOT NULL,
    removal     INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    fate        TEXT    NOT NULL,
    reason      TEXT
) STRICT;

-- Assets that lost their owner in this transaction.
CREATE TEMP TABLE released (
    asset INTEGER PRIMARY KEY
) STRICT;

-- Assets that are forgotten, as nothing needs them.
CREATE TEMP TABLE unneeded (
    asset INTEGER PRIMARY KEY
) STRICT;

-- Objects that a read missed.
CREATE TEMP TABLE missed (
    guid BLOB NOT NULL
) STRICT;

-- What is concluded to be gone: rows of `recheck`. `object` is NULL where only the asset is gone.
CREATE TEMP TABLE leaving (
    recheck INTEGER PRIMARY KEY,
    guid    BLOB NOT NULL,
    kind    TEXT NOT NULL,
    dn      TEXT NOT NULL,
    object  INTEGER,
    asset   INTEGER,
    reason  TEXT NOT NULL
) STRICT;

-- Entries of a page that show no objectGUID. `is_new` is 1 where the run has not noted the name before.
CREATE TEMP TABLE unidentified (
    position INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,
    dn       TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    is_new   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Results of look-ups. `word` is the verdict of `recheck`; `is_missed` is 1 where the controller returned no such object.
CREATE TEMP TABLE verdict (
    guid      BLOB    NOT NULL,
    word      TEXT,
    reason    TEXT,
    is_missed INTEGER NOT NULL
) STRICT;

-- Containers that a read learned of; `dn` is NULL where one is no more.
CREATE TEMP TABLE place (
    guid BLOB NOT NULL,
    dn   TEXT
) STRICT;

-- Versions that go behind all others of the stage, each with its new number, or leave it, without one.
CREATE TEMP TABLE moving (
    seq        INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL,
    asset      INTEGER NOT NULL,
    number     INTEGER
) STRICT;
