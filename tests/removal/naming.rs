//! The server compares names: what is in scope does not depend on how the base context is written,
//! nor on what its units are called (R38).

use crate::world::World;

/// Checks that comings and goings are noticed below a unit called `name`, beside one called
/// `other`, with a base context of `base`.
async fn comings_and_goings_are_noticed(name: &str, other: &str, base: &str) {
    for delta in ["usn", "dirsync"] {
        let world = World::new(false).await;
        let directory = world.directory().clone();
        directory.rename(world.inside, name);
        directory.rename(world.outside, other);
        let world = world
            .with("AD_BASE_CONTEXT", &format!("{base},DC=corp,DC=example"))
            .with("AD_DELTA", delta)
            .with("REMOVAL_MAX_PERCENT", "100");
        world.sync().await;
        assert_eq!(world.listed("removed").await, [], "{base} {delta}");
        let (inside, outside) = (directory.dn(world.inside), directory.dn(world.outside));

        // One of the users, then a unit with the first four.
        let one = world.users[11];
        directory.move_to(one, &outside);
        world.sync().await;
        let listed = world.listed("removed").await;
        world.assert_listed(&listed, &[one], "left the scope");
        directory.move_to(world.deep, &outside);
        world.sync().await;
        let mut gone = world.users[..4].to_vec();
        gone.push(one);
        let listed = world.listed("removed").await;
        assert_eq!(listed.len(), gone.len(), "{base} {delta}: {listed:?}");

        world.receiver.reset();
        directory.move_to(one, &inside);
        directory.move_to(world.deep, &inside);
        world.sync().await;
        assert_eq!(world.listed("removed").await, [], "{base} {delta}");
        assert_eq!(world.receiver.assets().len(), gone.len(), "{base} {delta}");
        assert_eq!(world.listed("undecided").await, [], "{base} {delta}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_base_context_without_its_marks_names_the_same_unit() {
    comings_and_goings_are_noticed("Z\u{fc}rich", "Elsewhere", "OU=Zurich").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_decomposed_base_context_names_the_same_unit() {
    comings_and_goings_are_noticed("Z\u{fc}rich", "Elsewhere", "OU=Zu\u{308}rich").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_base_context_in_capitals_and_with_octets_as_digits_names_the_same_unit() {
    comings_and_goings_are_noticed("Z\u{fc}rich", "Elsewhere", "ou=z\\C3\\9CRICH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_two_units_that_the_server_keeps_apart_are_two() {
    comings_and_goings_are_noticed("Strasse", "Stra\u{df}e", "OU=Strasse").await;
    comings_and_goings_are_noticed("Stra\u{df}e", "Strasse", "OU=Stra\u{df}e").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_names_with_characters_that_servers_escape_otherwise_are_followed() {
    comings_and_goings_are_noticed("Who?", "Where?", "OU=Who\\?").await;
    comings_and_goings_are_noticed("a=b", "a+b", "OU=a\\3Db").await;
}
