//! Checks of the assets that arrived, and of the state.

use std::collections::BTreeSet;

use lab::receiver::Delivery;
use lab::simulator::{Directory, Kind};
use serde_json::{Value, json};

use crate::support::{Assets, assert_same, expected};
use crate::wanted::Wanted;
use crate::world::{CONNECTORS, NAME, World, narrow};

impl World {
    /// The receiver holds what the directory and the configuration say, and of everything else
    /// only what is known to be gone.
    #[track_caller]
    pub fn assert_converged(&self, wanted: &Wanted, before: &[Delivery], what: &str) {
        let expected = self.expected(wanted);
        let held = self.lab.receiver.assets();
        let live: Assets = held
            .iter()
            .filter(|(id, _)| expected.contains_key(*id))
            .map(|(id, asset)| (id.clone(), asset.clone()))
            .collect();
        println!("{what}: {} live, {} held", live.len(), held.len());
        assert_same(&live, &expected);
        // A former target keeps what it holds.
        let target = CONNECTORS[wanted.connector];
        let of_others: BTreeSet<String> = before
            .iter()
            .filter(|delivery| delivery.connector_uuid != target)
            .flat_map(|delivery| delivery.external_ids.clone())
            .collect();
        for (id, asset) in held.iter().filter(|(id, _)| !expected.contains_key(*id)) {
            assert!(
                is_removal(asset) || of_others.contains(id),
                "{what}: {id} is gone or out of scope, and upstream does not know it: {asset}"
            );
        }
        assert_eq!(self.lab.receiver.violations(), Vec::<String>::new(), "{what}");
    }

    /// Everything that arrived after the first `mark` deliveries is of the configuration.
    #[track_caller]
    pub fn assert_only_of(&self, wanted: &Wanted, mark: usize, what: &str) {
        let ids: BTreeSet<String> = self.expected(wanted).into_keys().collect();
        for delivery in self.lab.receiver.deliveries().into_iter().skip(mark) {
            assert_eq!(
                delivery.connector_uuid, CONNECTORS[wanted.connector],
                "{what}: sent to the former target"
            );
            for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
                if is_removal(asset) {
                    continue;
                }
                assert!(
                    !wanted.is_narrow || ids.contains(id),
                    "{what}: {id} is not of the profile: {asset}"
                );
                assert_eq!(
                    asset["asset"]["assetDetail"]["mark"],
                    wanted
                        .mark
                        .map_or(Value::Null, |mark| json!(format!("mark {mark}"))),
                    "{what}: {id} is of the former mapping"
                );
            }
        }
    }

    /// Nothing was sent twice as it was.
    #[track_caller]
    pub fn assert_nothing_twice(&self, what: &str) {
        let again = sent_again(&self.lab.receiver.deliveries());
        assert!(again.is_empty(), "{what}: sent again as they were: {again:?}");
    }

    /// Rows of a connection that is purged, by table.
    pub fn rows_of(&self, connection: i64) -> Vec<(String, i64)> {
        let tables = match self.database {
            Some(_) => self.query(
                "SELECT table_name FROM information_schema.columns
                 WHERE column_name = 'connection' AND table_schema = current_schema()",
            ),
            None => self.query(
                "SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
                 WHERE m.type = 'table' AND p.name = 'connection'",
            ),
        };
        assert!(tables.lines().count() > 5, "{tables}");
        let mut rows: Vec<(String, i64)> = tables
            .lines()
            .map(|table| (table, format!("connection = {connection}")))
            .chain([
                ("connection", format!("id = {connection}")),
                ("stored_connection", format!("name = '{NAME}'")),
                (
                    "connection_secret",
                    "uuid NOT IN (SELECT uuid FROM stored_connection)".to_owned(),
                ),
            ])
            .map(|(table, condition)| {
                let count = self.query(&format!("SELECT count(*) FROM {table} WHERE {condition}"));
                (table.to_owned(), count.parse().unwrap())
            })
            .collect();
        rows.retain(|(_, count)| *count > 0);
        rows
    }
}

/// Returns the assets of a connection that the receiver must hold.
pub fn expected_of(directory: &Directory, wanted: &Wanted) -> Assets {
    let below = wanted.is_narrow.then(|| format!(",{}", narrow(directory)));
    let mut assets = Assets::new();
    for kind in [Kind::User, Kind::Group] {
        for id in directory.all(kind) {
            if below
                .as_ref()
                .is_some_and(|below| !directory.dn(id).ends_with(below))
            {
                continue;
            }
            let mut asset = expected::asset(directory, kind, id);
            if let Some(mark) = wanted.mark {
                asset["asset"]["assetDetail"]["mark"] = json!(format!("mark {mark}"));
            }
            assets.insert(expected::external_id(directory, id), asset);
        }
    }
    assets
}

fn is_removal(asset: &Value) -> bool {
    asset["asset"]["assetDetail"]["lifecycle"] == "REMOVED"
}

/// Ids of assets that arrived at one connector twice in a row as they were.
pub fn sent_again(deliveries: &[Delivery]) -> BTreeSet<String> {
    let mut last = std::collections::BTreeMap::new();
    let mut again = BTreeSet::new();
    for delivery in deliveries {
        for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
            let key = (delivery.connector_uuid.clone(), id.clone());
            if last.insert(key, asset.clone()).as_ref() == Some(asset) {
                again.insert(id.clone());
            }
        }
    }
    again
}
