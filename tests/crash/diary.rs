//! Events before a failure, and what the state and the directory say of the object: kills do not
//! happen twice at the same instruction, so the message of a failure must be enough to understand
//! it.

use ad_connector::store::{Store, StoreAccess};
use lab::simulator::{Directory, Kind};

use crate::state::{StateEngine, WorldState};

/// Lines that a failure shows.
const SHOWN: usize = 12;

/// Of one object, by its `externalAssetId` (the first three), and of everything.
const QUERIES: [&str; 6] = [
    "SELECT concat_ws(' ', 'stage', s.seq, 'sent', a.sent, o.dn, d.json)
     FROM stage AS s JOIN asset AS a ON a.id = s.asset LEFT JOIN object AS o ON o.id = s.object
     LEFT JOIN document AS d ON d.seq = s.seq WHERE a.external_id = $1",
    "SELECT concat_ws(' ', 'object', o.id, a.accepted_run, o.dn)
     FROM object AS o JOIN asset AS a ON a.id = o.asset WHERE a.external_id = $1",
    "SELECT concat_ws(' ', 'removed', r.run, r.dn, r.reason)
     FROM removed AS r JOIN asset AS a ON a.id = r.asset WHERE a.external_id = $1",
    "SELECT concat_ws(' ', 'recheck', why, dn, verdict, reason, run) FROM recheck WHERE $1 <> ''",
    "SELECT concat_ws(' ', 'watermark', usn) FROM watermark WHERE $1 <> ''",
    "SELECT concat_ws(' ', 'run', id, mode, outcome, reason, watermark_before, watermark_after) FROM run
     WHERE $1 <> '' ORDER BY id DESC LIMIT 12",
];

/// What was done, in order.
#[derive(Debug, Default)]
pub struct Diary(Vec<String>);

impl Diary {
    pub fn note(&mut self, round: usize, what: String) {
        self.0.push(format!("round {round}: {what}"));
    }

    /// The last lines, and everything that is known of the object `sid`.
    pub fn told(&self, sid: &str, directory: &Directory, state: &WorldState) -> String {
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
        lines.extend(QUERIES.iter().flat_map(|query| state.texts(query, sid)));
        lines.join("\n")
    }
}

#[test]
fn the_queries_are_of_the_present_schema_in_both_engines() {
    for engine in [StateEngine::Sqlite, StateEngine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let state = engine.new_state(folder.path().join("state.db"));
        drop(Store::open(state.location(), StoreAccess::ReadWrite).unwrap());
        for query in QUERIES {
            assert_eq!(state.texts(query, "S-1-5-21-7"), Vec::<String>::new());
        }
    }
}
