-- Schema version 9: controllers that lag behind each other (R2, R22).

-- The controllers that were read, by a short number: it stands in every row of `object`.
CREATE TABLE controller (
    id            INTEGER PRIMARY KEY,
    invocation_id BLOB    NOT NULL UNIQUE
) STRICT;
INSERT INTO controller (invocation_id) SELECT DISTINCT controller FROM watermark;

-- `first_seq` is the number of the first version of the object that was staged, `changed_seq` the number of the last reading after
-- that which changed what upstream holds or is about to get of it, 0 when there was none, and `changed_by` the controller that
-- returned the last one of both. The numbers come from `last_seq`.
ALTER TABLE object ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE object ADD COLUMN changed_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE object ADD COLUMN changed_by INTEGER;

-- `seq` is `last_seq` when the watermark was committed. `complete` is 1 when the controller has by then returned every object
-- with a `first_seq` up to there, or is in `missed_on` for it: 0 after increments by DirSync that began on another controller.
ALTER TABLE watermark ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watermark ADD COLUMN complete INTEGER NOT NULL DEFAULT 0;

-- Which controller gave the cookie, and `last_seq` when it was committed: what another one changed since is read again, since the
-- cookie covers a version that it may have replaced.
ALTER TABLE dirsync_cookie ADD COLUMN controller BLOB NOT NULL DEFAULT x'';
ALTER TABLE dirsync_cookie ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;

-- The controller that returned an entry that could not be mapped: another one that does not return it proves nothing.
ALTER TABLE unmapped ADD COLUMN controller BLOB;
ALTER TABLE unidentified ADD COLUMN controller BLOB;

-- The number of the last change that each controller brought: it tells whether there is anything to read again.
CREATE TABLE last_change (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (connection, controller)
) STRICT, WITHOUT ROWID;

-- Objects that a complete read or look-up on a controller missed, which had not returned them before, and since when. Such a
-- controller proves nothing about them before REMOVAL_LAG has passed. A row goes when the controller returns the object.
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

-- Containers are known as each controller returned them, and only those within the base context.
DROP TABLE container;
CREATE TABLE container (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    controller BLOB    NOT NULL,
    guid       BLOB    NOT NULL,
    dn         TEXT    NOT NULL,
    PRIMARY KEY (connection, controller, guid)
) STRICT, WITHOUT ROWID;

-- The next run reads everything: what a former version stored of containers and controllers does not answer what is asked now.
-- Where only one controller was read, it returned every object.
UPDATE object SET changed_by = (SELECT c.id FROM watermark AS w JOIN controller AS c ON c.invocation_id = w.controller
        WHERE w.connection = object.connection)
    WHERE 1 = (SELECT count(*) FROM watermark AS w WHERE w.connection = object.connection);
DELETE FROM watermark;
DELETE FROM dirsync_cookie;
DELETE FROM unfinished_read;
