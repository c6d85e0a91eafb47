-- From version 16 to 17: a run lists the groups that became roles, and the roles that became groups.

-- 'reclassified' is in no column of `run_count`; `kind` is the one that the object was.
ALTER TABLE run_object DROP CONSTRAINT run_object_fate_check;
ALTER TABLE run_object ADD CONSTRAINT run_object_fate_check
    CHECK (fate IN ('rejected', 'unmapped', 'removed', 'reclassified'));
