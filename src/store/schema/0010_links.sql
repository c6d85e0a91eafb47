-- Schema version 10: which objects the asset of an object names, and how: groups, managers, members. They are known by GUID,
-- and what they are called by the exact octets of the name that the asset shows.

-- As the object was last read: 16 bytes for each object that it names. NULL until it is read anew, which is a full read: the
-- scope digest of such a mapping is another one as well.
ALTER TABLE object RENAME COLUMN groups TO linked;
UPDATE object SET linked = NULL WHERE linked IS NOT NULL;

-- What was last read of each object says what the groups were called then, whichever controller it was.
DROP TABLE group_name;
