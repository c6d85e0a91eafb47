//! Objects out of scope: which part of it fails.

use crate::world::{IN, OUT, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_base_context_and_the_search_scope_are_told_apart() {
    let world = World::new(false).await;
    world.directory().create_user(OUT, "Outsider", &[]);
    let answer = world.why("Outsider").await;
    answer
        .is(
            "out_of_scope",
            false,
            &["CN=Outsider,OU=Out", "not below the base context", IN],
        )
        .step("base context", "failed", &[IN])
        .step("object class", "passed", &[])
        .step("mapping", "not_reached", &[])
        .advises("AD_BASE_CONTEXT");
    let world = world.with("AD_SEARCH_SCOPE", "onelevel");
    world
        .directory()
        .create_user(&format!("OU=Deep,{IN}"), "Diver", &[]);
    let answer = world.why("Diver").await;
    answer
        .is("out_of_scope", false, &["deeper than AD_SEARCH_SCOPE reaches"])
        .step("base context", "passed", &[])
        .step("search scope", "failed", &[])
        .advises("AD_SEARCH_SCOPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_class_is_named_by_it() {
    let world = World::new(false).await;
    world.directory().create_computer(IN, "PC7", &[]);
    world.directory().create_other(IN, "Letterbox", "printQueue");
    let answer = world.why("PC7").await;
    answer
        .is(
            "out_of_scope",
            false,
            &["it is a computer, and AD_ASSETS does not name computers"],
        )
        .step("object class", "failed", &["computer"])
        .advises("AD_ASSETS");
    let answer = world.why("Letterbox").await;
    let answer = answer.is(
        "out_of_scope",
        false,
        &["printQueue", "no user, group, computer or role"],
    );
    assert!(answer.0["kind"].is_null());
    let answer = world.why(IN).await;
    answer.is("out_of_scope", false, &["organizationalUnit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_the_extra_filter_is_asked_for_by_itself() {
    let filter = "(&(department=Sales)(|(title=Boss)(title=Chief))(!(description=Guest)))";
    let world = World::new(false).await.with("AD_USER_FILTER", filter);
    let create = |name: &str, attributes: &[(&str, &str)]| {
        world.directory().create_user(IN, name, attributes);
    };
    create("All", &[("department", "Sales"), ("title", "Boss")]);
    create("One", &[("department", "Sales"), ("title", "Clerk")]);
    create("Two", &[("title", "Chief"), ("description", "Guest")]);
    let answer = world.why("All").await;
    answer.is("not_read", false, &[]).step(
        "extra filter",
        "passed",
        &["AD_USER_FILTER (department=Sales): matches"],
    );
    world.simulator.statistics().reset();
    let answer = world.why("One").await;
    answer
        .is(
            "out_of_scope",
            false,
            &["does not match (|(title=Boss)(title=Chief)) of AD_USER_FILTER."],
        )
        .step("base context", "passed", &[])
        .step(
            "extra filter",
            "failed",
            &[
                "1 of 3 parts",
                "(department=Sales): matches",
                "(|(title=Boss)(title=Chief)): does not match",
                "(!(description=Guest)): matches",
            ],
        )
        .advises("AD_USER_FILTER");
    // R38: the server was asked for each part, of this object alone.
    let searches = world.simulator.statistics().searches();
    let parts: Vec<_> = searches
        .iter()
        .filter(|search| search.base.starts_with("<GUID="))
        .map(|search| search.filter.as_str())
        .collect();
    for part in [
        "(department=Sales)",
        "(!(|(title=Boss)(title=Chief)))",
        "(!(description=Guest))",
    ] {
        assert!(parts.contains(&part), "{part}: {parts:?}");
    }
    let answer = world.why("Two").await;
    answer
        .is(
            "out_of_scope",
            false,
            &["(department=Sales) of AD_USER_FILTER and it does not match (!(description=Guest))"],
        )
        .step("extra filter", "failed", &["2 of 3 parts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_is_asked_for_is_a_part_of_its_own() {
    let group = format!("CN=Team 0,{IN}");
    let world = World::new(false)
        .await
        .with("AD_MEMBER_OF", &group)
        .with("AD_USER_FILTER", "(mail=*)")
        .with("AD_ASSETS", "users");
    let team = world.directory().find(&group).unwrap();
    world.directory().add_members(team, &[world.users[20]]);
    let answer = world.why("Person 20").await;
    answer.step(
        "extra filter",
        "passed",
        &["AD_MEMBER_OF", "AD_USER_FILTER (mail=*): matches"],
    );
    let answer = world.why("Person 21").await;
    answer
        .is("leaving", true, &["of AD_MEMBER_OF", "decides on its removal"])
        .step("extra filter", "failed", &["1 of 2 parts", "(mail=*): matches"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_neither_matches_nor_refuses_is_told_apart() {
    // An unknown matching rule is undefined, as is an attribute that the account may not read (RFC
    // 4511 section 4.5.1.7).
    let filter = "(&(mail=*)(department:1.2.3.4:=Sales))";
    let world = World::new(false).await.with("AD_USER_FILTER", filter);
    let answer = world.why("Person 20").await;
    answer
        .is(
            "leaving",
            true,
            &["neither (department:1.2.3.4:=Sales) of AD_USER_FILTER nor its opposite"],
        )
        .step("extra filter", "failed", &["cannot be read by the account"]);
    world
        .directory()
        .create_user(IN, "Fresh", &[("mail", "fresh@corp.example")]);
    let answer = world.why("Fresh").await;
    answer
        .is("out_of_scope", false, &["may not read what it tests"])
        .advises("Read Property");
}
