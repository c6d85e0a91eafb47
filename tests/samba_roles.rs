//! Groups that are sent as roles, from a real Active Directory (Samba).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
use support::{Assets, Connector, assert_arrives, changed, people};

/// Returns the assets of the unit that the receiver must hold, where these groups are roles.
fn expected(domain: &Domain, unit: &str, roles: &[&str]) -> Assets {
    let mut assets = domain.expected(unit);
    for asset in assets.values_mut() {
        let detail = asset["asset"]["assetDetail"].as_object_mut().unwrap();
        let is_role = detail
            .get("groupAssetClass")
            .is_some_and(|group| roles.iter().any(|role| group["name"] == *role));
        if is_role {
            let class = detail.remove("groupAssetClass").unwrap();
            detail.insert("roleAssetClass".to_owned(), class);
        }
    }
    assets
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_group_of_a_real_directory_becomes_a_role_and_a_group_again() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    for (delta, account) in [("usn", "rolesu"), ("dirsync", "rolesd")] {
        let unit = domain.fresh_unit(account);
        let mut changes = people(&unit, account);
        changes.push(Change::group(&unit, "Role 1", &format!("{account}one")));
        domain.apply(&changes);
        let connector = Connector::new(&domain, &receiver)
            .with("AD_BASE_CONTEXT", &unit)
            .with("AD_DELTA", delta)
            .with("AD_ASSETS", "users,groups,roles")
            .with("AD_ROLE_FILTER", "(|(cn=Role *)(description=Role:*))")
            .with("MAPPING_FILE", "mapping.toml")
            .with("REMOVED_OBJECTS", "send");
        let builtin = include_str!("../config/mapping.toml");
        let table = format!("{builtin}\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n");
        std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
        let before = expected(&domain, &unit, &["Role 1"]);
        assert_eq!(before.len(), 12);
        assert_arrives(&connector, &receiver, &before).await;

        let team = format!("CN=Team,{unit}");
        domain.apply(&[Change::set(&team, "description", "Role: approves")]);
        let as_role = expected(&domain, &unit, &["Role 1", "Team"]);
        let new = changed(&before, &as_role);
        assert_eq!(new.len(), 1);
        assert_arrives(&connector, &receiver, &new).await;
        assert_eq!(connector.succeed(&["removed", "--json"]).await.stdout, "");

        // Without the attribute the opposite of the filter matches.
        domain.apply(&[Change::clear(&team, "description")]);
        let as_group = expected(&domain, &unit, &["Role 1"]);
        let new = changed(&as_role, &as_group);
        assert_eq!(new.len(), 1);
        assert_arrives(&connector, &receiver, &new).await;
        assert_eq!(connector.succeed(&["removed", "--json"]).await.stdout, "");
        assert_arrives(&connector, &receiver, &Assets::new()).await;
    }
}
