//! Two values of externalAssetId are one id only if they have the same octets.

use crate::world::{EAST, World};

const CONNECTION: &str = "active-directory";

/// Pairs of addresses that are equal to many a comparison: by case, by accent in one character or
/// in two (Unicode NFC and NFD), by a space at the end, by a dotted capital I.
const PAIRS: [[&str; 2]; 5] = [
    ["anna@corp.example", "Anna@corp.example"],
    ["carl@corp.example", "Carl@corp.example"],
    ["zo\u{e9}@corp.example", "zoe\u{301}@corp.example"],
    ["berta@corp.example", "berta@corp.example "],
    ["ilse@corp.example", "\u{130}lse@corp.example"],
];

#[tokio::test(flavor = "multi_thread")]
async fn r37_ids_that_differ_by_case_or_form_alone_are_different_ids() {
    let world = World::identified_by("mail").await;
    for (number, pair) in PAIRS.into_iter().enumerate() {
        let create = |at: usize| {
            let name = format!("Number {number}{at}");
            world.create(EAST, &name, &name, pair[at])
        };
        let one = create(0);
        // In a delta of its own, or in the same one.
        if number % 2 == 0 {
            world.sync(CONNECTION, &[0]).await;
        }
        let other = create(1);
        world.sync(CONNECTION, &[0]).await;
        world.assert_live(&[(pair[0], one), (pair[1], other)]).await;
        world.directory().delete(one);
        world.settle().await;
        world.assert_removed(pair[0], "deleted").await;
        world.assert_live(&[(pair[1], other)]).await;
        world.assert_never_removed(&[pair[1]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_id_that_changes_by_case_or_form_alone_is_another_id() {
    let world = World::identified_by("mail").await;
    for (user, [before, after]) in world.east.iter().zip(PAIRS) {
        world.directory().set_text(*user, "mail", before);
        world.settle().await;
        world.directory().set_text(*user, "mail", after);
        world.converge(&[(after, *user)]).await;
        world.assert_removed(before, after).await;
    }
}
