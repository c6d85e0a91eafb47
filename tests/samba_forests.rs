//! Profiles of a real Active Directory (Samba): the members of a group, and everything in a unit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use support::{Assets, Connector, assert_same, people};

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_and_of_groups_in_it_are_a_profile_of_their_own() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let unit = domain.fresh_unit("only members (some)");
    domain.apply(&people(&unit, "chain"));
    let person = |number| format!("CN=Person {number},{unit}");
    let team = format!("CN=Team,{unit}");
    let outer = format!("CN=Outer (*),{unit}");
    domain.apply(&[
        Change::group(&unit, "Outer (*)", "chainouter"),
        Change::set(&team, "member", &person(1)),
        Change::set(&outer, "member", &team),
    ]);
    let mut connector = Connector::new(&domain, &receiver);
    connector.unaudited("a profile sends to another connector");
    let folder = connector.folder().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    let file = format!(
        "[[connection]]\nname = \"corp\"\n[[connection.profile]]\nname = \"unit\"\nad_base_context = '{unit}'\n\
         [[connection.profile]]\nname = \"members\"\n\
         qualys_connector_uuid = \"6f2a1d3c-5b7e-4c89-9a01-3d4e5f607182\"\n\
         removal_max_percent = 100\nmember_of = '{outer}'\n"
    );
    std::fs::write(folder.join("connections.toml"), file).unwrap();
    let everything = domain.expected(&unit);
    let named = |names: &[&str]| -> Assets {
        let name = |element: &serde_json::Value| {
            let detail = &element["asset"]["assetDetail"];
            let class = detail.as_object().unwrap().values().next().unwrap();
            class["name"].as_str().unwrap().to_owned()
        };
        let wanted = everything
            .iter()
            .filter(|(_, element)| names.contains(&name(element).as_str()));
        wanted
            .map(|(id, element)| (id.clone(), element.clone()))
            .collect()
    };
    let sent = async |profile: &str| {
        receiver.reset();
        connector.succeed(&["sync", "--connection", profile]).await;
        receiver.assets()
    };
    assert_same(&sent("corp.unit").await, &everything);
    assert_same(&sent("corp.members").await, &named(&["Person 1", "Team"]));
    // Another member instead; neither of the two has a change of its own.
    domain.apply(&[Change::set(&team, "member", &person(2))]);
    assert_same(&sent("corp.members").await, &named(&["Person 2"]));
    let removed = connector
        .succeed(&["removed", "--connection", "corp.members"])
        .await
        .stdout;
    assert!(
        removed.contains("CN=Person 1") && !removed.contains("CN=Person 2"),
        "{removed}"
    );
}
