//! R12: whatever a server sends or does not send ends in time, with the reason and the right exit code, in bounded memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "hostile/gateway.rs"]
mod gateway;
#[path = "hostile/large.rs"]
mod large;
#[path = "hostile/upstream.rs"]
mod upstream;

use std::future::Future;
use std::time::Duration;

use lab::simulator::{Action, On, People, Twist};
use support::Outcome;
use support::simulated::Simulated;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Peak memory of a command that met something hostile, KiB.
const MEMORY: u64 = 64 * 1024;

/// Runs a command that must end with `code`, say all of `words`, and stay within memory and time.
async fn assert_bounded(
    lab: &Simulated,
    arguments: &[&str],
    code: i32,
    words: &[&str],
    limit: Duration,
) -> Outcome {
    let (outcome, took, peak) = lab.connector.measured(arguments).await;
    let outcome = outcome.ended_with(code).said(words);
    assert!(took < limit, "{arguments:?} took {took:?}:\n{}", outcome.text());
    assert!(
        peak < MEMORY,
        "{arguments:?} took {peak} KiB:\n{}",
        outcome.text()
    );
    outcome
}

/// A directory without TLS that treats every connection like this.
async fn directory<F: Future<Output = ()> + Send>(
    treat: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> Simulated {
    let mut lab = Simulated::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.set("AD_PORT", &listener.local_addr().unwrap().port().to_string());
    lab.set("AD_TRANSPORT", "ldap");
    lab.set("AD_ALLOW_PLAINTEXT", "true");
    lab.unset("AD_CERTIFICATE");
    lab.set("AD_TIMEOUT", "2s");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let treat = treat.clone();
            tokio::spawn(async move { treat(stream).await });
        }
    });
    lab
}

