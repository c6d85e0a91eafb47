//! Checks of one externalAssetId at the receiver and in the lists of the program.

use lab::simulator::{Kind, ObjectId};
use serde_json::Value;

use crate::support::expected;
use crate::world::World;

/// Returns `true` when the asset says that its object is gone.
pub fn is_removed(asset: &Value) -> bool {
    asset["asset"]["assetDetail"]["lifecycle"] == "REMOVED"
}

impl World {
    /// The asset of each of these users and groups, as it is now, is what the receiver got last
    /// under the id; and no connection lists the id as removed.
    pub async fn assert_live(&self, live: &[(&str, ObjectId)]) {
        let assets = self.receiver.assets();
        let removed = self.lines("removed").await;
        for (id, object) in live {
            let is_group = self.directory().all(Kind::Group).contains(object);
            let kind = if is_group { Kind::Group } else { Kind::User };
            let mut wanted = expected::asset(self.directory(), kind, *object);
            wanted["asset"]["assetHeader"]["externalAssetId"] = Value::from(*id);
            assert_eq!(assets.get(*id), Some(&wanted), "{id}");
            let listed = removed.iter().find(|line| line["externalAssetId"] == *id);
            assert_eq!(listed, None, "{id} is live");
        }
    }

    /// Nothing that arrived since [`World::forget`] says of one of these that it is removed.
    #[track_caller]
    pub fn assert_never_removed(&self, ids: &[&str]) {
        for id in ids {
            for asset in self.delivered(id) {
                assert!(!is_removed(&asset), "{asset}");
            }
        }
    }

    /// The receiver got last under this id that it is removed, and one connection lists it, with a
    /// reason that contains `reason`.
    pub async fn assert_removed(&self, id: &str, reason: &str) -> Value {
        let last = self.delivered(id).pop();
        assert!(last.as_ref().is_some_and(is_removed), "{id}: {last:?}");
        let removal = self.assert_listed(id, reason).await;
        assert!(removal["sentAt"].is_string(), "{removal}");
        removal
    }

    /// One connection lists the id as removed, with a reason that contains `reason`.
    pub async fn assert_listed(&self, id: &str, reason: &str) -> Value {
        let mut listed = self.listed(id).await;
        assert_eq!(listed.len(), 1, "{id}: {listed:?}");
        let removal = listed.remove(0);
        let text = removal["reason"].as_str().unwrap();
        assert!(text.contains(reason), "{reason}: {removal}");
        removal
    }

    /// Returns what `removed` shows of this id as removed, of all connections.
    pub async fn listed(&self, id: &str) -> Vec<Value> {
        let mut lines = self.lines("removed").await;
        lines.retain(|line| line["externalAssetId"] == id);
        lines
    }

    /// Returns what `removed` shows in this state, of all connections.
    pub async fn lines(&self, state: &str) -> Vec<Value> {
        let shown = self.connector.succeed(&["removed", "--json"]).await.stdout;
        shown
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["state"] == state)
            .collect()
    }

    /// `status --json` of one connection.
    pub async fn status(&self, name: &str) -> Value {
        let status = ["status", "--json", "--connection", name];
        serde_json::from_str(&self.connector.succeed(&status).await.stdout).unwrap()
    }

    /// Counts the users that upstream holds of one connection.
    pub async fn accepted(&self, name: &str) -> u64 {
        let status = self.status(name).await;
        status["counts"]["users"]["accepted"].as_u64().unwrap_or_default()
    }

    /// Exactly these objects are rejected by the connection, since they wait for `id`, which
    /// `owner` has. Gives the last rejection.
    pub async fn assert_wait(
        &self,
        name: &str,
        id: &str,
        owner: ObjectId,
        waiting_objects: &[ObjectId],
    ) -> Value {
        let status = self.status(name).await;
        let rejected = status["rejected"].as_array().unwrap();
        assert_eq!(rejected.len(), waiting_objects.len(), "{status}");
        let mut last = Value::Null;
        for object in waiting_objects {
            let guid = self.guid(*object);
            let found = rejected.iter().find(|one| one["vendorAssetId"] == guid);
            last = found.unwrap_or_else(|| panic!("no {guid}: {status}")).clone();
            assert_eq!(last["origin"], "identity", "{last}");
            assert_eq!(last["dn"], self.directory().dn(*object), "{last}");
            let reason = last["reason"].as_str().unwrap();
            for part in [id, &self.directory().dn(owner), &self.directory().dn(*object)] {
                assert!(reason.contains(part), "{part}: {reason}");
            }
        }
        last
    }

    /// The one of these that the receiver got last under the id, and the others.
    #[track_caller]
    pub fn owner(&self, id: &str, objects: &[ObjectId]) -> (ObjectId, Vec<ObjectId>) {
        let assets = self.receiver.assets();
        let owner = &assets[id]["asset"]["assetHeader"]["vendorAssetId"];
        let (owners, others): (Vec<_>, Vec<_>) =
            objects.iter().partition(|object| *owner == self.guid(**object));
        assert_eq!(owners.len(), 1, "{owner} is none of them");
        (owners[0], others)
    }
}
