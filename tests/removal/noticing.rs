//! What counts as gone, what does not, and how each is noticed.

use lab::simulator::{Action, On};

use crate::world::{IN, OUT, World};

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_deletion_is_seen_by_a_delta_where_deleted_objects_can_be_read() {
    let world = World::new(true).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    let said = world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[gone], "deleted: ");
    // R24: logged once, with name, GUID and reason.
    let logged: Vec<_> = said
        .stderr
        .lines()
        .filter(|line| line.contains(&world.guid(gone)))
        .collect();
    assert_eq!(logged.len(), 1, "{}", said.stderr);
    assert!(
        logged[0].contains("CN=Person 10,OU=In") && logged[0].contains("deleted: "),
        "{}",
        logged[0]
    );
    assert_eq!(world.receiver.summary().requests, 0, "only reported");
    let run = world.last_run().await;
    assert_eq!(run["mode"], "delta");
    assert_eq!(run["counts"]["users"]["removed"], 1);
    let users = &world.status().await["counts"]["users"];
    assert_eq!(
        (&users["removed"], &users["accepted"], &users["held"]),
        (&1.into(), &39.into(), &0.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_without_the_right_to_deleted_objects_the_next_baseline_sees_it() {
    let world = World::new(false).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    world.sync().await;
    // F1: a delta never concludes from what it does not see.
    assert_eq!(world.listed("removed").await, []);
    world.connector.succeed(&["sync", "--baseline"]).await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[gone], "no such object");
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_r22_a_delta_with_changes_concludes_nothing_of_what_did_not_change() {
    let world = World::new(true).await;
    for number in [5, 6, 7] {
        world
            .directory()
            .set_text(world.users[number], "mail", "new@corp.example");
    }
    world.directory().touch(world.users[8]);
    world.sync().await;
    assert_eq!(world.receiver.assets().len(), 3);
    assert!(world.lines().await.is_empty());
    // And nothing at all is asked of the objects when nothing changed.
    world.simulator.statistics().reset();
    world.sync().await;
    assert!(world.lines().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_an_object_moved_out_is_seen_by_a_delta_and_back_again() {
    let world = World::new(false).await;
    let user = world.users[11];
    world.directory().move_to(user, OUT);
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[user], "left the scope: it is CN=Person 11,OU=Out");
    assert_eq!(world.last_run().await["mode"], "delta");

    world.directory().move_to(user, IN);
    world.sync().await;
    assert_eq!(world.listed("removed").await, []);
    // Nothing is accepted of it any more, so it is sent although it is what it was.
    assert_eq!(world.receiver.assets().len(), 1);
    assert_eq!(world.status().await["counts"]["users"]["accepted"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_unit_moved_out_takes_its_users_with_it_and_brings_them_back() {
    let world = World::new(false).await;
    world.directory().move_to(world.deep, OUT);
    world.sync().await;
    let run = world.last_run().await;
    assert_eq!(run["mode"], "baseline");
    assert!(
        run["reason"]
            .as_str()
            .unwrap()
            .contains("moved to OU=Deep,OU=Out"),
        "{run}"
    );
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &world.users[..4], "left the scope");
    assert_eq!(world.receiver.summary().requests, 0);

    world.directory().move_to(world.deep, IN);
    world.sync().await;
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.receiver.assets().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_r08_a_unit_renamed_in_place_removes_nobody() {
    let world = World::new(true).await;
    world.directory().rename(world.deep, "Deeper");
    world.directory().rename(world.users[20], "Renamed");
    world.sync().await;
    assert_eq!(world.last_run().await["mode"], "baseline");
    assert!(world.lines().await.is_empty());
    assert_eq!(world.receiver.assets().len(), 1, "the new name of one user");
    // The next run has nothing to do: the new place is known.
    world.sync().await;
    assert_eq!(world.last_run().await["mode"], "delta");
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_an_attribute_of_a_unit_or_a_new_unit_costs_no_full_read() {
    let world = World::new(false).await;
    world.directory().set_text(world.deep, "description", "new");
    world.directory().create_unit(IN, "Fresh");
    world
        .directory()
        .move_to(world.users[12], &format!("OU=Fresh,{IN}"));
    world.sync().await;
    assert_eq!(world.last_run().await["mode"], "delta");
    assert!(world.lines().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_object_that_the_filter_refuses_now_is_removed() {
    let world = World::new(false).await.with("AD_USER_FILTER", "(mail=*)");
    world.sync().await;
    let user = world.users[13];
    world.directory().set(user, "mail", &[]);
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[user], "no longer matches the extra filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_object_hidden_from_the_account_cannot_be_told_from_a_deleted_one() {
    let world = World::new(false).await;
    let user = world.users[14];
    world.directory().hide(user);
    world.connector.succeed(&["sync", "--baseline"]).await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[user], "no longer visible to the account");
    // It comes back with the right to see it.
    world.directory().show(user);
    world.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.receiver.assets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_object_in_scope_that_no_search_gives_is_kept() {
    let world = World::new(false).await;
    // Its category cannot be read: no filter over it is true, nor its opposite.
    let user = world.users[15];
    world.directory().set_text(
        user,
        "objectCategory",
        "CN=Nothing,CN=Schema,CN=Configuration,DC=corp,DC=example",
    );
    let said = world.sync().await;
    assert!(said.stderr.contains("may or may not be gone"), "{}", said.stderr);
    let listed = world.listed("undecided").await;
    world.assert_listed(&listed, &[user], "does not match the filter, nor its opposite");
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.status().await["counts"]["users"]["accepted"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_deleted_object_that_the_recycle_bin_no_longer_holds_is_seen_as_deleted() {
    let world = World::new(true).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    world.directory().recycle(gone);
    world.sync().await;
    assert_eq!(world.last_run().await["mode"], "delta");
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[gone], "deleted: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_restored_object_is_an_ordinary_change() {
    let world = World::new(true).await;
    let user = world.users[16];
    world.directory().delete(user);
    world.sync().await;
    assert_eq!(world.listed("removed").await.len(), 1);
    world.directory().restore(user);
    world.sync().await;
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.receiver.assets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_an_account_made_anew_under_the_old_name_is_another_object() {
    let world = World::new(true).await;
    let old = world.users[17];
    world.directory().delete(old);
    let new = world
        .directory()
        .create_user(IN, "Person 17", &[("mail", "person17@corp.example")]);
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[old], "deleted: ");
    let assets = world.receiver.assets();
    assert_eq!(assets.len(), 1);
    let asset = assets.values().next().unwrap();
    assert_eq!(asset["asset"]["assetHeader"]["vendorAssetId"], world.guid(new));
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_half_a_read_never_removes() {
    let world = World::new(false).await.with("AD_PAGE_SIZE", "10");
    world.directory().delete(world.users[18]);
    // F2: every search of a full read breaks once, at whatever page.
    for nth in 2..14 {
        world.simulator.faults().at(On::Search, nth, Action::Cut);
        let outcome = world.connector.run(&["sync", "--baseline"]).await;
        world.simulator.faults().clear();
        if outcome.code == Some(0) {
            // The read was shorter than that.
            break;
        }
        assert_eq!(outcome.code, Some(69), "{}", outcome.text());
        let listed = world.listed("removed").await;
        assert!(
            listed
                .iter()
                .all(|(guid, _)| *guid == world.guid(world.users[18])),
            "{listed:?}"
        );
        assert_eq!(world.listed("held").await, []);
    }
    world.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(world.listed("removed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_error_of_a_look_up_is_never_not_found() {
    let world = World::new(true).await;
    world.directory().delete(world.users[19]);
    let busy = lab::simulator::Outcome {
        code: 51,
        matched: String::new(),
        message: "busy".to_owned(),
    };
    // The watch, then the look-up by GUID among those in scope, then the one by name: each fails once.
    let mut failed = 0;
    for nth in 1..12 {
        world
            .simulator
            .faults()
            .at(On::Search, nth, Action::Answer(busy.clone()));
        let outcome = world.connector.run(&["sync"]).await;
        let fired = world.simulator.faults().all_happened();
        world.simulator.faults().clear();
        if outcome.code == Some(0) || !fired {
            break;
        }
        assert_eq!(outcome.code, Some(69), "{}", outcome.text());
        assert_eq!(world.listed("removed").await, []);
        failed += 1;
    }
    assert!(failed >= 4, "{failed}");
    // The watermark may have moved on meanwhile: what was missed is not forgotten.
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[world.users[19]], "deleted: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_a_run_that_fails_after_its_watermark_was_stored_says_which_it_was() {
    let world = World::new(true).await;
    let before = world.last_run().await["watermarkAfter"].as_u64().unwrap();
    world.directory().delete(world.users[19]);
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    // As below: the look-up in the naming context.
    let busy = lab::simulator::Outcome::error(51, "busy");
    world
        .simulator
        .faults()
        .at_matching(On::Search, "(objectGUID=", 2, Action::Answer(busy));
    world.connector.run(&["sync"]).await.ended_with(69);
    let run = world.last_run().await;
    assert_eq!(run["outcome"], "failed");
    assert!(run["watermarkAfter"].as_u64().unwrap() > before, "{run}");
    let users = &run["counts"]["users"];
    assert_eq!(
        (&users["read"], &users["changed"]),
        (&1.into(), &1.into()),
        "{run}"
    );
    world.sync().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_killed_before_the_conclusion_no_candidate_is_lost() {
    let world = World::new(true).await;
    let gone = [world.users[21], world.users[22]];
    gone.iter().for_each(|user| world.directory().delete(*user));
    // The look-ups come after the watermark is stored. The answer of the second one never comes,
    // and the process is killed.
    world
        .simulator
        .faults()
        .at_matching(On::Search, "(objectGUID=", 2, Action::Silence);
    let mut running = world.connector.start(&["sync"]);
    let silent = async {
        while !world.simulator.faults().all_happened() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), silent)
        .await
        .unwrap();
    running.kill().await.unwrap();
    // It is the watermark that moved on, and the candidates are there.
    assert_eq!(world.listed("removed").await, []);
    let waiting = world.listed("undecided").await;
    world.assert_listed(&waiting, &gone, "not looked up yet");
    world.simulator.faults().clear();
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &gone, "deleted: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_an_object_that_leaves_while_everything_is_read_is_noticed() {
    let world = World::new(false).await.with("AD_PAGE_SIZE", "10");
    let (directory, user) = (world.directory().clone(), world.users[5]);
    // The page of containers, then pages of users: it was read already when it leaves.
    world.simulator.faults().at_matching(
        On::Search,
        "(objectCategory=group)",
        1,
        Action::Run(std::sync::Arc::new(move || {
            directory.move_to(user, OUT);
        })),
    );
    world.connector.succeed(&["sync", "--baseline"]).await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[user], "left the scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_unit_that_comes_while_everything_is_read_brings_its_users() {
    let world = World::new(false).await;
    let directory = world.directory().clone();
    let unit = directory.create_unit(OUT, "Late");
    directory.create_user(&format!("OU=Late,{OUT}"), "Latecomer", &[]);
    world.sync().await;
    assert_eq!(world.receiver.assets().len(), 0);
    world.simulator.faults().at_matching(
        On::Search,
        "(objectCategory=group)",
        1,
        Action::Run(std::sync::Arc::new(move || {
            directory.move_to(unit, IN);
        })),
    );
    let said = world.connector.succeed(&["sync", "--baseline"]).await;
    assert!(
        said.stderr.contains("Reading everything again"),
        "{}",
        said.stderr
    );
    assert_eq!(world.receiver.assets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_unit_that_is_away_while_it_would_be_read_and_comes_back_loses_nobody() {
    for connections in ["1", "2"] {
        let world = World::new(false).await.with("AD_PARALLEL_READS", connections);
        // New ones, since what is known and missed would be looked up.
        for number in 0..4 {
            world
                .directory()
                .create_user(&format!("OU=Deep,{IN}"), &format!("New {number}"), &[]);
        }
        let move_deep = |to: &'static str| {
            let (directory, deep) = (world.directory().clone(), world.deep);
            Action::Run(std::sync::Arc::new(move || directory.move_to(deep, to)))
        };
        let faults = world.simulator.faults();
        // Out of the scope when users are read, and back when that is over.
        faults.at_matching(On::Search, "(objectClass=user)", 1, move_deep(OUT));
        faults.at_matching(On::Search, "(objectCategory=group)", 1, move_deep(IN));
        world.connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(world.receiver.assets().len(), 4, "{connections} connections");
        assert_eq!(world.listed("removed").await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_how_to_grant_deleted_objects() {
    let world = World::new(false).await;
    let said = world.connector.succeed(&["check"]).await;
    let said = said.said(&[
        "next baseline",
        "dsacls \"CN=Deleted Objects,DC=corp,DC=example\" /takeownership",
    ]);
    said.said(&["/G \"svc-reader@corp.example:LCRP\""]);
    let world = World::new(true).await;
    world.directory().delete(world.users[0]);
    world
        .connector
        .succeed(&["check"])
        .await
        .said(&["the account may read them"]);
}
