//! Tables that several files write in bulk.

use super::sql::{Class, SqlTable};

/// Versions that are handed out or answered (schema/sqlite_temporary.sql).
pub(super) const BATCH: SqlTable = SqlTable {
    name: "batch",
    columns: &[
        ("seq", Class::Integer),
        ("asset", Class::Integer),
        ("removal", Class::Integer),
        ("fingerprint", Class::Blob),
        ("fate", Class::Text),
        ("reason", Class::Text),
    ],
};

/// Versions on the stage.
pub(super) const STAGE: SqlTable = SqlTable {
    name: "stage",
    columns: &[
        ("connection", Class::Integer),
        ("seq", Class::Integer),
        ("object", Class::Integer),
        ("asset", Class::Integer),
        ("kind", Class::Text),
        ("fingerprint", Class::Blob),
        ("staged_at", Class::Integer),
    ],
};

/// Texts of versions.
pub(super) const DOCUMENT: SqlTable = SqlTable {
    name: "document",
    columns: &[("seq", Class::Integer), ("json", Class::Text)],
};
