-- Schema version 8: several controllers.

-- Under which name of AD_HOST the controller was reached last: it is preferred to one that was never read. And which server it is
-- (rootDSE dsServiceName): the same one with another invocationId was restored from backup. '' where that is not known.
ALTER TABLE watermark ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE watermark ADD COLUMN server TEXT NOT NULL DEFAULT '';

-- How far the directory is known, as the DirSync control says it: `cookie` is the controller's, `scope` as in `watermark`. Any
-- controller may go on from it.
CREATE TABLE dirsync_cookie (
    connection INTEGER PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    scope      BLOB    NOT NULL,
    cookie     BLOB    NOT NULL,
    read_at    INTEGER NOT NULL
) STRICT;
