//! What happened before a failure, and what the state file and the directory say of the object: kills do not happen twice at
//! the same instruction, so the message of a failure must be enough to understand it.

use std::path::Path;

use lab::simulator::{Directory, Kind};
use rusqlite::Connection;

/// Lines that a failure shows.
const SHOWN: usize = 12;

/// Of one object, by its `externalAssetId` (the first two), and of everything.
const QUERIES: [&str; 6] = [
    "SELECT concat_ws(' ', 'stage', seq, 'sent', sent, dn, json)
     FROM stage JOIN object ON object.id = stage.object JOIN asset ON asset.id = stage.asset WHERE external_id = ?1",
    "SELECT concat_ws(' ', 'object', id, accepted_run, dn) FROM object WHERE external_id = ?1",
    "SELECT concat_ws(' ', 'removed', run, dn, reason) FROM removed WHERE external_id = ?1",
    "SELECT concat_ws(' ', 'candidate', dn, verdict, reason, examined) FROM candidate WHERE ?1 <> ''",
    "SELECT concat_ws(' ', 'watermark', usn) FROM watermark WHERE ?1 <> ''",
    "SELECT concat_ws(' ', 'run', id, mode, outcome, reason, watermark_before, watermark_after) FROM run
     WHERE ?1 <> '' ORDER BY id DESC LIMIT 12",
];

/// What was done, in order.
#[derive(Debug, Default)]
pub struct Diary(Vec<String>);

impl Diary {
    pub fn note(&mut self, round: usize, what: String) {
        self.0.push(format!("round {round}: {what}"));
    }

    /// The last lines, and everything that is known of the object `sid`.
    pub fn told(&self, sid: &str, directory: &Directory, state: &Path) -> String {
        let mut lines = self.0[self.0.len().saturating_sub(SHOWN)..].to_vec();
        let there = [Kind::User, Kind::Group]
            .into_iter()
            .flat_map(|kind| directory.all(kind))
            .find(|id| directory.sid(*id).as_deref() == Some(sid));
        lines.push(match there {
            Some(id) => format!(
                "in the directory: {}, USN {:?}",
                directory.dn(id),
                directory.text(id, "uSNChanged")
            ),
            None => "not in the directory".to_owned(),
        });
        let sql = Connection::open(state).unwrap();
        for query in QUERIES {
            let mut statement = sql.prepare(query).unwrap();
            let rows = statement.query_map([sid], |row| row.get::<_, String>(0)).unwrap();
            lines.extend(rows.map(Result::unwrap));
        }
        lines.join("\n")
    }
}
