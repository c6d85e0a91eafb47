//! Objects that leave or enter the scope of the program, or are deleted, in a real Active Directory (Samba).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
use support::{Connector, assert_arrives, changed, people};

/// A connector whose profile is `OU=In` of a fresh unit, beside `OU=Out`, both filled. Gives the two DNs.
async fn in_and_out(domain: &Domain, receiver: &Receiver, name: &str) -> (Connector, String, String) {
    let unit = domain.fresh_unit(name);
    let [inside, outside] = ["In", "Out"].map(|side| format!("OU={side},{unit}"));
    let mut changes = Vec::new();
    for (side, dn) in [("i", &inside), ("o", &outside)] {
        let deeper = format!("OU=Deeper,{dn}");
        changes.push(Change::add(dn, "organizationalUnit", &[]));
        changes.push(Change::add(&deeper, "organizationalUnit", &[]));
        changes.extend(people(dn, &format!("{name}{side}")));
        changes.extend(people(&deeper, &format!("{name}{side}d")));
    }
    domain.apply(&changes);
    let connector = Connector::new(domain, receiver).with("AD_BASE_CONTEXT", &inside);
    assert_arrives(&connector, receiver, &domain.expected(&inside)).await;
    (connector, inside, outside)
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_unit_moved_into_the_scope_brings_its_unchanged_objects() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "move").await;
    let before = domain.expected(&inside);
    domain.apply(&[Change::rename(
        &format!("OU=Deeper,{outside}"),
        &format!("OU=Arrived,{inside}"),
    )]);
    let new = changed(&before, &domain.expected(&inside));
    assert_eq!(new.len(), 11);
    assert_arrives(&connector, &receiver, &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_r22_what_leaves_the_scope_is_removed_and_what_is_renamed_is_not() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "leave").await;
    domain.apply(&[
        Change::rename(
            &format!("CN=Person 1,{inside}"),
            &format!("CN=Person left,{outside}"),
        ),
        Change::rename(
            &format!("CN=Person 2,{inside}"),
            &format!("CN=Person stays,OU=Deeper,{inside}"),
        ),
    ]);
    connector.succeed(&["sync"]).await;
    let removed = connector.succeed(&["removed"]).await.stdout;
    assert!(
        removed.contains("Person left") || removed.contains("Person 1"),
        "{removed}"
    );
    assert!(
        !removed.contains("Person stays") && !removed.contains("Person 2"),
        "{removed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_r22_what_was_deleted_is_removed_by_the_next_baseline() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "gone").await;
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    receiver.reset();
    // The plain account does not see tombstones: only a full read can tell.
    connector.succeed(&["sync", "--baseline"]).await;
    let removed = connector.succeed(&["removed"]).await.stdout;
    assert!(removed.contains("Person 7"), "{removed}");
    assert!(!removed.contains("Person 6"), "{removed}");
    assert_eq!(
        receiver.summary().requests,
        0,
        "a removal is reported, not sent, unless REMOVED_OBJECTS=send"
    );
}

