-- Schema version 4: what people look at tells more of a run and of a connection.

-- Who asked for the run (`reason` says why it read that much), what to do about its error, and what its time went to,
-- in milliseconds; NULL where the process died in it, or it is older than this.
ALTER TABLE run ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN remedy TEXT;
ALTER TABLE run ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN connecting_ms INTEGER;
ALTER TABLE run ADD COLUMN reading_ms INTEGER;
ALTER TABLE run ADD COLUMN examining_ms INTEGER;
ALTER TABLE run ADD COLUMN delivering_ms INTEGER;

-- What to do about `last_error`, and when each state was entered last.
ALTER TABLE connection ADD COLUMN last_error_remedy TEXT;
ALTER TABLE connection ADD COLUMN registered_at INTEGER;
ALTER TABLE connection ADD COLUMN scheduled_at INTEGER;
ALTER TABLE connection ADD COLUMN processing_at INTEGER;
ALTER TABLE connection ADD COLUMN processed_at INTEGER;
