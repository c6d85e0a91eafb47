-- Schema version 7: several controllers.

-- Under which name of AD_HOST the controller was reached last, '' where that is not known: it is preferred to one that was
-- never read.
ALTER TABLE watermark ADD COLUMN host TEXT NOT NULL DEFAULT '';

-- How far the directory is known, as the DirSync control says it: `cookie` is the controller's, `scope` as in `watermark`. Any
-- controller may go on from it.
CREATE TABLE dirsync_cookie (
    connection INTEGER PRIMARY KEY REFERENCES connection (id) ON DELETE CASCADE,
    scope      BLOB    NOT NULL,
    cookie     BLOB    NOT NULL,
    read_at    INTEGER NOT NULL
) STRICT;
