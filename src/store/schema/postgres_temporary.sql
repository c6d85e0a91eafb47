-- Tables that a transaction fills and reads: those of sqlite_temporary.sql, which says what is in them. Each is created by
-- the transaction that needs it.

CREATE TEMP TABLE page (
    position BIGINT PRIMARY KEY,
    first_with_id BIGINT NOT NULL,
    guid BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    dn TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    fingerprint BYTEA,
    reason TEXT COLLATE "C",
    linked BYTEA,
    object BIGINT,
    is_new BIGINT NOT NULL DEFAULT 0,
    asset BIGINT,
    asset_is_new BIGINT NOT NULL DEFAULT 0,
    verdict TEXT COLLATE "C"
) ON COMMIT DROP;

CREATE TEMP TABLE batch (
    seq BIGINT PRIMARY KEY,
    asset BIGINT NOT NULL,
    removal BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    fate TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C"
) ON COMMIT DROP;

CREATE TEMP TABLE released (
    asset BIGINT PRIMARY KEY
) ON COMMIT DROP;

CREATE TEMP TABLE unneeded (
    asset BIGINT PRIMARY KEY
) ON COMMIT DROP;

CREATE TEMP TABLE missed (
    guid BYTEA NOT NULL
) ON COMMIT DROP;

CREATE TEMP TABLE leaving (
    recheck BIGINT PRIMARY KEY,
    guid BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    dn TEXT COLLATE "C" NOT NULL,
    object BIGINT,
    asset BIGINT,
    reason TEXT COLLATE "C" NOT NULL
) ON COMMIT DROP;

CREATE TEMP TABLE unidentified (
    position BIGINT PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    dn TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    is_new BIGINT NOT NULL DEFAULT 0
) ON COMMIT DROP;

CREATE TEMP TABLE verdict (
    guid BYTEA NOT NULL,
    word TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    is_missed BIGINT NOT NULL
) ON COMMIT DROP;

CREATE TEMP TABLE place (
    guid BYTEA NOT NULL,
    dn TEXT COLLATE "C"
) ON COMMIT DROP;

CREATE TEMP TABLE moving (
    seq BIGINT PRIMARY KEY,
    connection BIGINT NOT NULL,
    asset BIGINT NOT NULL,
    number BIGINT
) ON COMMIT DROP;
