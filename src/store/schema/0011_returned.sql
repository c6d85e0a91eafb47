-- Schema version 11: objects that came back after they were removed.

-- 1: the object was listed as removed before, so that upstream may hold an asset of it from then, although it accepted none since.
ALTER TABLE object ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