/// The GUIDs and reasons that `removed` lists under `state`.
async fn listed(connector: &Connector, state: &str) -> Vec<(String, String)> {
    let said = connector
        .succeed(&["removed", "--json", "--limit", "10000"])
        .await
        .stdout;
    said.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["state"] == state)
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("dn"), text("reason"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_account_that_reads_deleted_objects_sees_a_deletion_in_a_delta() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "tomb").await;
    // The domain has seen deletions before: every fresh unit deletes the one of a former run.
    domain.apply(&[Change::user(&inside, "Nobody", "tombnobody")]);
    domain.apply(&[Change::delete(&format!("CN=Nobody,{inside}"))]);
    let administrator = domain.place().administrator();
    let connector = connector
        .with("AD_BIND_DN", &administrator.dn)
        .with("AD_PASSWORD", administrator.password);
    connector
        .succeed(&["check"])
        .await
        .said(&["the account may read them"]);
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    connector.succeed(&["sync"]).await;
    let removed = listed(&connector, "removed").await;
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert!(
        removed[0].0.starts_with("CN=Person 7,") && removed[0].1.starts_with("deleted: "),
        "{removed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_delta_sees_deletions_exactly_when_check_says_so() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "told").await;
    let connector = connector.with("AD_BIND_DN", &domain.place().connector().dn);
    let said = connector.succeed(&["check"]).await.text();
    // Samba shows the container to every account, what is in it to administrators alone.
    let may = said.contains("the account may read them");
    let grant = "dsacls \"CN=Deleted Objects,DC=corp,DC=example\" /G \"corp.example\\svc-connector:LCRP\"";
    assert!(may != said.contains(grant), "{said}");
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    connector.succeed(&["sync"]).await;
    assert_eq!(listed(&connector, "removed").await.len(), usize::from(may));
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_r22_a_unit_moved_out_with_its_users_is_held_and_approved() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "unit").await;
    let (deep, away) = (format!("OU=Deeper,{inside}"), format!("OU=Gone,{outside}"));
    domain.apply(&[Change::rename(&deep, &away)]);
    // Half of all users and groups: above the threshold.
    connector
        .run(&["sync"])
        .await
        .ended_with(3)
        .said(&["10 of 20 users", "1 of 2 groups"]);
    assert_eq!(listed(&connector, "removed").await, []);
    let held = listed(&connector, "held").await;
    assert_eq!(held.len(), 11, "{held:?}");
    assert!(
        held.iter().all(|(_, reason)| reason.contains("left the scope")),
        "{held:?}"
    );
    // It comes back: nothing happened.
    domain.apply(&[Change::rename(&away, &deep)]);
    connector.succeed(&["sync"]).await;
    assert_eq!(listed(&connector, "held").await, []);
    domain.apply(&[Change::rename(&deep, &away)]);
    connector.run(&["sync"]).await.ended_with(3);
    connector.succeed(&["approve-removals"]).await;
    assert_eq!(listed(&connector, "removed").await.len(), 11);
    // And back once more, now as new objects.
    domain.apply(&[Change::rename(&away, &deep)]);
    assert_arrives(&connector, &receiver, &domain.expected(&deep)).await;
    assert_eq!(listed(&connector, "removed").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_rights_taken_away_from_the_account_remove_nobody() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "deny").await;
    let deep = format!("OU=Deeper,{inside}");
    for (mode, sddl) in [
        ("lists nothing", "(D;;LC;;;AU)"),
        ("reads nothing", "(D;CI;RPLC;;;AU)"),
    ] {
        domain.apply(&[Change::deny(&deep, sddl)]);
        connector.run(&["sync", "--baseline"]).await.ended_with(3);
        assert_eq!(listed(&connector, "removed").await, [], "{mode}");
        let missed = listed(&connector, "held").await.len() + listed(&connector, "undecided").await.len();
        assert_eq!(missed, 11, "{mode}");
        domain.apply(&[Change::undeny(&deep, sddl)]);
        connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(listed(&connector, "held").await, [], "{mode}");
    }
}

/// Users that leave together: more than a tenth of all.
const CROWD: usize = 300;

/// A connector for all the people of the domain, with everything accepted, and a unit of its own among them. Gives the DNs of that
/// unit and of a place outside the scope.
struct Company<'a> {
    domain: &'a Domain,
    receiver: &'a Receiver,
    connector: Connector,
    people: String,
    unit: String,
    outside: String,
}

