//! Two real controllers (Samba): the first one goes and comes back, a change is made on the second; and a controller restored from backup.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::place::ROOT;
use lab::samba::{self, Change, Pair, process};
use support::{Assets, Connector, assert_arrives, assert_same, changed, people};

/// Both controllers in `AD_HOST`, the first one first.
fn connector(pair: &Pair, receiver: &Receiver, delta: &str) -> Connector {
    let hosts = format!("{},{}", pair.first().host(), pair.second().host());
    Connector::new(pair.domain(), receiver)
        .with("AD_HOST", &hosts)
        .with("AD_DELTA", delta)
        .with("AD_TIMEOUT", "30s")
}

async fn sent_by(connector: &Connector, receiver: &Receiver, arguments: &[&str]) -> Assets {
    receiver.reset();
    connector.succeed(arguments).await;
    assert_eq!(receiver.violations(), Vec::<String>::new());
    receiver.assets()
}

async fn last_run(connector: &Connector) -> serde_json::Value {
    let said = connector
        .succeed(&["runs", "--json", "--limit", "1"])
        .await
        .stdout;
    serde_json::from_str(&said).unwrap()
}

async fn assert_last_run(connector: &Connector, mode: &str, reason: &str) {
    let run = last_run(connector).await;
    assert_eq!(run["mode"], mode, "{run}");
    assert!(run["reason"].as_str().unwrap().contains(reason), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r05_r17_the_first_of_two_controllers_goes_and_comes_back() {
    let Some(pair) = samba::pair() else {
        return;
    };
    let (first, second) = (pair.first(), pair.second());
    let unit = pair.domain().fresh_unit("pair");
    pair.domain().apply(&people(&unit, "pair"));
    pair.replicated(second, &unit, "sAMAccountName", "pairteam");
    // Each with a receiver of its own, so that neither sees what the other sent.
    let receivers = [
        Receiver::start(Options::default()).await,
        Receiver::start(Options::default()).await,
    ];
    let connectors = [
        connector(&pair, &receivers[0], "usn"),
        connector(&pair, &receivers[1], "dirsync"),
    ];
    let expected = || samba::expected(second, ROOT, "subtree");
    for (connector, receiver) in connectors.iter().zip(&receivers) {
        assert_arrives(connector, receiver, &expected()).await;
    }

    // A change on the second one, while the first one is stopped.
    process::kill(first);
    let before = expected();
    let person = format!("CN=Person 1,{unit}");
    pair.apply_on_second(&[
        Change::set(&person, "displayName", "made on the second"),
        Change::user(&unit, "Newcomer", "pairnew"),
    ]);
    let difference = changed(&before, &expected());
    assert_eq!(difference.len(), 2);
    for (number, (connector, receiver)) in connectors.iter().zip(&receivers).enumerate() {
        assert_same(&sent_by(connector, receiver, &["sync"]).await, &difference);
        let (mode, reason) = [
            ("baseline", "no watermark for controller"),
            ("delta", "the DirSync cookie of"),
        ][number];
        assert_last_run(connector, mode, reason).await;
        assert_eq!(sent_by(connector, receiver, &["sync"]).await.len(), 0);
        assert_last_run(connector, "delta", "changes since").await;
    }

    // The first one back. Until the change arrives there it returns the older version, and nothing
    // else is sent.
    process::start_again(first);
    let mut back = Vec::new();
    for (connector, receiver) in connectors.iter().zip(&receivers) {
        let sent = sent_by(connector, receiver, &["sync"]).await;
        assert!(sent.keys().all(|id| difference.contains_key(id)), "{sent:?}");
        assert_last_run(connector, "delta", "changes since").await;
        back.push(sent);
    }
    pair.replicated(first, &person, "displayName", "made on the second");
    pair.replicated(first, &unit, "sAMAccountName", "pairnew");
    for ((connector, receiver), back) in connectors.iter().zip(&receivers).zip(back) {
        let healed = sent_by(connector, receiver, &["sync"]).await;
        assert_last_run(connector, "delta", "changes since").await;
        assert!(healed.keys().all(|id| back.contains_key(id)), "{healed:?}");
        for (id, asset) in &back {
            assert_eq!(
                healed.get(id).unwrap_or(asset),
                &difference[id],
                "nothing old stays"
            );
        }
        let run = last_run(connector).await;
        // Nothing is counted where nothing was read.
        assert_eq!(
            run["counts"]["users"]["removed"].as_u64().unwrap_or(0),
            0,
            "{run}"
        );
        assert_eq!(sent_by(connector, receiver, &["sync"]).await.len(), 0);
    }

    // The first one is killed in the middle of a baseline, another change on the second.
    for (connector, receiver) in connectors.iter().zip(&receivers) {
        killed_in_a_baseline(&pair, connector, receiver, &person).await;
    }
}

/// What the second one has and the first one does not is sent, and nothing else, though the first one broke off half-way.
async fn killed_in_a_baseline(pair: &Pair, connector: &Connector, receiver: &Receiver, person: &str) {
    let (first, second) = (pair.first(), pair.second());
    let before = samba::expected(second, ROOT, "subtree");
    let value = format!("again {}", receiver.url());
    pair.apply_on_second(&[Change::set(person, "displayName", &value)]);
    let difference = changed(&before, &samba::expected(second, ROOT, "subtree"));
    assert_eq!(difference.len(), 1);
    receiver.reset();
    // Small pages, so that there is a middle; it holds still there until the controller is gone.
    let mut running = connector.watch_with("AD_PAGE_SIZE", "20", &["sync", "--baseline"]);
    running.said("Reading the directory.").await;
    running.signal("STOP").await;
    process::kill(first);
    running.signal("CONT").await;
    let outcome = running.ended().await.ended_with(0);
    outcome.said(&["broke off; the read begins again on another one", &second.host()]);
    assert_same(&receiver.assets(), &difference);
    process::start_again(first);
    pair.replicated(first, person, "displayName", &value);
    assert_eq!(sent_by(connector, receiver, &["sync"]).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r17_a_controller_restored_from_backup_is_read_in_full_and_nothing_is_sent_again() {
    let Some(domain) = samba::domain() else {
        return;
    };
    let person = domain.expected(ROOT).into_keys().next().unwrap();
    let dn = format!("<SID={person}>");
    for delta in ["usn", "dirsync"] {
        process::reset(domain.place());
        process::start(domain.place());
        let before = domain.expected(ROOT);
        let receiver = Receiver::start(Options::default()).await;
        let connector = Connector::new(&domain, &receiver).with("AD_DELTA", delta);
        assert_arrives(&connector, &receiver, &before).await;
        domain.apply(&[
            Change::set(&dn, "displayName", "lost with the controller"),
            Change::set(&dn, "description", "lost"),
        ]);
        let after = domain.expected(ROOT);
        assert_same(
            &sent_by(&connector, &receiver, &["sync"]).await,
            &changed(&before, &after),
        );
        domain.restore_from_backup();
        // What was lost there is taken back upstream; everything else is as it was.
        let sent = sent_by(&connector, &receiver, &["sync"]).await;
        assert_same(&sent, &changed(&after, &before));
        assert_eq!(sent.len(), 1);
        assert_last_run(&connector, "baseline", "restored from backup").await;
        assert_eq!(sent_by(&connector, &receiver, &["sync"]).await.len(), 0);
        assert_last_run(&connector, "delta", "changes since").await;
    }
    process::reset(domain.place());
}
