//! Notice that the state file was restored from an older copy.

use chrono::{DateTime, SecondsFormat};

/// Meaning of the notice.
pub const RESTORED: &str =
    "the state file is older than the assets that were sent: ETM may hold other versions than it records";

/// Remedy for the operator.
pub const RESTORED_ADVICE: &str = "run `ad-connector sync --baseline --resend`, which sends everything";

/// Logs the notice, when the file was found to be restored. `connection` is its name outside of a
/// run, whose lines have it anyway.
pub fn warn_of_restore(connection: Option<&str>, restored_at: Option<i64>) {
    if let Some(at) = restored_at.and_then(|at| DateTime::from_timestamp(at, 0)) {
        tracing::warn!(
            connection,
            restored_at = at.to_rfc3339_opts(SecondsFormat::Secs, true),
            reason = RESTORED,
            advice = RESTORED_ADVICE,
            "The state file was restored from an older copy."
        );
    }
}