/// As long as a command that gives up after AD_TIMEOUT = 2 s may take on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Sends this after the bind request came, and waits until the client leaves.
async fn assert_answer_refused(answer: Vec<u8>, words: &[&str]) {
    let lab = directory(move |mut stream| {
        let answer = answer.clone();
        async move {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            while matches!(stream.read(&mut request).await, Ok(count) if count > 0) {}
        }
    })
    .await;
    for command in ["sync", "check"] {
        assert_bounded(&lab, &[command], 69, words, SOON).await;
    }
    assert_eq!(lab.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_nested_ber() {
    // Two megabytes of sequences, each of which fits exactly into the one around it.
    let levels = 333_333_u32;
    let mut nested = Vec::with_capacity(2_000_000);
    for level in 0..levels {
        nested.extend([0x30, 0x84]);
        nested.extend(((levels - level - 1) * 6 + 2).to_be_bytes());
    }
    nested.extend([0x30, 0x00]);
    assert_answer_refused(nested, &["nested", "what to do"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_an_inner_element_beyond_its_outer() {
    assert_answer_refused(
        vec![0x30, 0x05, 0x02, 0x01, 0x01, 0x61, 0x7F],
        &["longer than the one around it"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_another_protocol() {
    let page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    assert_answer_refused(page, &["HTTP/1.1 400", "another service answers there"]).await;
    assert_answer_refused(vec![0x15, 0x03, 0x03, 0, 2, 2, 0x46], &["AD_TRANSPORT=ldaps"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_gigabyte_that_is_announced_and_sent() {
    let lab = directory(|mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&[0x30, 0x84, 0x40, 0, 0, 0]).await;
        let chunk = vec![0; 1 << 20];
        for _ in 0..1024 {
            if stream.write_all(&chunk).await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_bounded(&lab, &["sync"], 69, &["1073741830 octets", "what to do"], SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_silence_and_one_byte_a_second_end_within_ad_timeout() {
    let silent = directory(|mut stream| async move {
        let mut request = [0; 1024];
        while matches!(stream.read(&mut request).await, Ok(count) if count > 0) {}
    })
    .await;
    assert_bounded(&silent, &["sync"], 69, &["within 2 s"], SOON).await;

    let dripping = directory(|mut stream| async move {
        // The beginning of a bind response of 12 octets.
        for octet in [0x30, 0x0C, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0A, 0x01, 0x00] {
            if stream.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_bounded(&dripping, &["sync"], 69, &["within 2 s"], SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_silence_where_tls_should_begin() {
    let mut lab = directory(|mut stream| async move {
        let mut request = [0; 1024];
        while matches!(stream.read(&mut request).await, Ok(count) if count > 0) {}
    })
    .await;
    lab.set("AD_TRANSPORT", "ldaps");
    assert_bounded(&lab, &["sync"], 69, &["TLS", "within 2 s"], SOON).await;
    lab.set("AD_TRANSPORT", "starttls");
    assert_bounded(&lab, &["sync"], 69, &["within 2 s"], SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_directory_that_turns_hostile_in_the_middle_of_a_read() {
    let cases: [(Action, &str); 5] = [
        (Action::TruncatedBer, "what to do"),
        (Action::Raw(vec![0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF]), "octets"),
        (Action::Silence, "within 2 s"),
        (Action::Drip, "within 2 s"),
        (Action::RepeatCookie, "the same page came twice"),
    ];
    for (action, word) in cases {
        let mut lab = Simulated::new().await;
        lab.set("AD_TIMEOUT", "2s");
        lab.at_users_page(2, action.clone());
        assert_bounded(&lab, &["sync"], 69, &[word], SOON).await;
        lab.simulator.faults().clear();
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_pages_without_end_are_recognised() {
    let mut lab = Simulated::new().await;
    lab.at_users_page(1, Action::EmptyPages);
    assert_bounded(
        &lab,
        &["sync"],
        69,
        &["empty pages in a row"],
        Duration::from_secs(60),
    )
    .await;
    // Pages that hold something, and begin again after the last one.
    lab.simulator.faults().clear();
    lab.simulator
        .faults()
        .at_matching(On::Search, "objectCategory=group", 1, Action::EndlessPages);
    lab.set("AD_ASSETS", "groups");
    // All groups are one page.
    assert_bounded(&lab, &["sync"], 69, &["goes in circles"], SOON).await;
    lab.set("AD_ASSETS", "users");
    lab.at_users_page(1, Action::EndlessPages);
    assert_bounded(&lab, &["sync"], 69, &["goes in circles"], SOON).await;
    let size = std::fs::metadata(lab.connector.state()).unwrap().len();
    assert!(size < 4 << 20, "{size}");
    lab.set("AD_ASSETS", "users,groups");
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_entries_that_are_too_large_for_anyone() {
    let lab = Simulated::new().await;
    // 100 entries of a page with an attribute of 4 MiB, which nobody asked for.
    lab.at_users_page(1, Action::Twist(Twist::Oversized(4 << 20)));
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    assert!(matches!(outcome.code, Some(0 | 69)), "{}", outcome.text());
    assert!(peak < 128 * 1024, "{peak} KiB");
    lab.simulator.faults().clear();
    lab.sync(0).await;
    lab.assert_converged();
}

/// Peak memory of a sync from a directory that sends as much as it can, KiB.
const FLOOD: u64 = 128 * 1024;

/// What a directory can send too much of, and what is said about it.
fn floods() -> Vec<(Action, &'static str)> {
    vec![
        // An object that is larger than any that is skipped, by its header.
        (
            Action::Raw(vec![0x30, 0x84, 0x10, 0, 0, 0]),
            "268435462 octets; the most",
        ),
        (
            Action::Twist(Twist::BackwardRanges),
            "does not follow the 1000 values",
        ),
        (Action::Flood(1_000_000), "more than the 1 entries"),
        (Action::RepeatCookie, "the same page came twice"),
        (Action::EndlessPages, "goes in circles"),
        (Action::EmptyPages, "empty pages in a row"),
        (Action::Silence, "within 2 s"),
        (Action::Drip, "within 2 s"),
    ]
}

/// A small directory in pages of one object, so that one page is a flood.
async fn one_by_one() -> Simulated {
    let mut lab = Simulated::of(People {
        seed: 7,
        users: 12,
        groups: 3,
        computers: 0,
    })
    .await;
    lab.set("AD_PAGE_SIZE", "1");
    lab
}

/// Lets `action` happen at the next page of users, and to what is asked about them by name.
fn at_a_user(lab: &Simulated, action: &Action) {
    lab.at_users_page(1, action.clone());
    if matches!(action, Action::Twist(Twist::Ranges(_) | Twist::BackwardRanges)) {
        let faults = lab.simulator.faults();
        faults.always_matching(On::Search, "(objectClass=*)", action.clone());
    }
}

/// Runs a sync that meets what is scripted: it ends in time, in bounded memory, with the reason, and concludes no removal.
async fn assert_refused(lab: &mut Simulated, words: &str) {
    let waits = words.contains("within");
    lab.set("AD_TIMEOUT", if waits { "2s" } else { "50s" });
    // A hundred megabytes take their time on a busy machine, on the side of the simulator above all.
    let limit = if waits { SOON } else { Duration::from_secs(60) };
    let (outcome, took, peak) = lab.connector.measured(&["sync"]).await;
    let outcome = outcome.ended_with(69).said(&[words, "what to do"]);
    assert!(took < limit, "{words} took {took:?}");
    assert!(peak < FLOOD, "{words} took {peak} KiB:\n{}", outcome.text());
    assert!(lab.simulator.faults().all_happened(), "{words}");
    lab.simulator.faults().clear();
    lab.set("AD_TIMEOUT", "20s");
    let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert!(!removed.contains("\"state\":\"removed\""), "{words}: {removed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_flood_in_a_baseline() {
    for (action, words) in floods() {
        let mut lab = one_by_one().await;
        at_a_user(&lab, &action);
        assert_refused(&mut lab, words).await;
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_flood_in_a_delta() {
    for (action, words) in floods() {
        let mut lab = one_by_one().await;
        lab.sync(0).await;
        // Two pages, so that the first has a cookie.
        for user in lab.users().into_iter().take(2) {
            lab.directory().set_text(user, "displayName", "Changed");
        }
        at_a_user(&lab, &action);
        assert_refused(&mut lab, words).await;
        lab.sync(0).await;
        lab.assert_last_run("delta", "").await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_flood_in_a_look_up_by_guid() {
    for (action, words) in floods() {
        // One object is no more than a page, and nothing of it comes in ranges.
        let pages = ["page", "circles", "follow"];
        if pages.iter().any(|word| words.contains(word)) {
            continue;
        }
        let mut lab = filtered_out().await;
        // The look-up among those in scope comes first, then the one in the naming context.
        let faults = lab.simulator.faults();
        faults.at_matching(On::Search, "(objectGUID=", 2, action);
        assert_refused(&mut lab, words).await;
        assert_removed_by_the_next_run(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_r22_an_object_too_large_in_a_look_up_by_guid_is_found_all_the_same() {
    for (action, words) in large::objects() {
        let lab = filtered_out().await;
        lab.simulator
            .faults()
            .at_matching(On::Search, "(objectGUID=", 2, action);
        let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
        assert!(peak < FLOOD, "{words} took {peak} KiB:\n{}", outcome.text());
        assert!(lab.simulator.faults().all_happened(), "{words}");
        outcome.ended_with(0);
        assert_removed_by_the_next_run(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_the_settings_of_the_controller_are_no_large_object() {
    for (action, _) in large::objects() {
        let mut lab = filtered_out().await;
        lab.simulator
            .faults()
            .at_matching(On::Search, "(objectClass=*)", 1, action);
        assert_refused(&mut lab, "shows no invocationId").await;
        assert_removed_by_the_next_run(&lab).await;
    }
}

/// A directory in which an object that was sent no longer matches the extra filter.
async fn filtered_out() -> Simulated {
    let mut lab = one_by_one().await;
    lab.set("AD_USER_FILTER", "(!(description=out))");
    lab.sync(0).await;
    lab.directory().set_text(lab.users()[0], "description", "out");
    lab
}

async fn assert_removed_by_the_next_run(lab: &Simulated) {
    lab.connector.succeed(&["sync"]).await;
    let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert!(
        removed.contains("no longer matches the extra filter"),
        "{removed}"
    );
}

/// A mapping that takes all values of `info` as they are, beside the usual ones.
fn map_info(lab: &mut Simulated) {
    let rows = ["user", "group"].map(|kind| {
        format!(
            "\n[[{kind}]]\nsource = \"info\"\ntarget = \"asset.assetDetail.{kind}AssetClass.info\"\nform = \"list\"\n"
        )
    });
    let text = [include_str!("../config/mapping.toml"), &rows.concat()].concat();
    std::fs::write(lab.connector.folder().join("mapping.toml"), text).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
}

/// How many values of `info` the receiver has of each asset that has any.
fn told(lab: &Simulated) -> Vec<usize> {
    let assets = lab.receiver.assets();
    let lists = assets.values().flat_map(|asset| {
        ["userAssetClass", "groupAssetClass"].map(|class| {
            asset["asset"]["assetDetail"][class]["info"]
                .as_array()
                .map(Vec::len)
        })
    });
    lists.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_values_without_end_reject_their_object_alone() {
    let lab = one_by_one().await;
    at_a_user(&lab, &Action::Twist(Twist::Ranges(usize::MAX)));
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    outcome
        .ended_with(2)
        .said(&["info has more values than are taken", "16 MiB"]);
    assert!(peak < FLOOD, "{peak} KiB");
    assert_eq!(lab.receiver.assets().len() + 1, lab.expected().len());
    lab.simulator.faults().clear();
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_twenty_thousand_values_come_whole() {
    let mut lab = one_by_one().await;
    map_info(&mut lab);
    at_a_user(&lab, &Action::Twist(Twist::Ranges(20_000)));
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    outcome.ended_with(0);
    assert!(peak < FLOOD, "{peak} KiB");
    assert_eq!(told(&lab), [20_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_almost_sixteen_mebibytes_is_taken() {
    let lab = one_by_one().await;
    at_a_user(&lab, &Action::Twist(Twist::Oversized(15 << 20)));
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    outcome.ended_with(0);
    assert!(peak < FLOOD, "{peak} KiB");
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_larger_than_memory_may_be_is_read_in_pieces() {
    let mut lab = Simulated::of(People {
        seed: 7,
        users: 3,
        groups: 300,
        computers: 0,
    })
    .await;
    map_info(&mut lab);
    lab.set("AD_PAGE_SIZE", "1000");
    lab.set("AD_TIMEOUT", "60s");
    lab.simulator.faults().at_matching(
        On::Search,
        "objectCategory=group",
        1,
        Action::Twist(Twist::Members(1500)),
    );
    // 45 MB in one page.
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    outcome.ended_with(0);
    assert!(peak < FLOOD, "{peak} KiB");
    assert_eq!(told(&lab), vec![1500; 300]);
    let run = lab.last_run().await;
    assert_eq!(run["mode"], "baseline", "{run}");
}
