-- Schema version 7: which groups the asset of an object names, where a mapping asks for them: a change of its members is a
-- change of the group alone.

-- As the object was last read: 8 bytes for each group, in the order of their numbers.
ALTER TABLE object ADD COLUMN groups BLOB;

-- What every group of the naming context was called at the last read, as the same number. A group that the account does not
-- see is there under a number of its own, so that nobody goes astray for it.
CREATE TABLE group_name (
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    guid       BLOB    NOT NULL,
    name       INTEGER NOT NULL,
    PRIMARY KEY (connection, guid)
) STRICT, WITHOUT ROWID;