impl Company<'_> {
    async fn new<'a>(domain: &'a Domain, receiver: &'a Receiver) -> Company<'a> {
        let people_dn = format!("OU=People,{}", domain.root());
        let unit = format!("OU=Life,{people_dn}");
        let outside = domain.fresh_unit("life");
        domain.apply(&[
            Change::delete(&unit),
            Change::add(&unit, "organizationalUnit", &[]),
        ]);
        domain.apply(&people(&unit, "life"));
        // So that one group is no tenth of all.
        let teams = format!("OU=Life teams,{people_dn}");
        domain.apply(&[
            Change::delete(&teams),
            Change::add(&teams, "organizationalUnit", &[]),
        ]);
        let team = |number| Change::group(&teams, &format!("Team {number}"), &format!("lifeteam{number}"));
        domain.apply(&(0..11).map(team).collect::<Vec<_>>());
        let connector = Connector::new(domain, receiver).with("AD_BASE_CONTEXT", &people_dn);
        let everybody = domain.expected(&people_dn);
        assert!(everybody.len() > 1_500, "{}: `samba reset`", everybody.len());
        assert_arrives(&connector, receiver, &everybody).await;
        Company {
            domain,
            receiver,
            connector,
            people: people_dn,
            unit,
            outside,
        }
    }

    fn user(&self, number: u32) -> String {
        format!("CN=Person {number},{}", self.unit)
    }

    /// Leaves the domain as it was.
    fn leave(&self) {
        let teams = format!("OU=Life teams,{}", self.people);
        self.domain
            .apply(&[Change::delete(&self.unit), Change::delete(&teams)]);
    }

    /// From here on the account may read Deleted Objects.
    fn with_administrator(mut self) -> Self {
        let administrator = self.domain.place().administrator();
        self.connector = self
            .connector
            .with("AD_BIND_DN", &administrator.dn)
            .with("AD_PASSWORD", administrator.password);
        self
    }

    /// Makes the changes and syncs: exactly what became another asset is sent, `resent` objects as well that were removed before,
    /// and the run is one of this mode.
    async fn sync_after(&self, changes: &[Change], arguments: &[&str], mode: &str, resent: usize) {
        let before = self.domain.expected(&self.people);
        self.domain.apply(changes);
        let new = changed(&before, &self.domain.expected(&self.people));
        assert_eq!(new.len(), resent, "{new:?}");
        self.receiver.reset();
        self.connector.succeed(arguments).await;
        support::assert_same(&self.receiver.assets(), &new);
        assert_eq!(self.last_run().await["mode"], mode);
    }

    async fn last_run(&self) -> serde_json::Value {
        let said = self.connector.succeed(&["runs", "--json", "--limit", "1"]).await;
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// The objects listed as removed, each of whose reasons says `word`.
    async fn removed(&self, word: &str) -> Vec<String> {
        let removed = listed(&self.connector, "removed").await;
        assert!(
            removed.iter().all(|(_, reason)| reason.contains(word)),
            "{removed:?}"
        );
        removed.into_iter().map(|(dn, _)| dn).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_r08_r22_the_life_of_a_user_among_two_thousand() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let company = Company::new(&domain, &receiver).await;
    let none: [String; 0] = [];
    let (sync, baseline) = (["sync"].as_slice(), ["sync", "--baseline"].as_slice());

    // Renamed in place: an update, seen by a delta.
    let renamed = format!("CN=Person renamed,{}", company.unit);
    let rename = [Change::rename(&company.user(1), &renamed)];
    company.sync_after(&rename, sync, "delta", 1).await;
    assert_eq!(company.removed("").await, none);

    // Moved out, seen by a delta; and back, sent again although it is what it was.
    let away = format!("CN=Person 2,{}", company.outside);
    let out = [Change::rename(&company.user(2), &away)];
    company.sync_after(&out, sync, "delta", 0).await;
    assert_eq!(company.removed("left the scope").await, [company.user(2)]);
    let back = [Change::rename(&away, &company.user(2))];
    company.sync_after(&back, sync, "delta", 1).await;
    assert_eq!(company.removed("").await, none);

    // A unit moved out with its users, whose uSNChanged stays: the delta becomes a full read; and back.
    let gone = format!("OU=Life,{}", company.outside);
    let out = [Change::rename(&company.unit, &gone)];
    company.sync_after(&out, sync, "baseline", 0).await;
    assert_eq!(company.removed("left the scope").await.len(), 11);
    let back = [Change::rename(&gone, &company.unit)];
    company.sync_after(&back, sync, "baseline", 11).await;
    assert_eq!(company.removed("").await, none);

    // Deleted: an account that does not see deleted objects learns it from a full read alone.
    let delete = [Change::delete(&company.user(3))];
    company.sync_after(&delete, sync, "delta", 0).await;
    assert_eq!(company.removed("").await, none);
    company.sync_after(&[], baseline, "baseline", 0).await;
    assert_eq!(company.removed("no such object").await, [company.user(3)]);

    // One that sees them, from a delta; restored, they are ordinary changes.
    let company = company.with_administrator();
    let team = format!("CN=Team,{}", company.unit);
    let delete = [Change::delete(&company.user(4)), Change::delete(&team)];
    company.sync_after(&delete, sync, "delta", 0).await;
    assert_eq!(company.removed("").await.len(), 3);
    let restore = [Change::restore(&company.user(4)), Change::restore(&team)];
    company.sync_after(&restore, sync, "delta", 2).await;
    assert_eq!(company.removed("").await, [company.user(3)]);
    let restore = [Change::restore(&company.user(3))];
    company.sync_after(&restore, sync, "delta", 1).await;
    assert_eq!(company.removed("").await, none);
    company.sync_after(&[], baseline, "baseline", 0).await;
    company.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_the_threshold_holds_an_eighth_of_two_thousand_until_exactly_that_is_approved() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let company = Company::new(&domain, &receiver).await;
    let connector = &company.connector;
    let crowd = format!("OU=Crowd,{}", company.unit);
    let mut changes = vec![Change::add(&crowd, "organizationalUnit", &[])];
    changes.extend(
        (0..CROWD)
            .map(|number| Change::user(&crowd, &format!("One {number}"), &format!("lifecrowd{number}"))),
    );
    company.sync_after(&changes, &["sync"], "delta", CROWD).await;

    // The account's rights on an eighth of all are taken away: nobody is removed.
    let right = "(D;CI;RPLC;;;AU)";
    domain.apply(&[Change::deny(&crowd, right)]);
    connector.run(&["sync", "--baseline"]).await.ended_with(3);
    assert_eq!(listed(connector, "removed").await, []);
    let missed = listed(connector, "held").await.len() + listed(connector, "undecided").await.len();
    assert_eq!(missed, CROWD);
    domain.apply(&[Change::undeny(&crowd, right)]);
    company
        .sync_after(&[], &["sync", "--baseline"], "baseline", 0)
        .await;
    assert_eq!(listed(connector, "held").await, []);

    // They move out all together: held, by a delta that became a full read.
    let gone = format!("OU=Crowd,{}", company.outside);
    domain.apply(&[Change::rename(&crowd, &gone)]);
    connector.run(&["sync"]).await.ended_with(3);
    let run = company.last_run().await;
    assert_eq!(
        (&run["mode"], &run["counts"]["users"]["held"]),
        (&"baseline".into(), &CROWD.into())
    );
    let list = run["heldList"].as_str().unwrap();
    assert_eq!(listed(connector, "held").await.len(), CROWD);

    // One more goes before the approval: the list is another one.
    let away = format!("CN=Person 5,{}", company.outside);
    domain.apply(&[Change::rename(&company.user(5), &away)]);
    connector.run(&["sync"]).await.ended_with(3);
    let approve = ["approve-removals", "--list", list];
    connector
        .run(&approve)
        .await
        .ended_with(3)
        .said(&["not the list"]);
    assert_eq!(listed(connector, "removed").await, []);
    connector.succeed(&["approve-removals"]).await;
    assert_eq!(listed(connector, "removed").await.len(), CROWD + 1);
    assert_eq!(company.last_run().await["counts"]["users"]["removed"], CROWD + 1);

    // All of them come back, and are sent as new.
    let back = [
        Change::rename(&gone, &crowd),
        Change::rename(&away, &company.user(5)),
    ];
    company.sync_after(&back, &["sync"], "baseline", CROWD + 1).await;
    assert_eq!(listed(connector, "removed").await, []);
    company.leave();
}
