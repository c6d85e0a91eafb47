//! Names of an object, one of several objects, and several connections.

use crate::support::expected;
use crate::support::simulated::Simulated;
use crate::world::{OUT, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_found_by_each_of_its_names_in_scope_or_not() {
    let mut lab = Simulated::new().await;
    lab.set("AD_BASE_CONTEXT", "CN=Users,DC=corp,DC=example");
    let user = lab.users()[12];
    let text = |attribute: &str| lab.directory().text(user, attribute).unwrap();
    lab.directory().set_text(user, "mail", "anna@corp.example");
    let guid = expected::guid(&lab.directory().guid(user));
    for name in [
        text("sAMAccountName"),
        text("name"),
        text("userPrincipalName"),
        "ANNA@corp.example".to_owned(),
        lab.directory().sid(user).unwrap(),
        guid.to_uppercase(),
        lab.directory().dn(user),
    ] {
        let answer = lab.connector.ask(&name, 0).await;
        let answer = answer.is("out_of_scope", false, &["not below the base context"]);
        assert_eq!(answer.0["vendorAssetId"], guid.as_str(), "{name}");
    }
    // What would be a filter is a name.
    let answer = lab.connector.ask("*)(objectClass=*", 0).await;
    answer.is("not_found", false, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_objects_of_a_name_are_listed_and_each_can_be_asked_for() {
    let world = World::new(false).await;
    let other = world
        .directory()
        .create_user(OUT, "Other", &[("displayName", "Person 20")]);
    let answer = world.why("Person 20").await;
    let answer = answer
        .is("ambiguous", None, &["2 objects", "`Person 20`"])
        .advises("GUID, SID or DN");
    let candidates = answer.0["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    assert!(answer.0["steps"].as_array().unwrap().is_empty());
    let text = world.connector.succeed(&["why", "Person 20"]).await;
    text.said(&[
        &world.guid(other),
        &world.directory().sid(world.users[20]).unwrap(),
        &world.directory().dn(other),
    ]);
    for candidate in candidates {
        let verdicts: Vec<_> = {
            let mut verdicts = Vec::new();
            for key in ["vendorAssetId", "sid", "dn"] {
                let name = candidate[key].as_str().unwrap();
                verdicts.push(world.why(name).await.0["verdict"].clone());
            }
            verdicts
        };
        let expected = match candidate["dn"].as_str().unwrap().contains("OU=Out") {
            true => "out_of_scope",
            false => "in_etm",
        };
        assert!(verdicts.iter().all(|verdict| verdict == expected), "{verdicts:?}");
    }
    for number in 0..30 {
        let name = format!("Same {number}");
        world
            .directory()
            .create_user(OUT, &name, &[("displayName", "The same")]);
    }
    let answer = world.why("The same").await;
    let answer = answer.is("ambiguous", None, &["30 objects"]);
    assert_eq!(answer.0["candidates"].as_array().unwrap().len(), 20);
    assert_eq!(answer.0["moreCandidates"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_object() {
    let world = World::new(false).await;
    let user = world.users[20];
    world.directory().rename(user, "Married Name");
    let answer = world.why("Person 20").await;
    let answer = answer.is("outdated", true, &["CN=Married Name"]);
    assert_eq!(answer.0["vendorAssetId"], world.guid(user).as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_answers_and_the_last_line_says_which_has_it() {
    let world = World::new(false).await;
    let folder = world.connector.folder().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    let profiles = "[[connection]]\nname = \"corp\"\n\n\
        [[connection.profile]]\nname = \"in\"\n\n\
        [[connection.profile]]\nname = \"out\"\nad_base_context = \"OU=Out,DC=corp,DC=example\"\n";
    std::fs::write(folder.join("connections.toml"), profiles).unwrap();
    let said = world
        .connector
        .succeed(&["why", "Person 20", "--json"])
        .await
        .stdout;
    let verdicts: Vec<String> = said
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            format!(
                "{} {}",
                answer["connection"].as_str().unwrap(),
                answer["verdict"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(verdicts, ["corp.in not_read", "corp.out out_of_scope"]);
    let said = world.connector.succeed(&["why", "Person 20"]).await.stdout;
    assert!(
        said.ends_with("No connection has it in ETM for certain.\n"),
        "{said}"
    );
    world
        .connector
        .run(&["sync", "--connection", "corp.in"])
        .await
        .ended_with(0);
    let said = world.connector.succeed(&["why", "Person 20"]).await.stdout;
    assert!(said.ends_with("It is in ETM by corp.in.\n"), "{said}");
    let one = ["why", "Person 20", "--connection", "corp.in"];
    let said = world.connector.succeed(&one).await.stdout;
    assert!(said.ends_with("the directory gives the same now.\n"), "{said}");
}
