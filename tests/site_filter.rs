//! The nearest controller behind a packet filter, which drops and does not refuse. Each case runs
//! in a network namespace of its own, with rules of nftables.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::process::Command;

use lab::simulator::Netlogon;
use serde_json::Value;
use support::sites::Sites;

/// Variable that says to a test that it runs in the namespace.
const INSIDE: &str = "SITE_FILTER_INSIDE";

/// Runs the test with this name once more, as root of a network namespace that has loopback alone.
/// Gives the reason where there can be none.
fn in_namespace(test: &str) -> Result<(), String> {
    let inside = "ip link set lo up && nft list ruleset && exec \"$0\" \"$@\"";
    let command = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "sh", "-c"])
            .args(arguments)
            .env(INSIDE, "yes");
        command.output().map_err(|error| format!("unshare: {error}"))
    };
    let tried = command(&[inside, "true"])?;
    if !tried.status.success() {
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        return Err(format!(
            "no network namespace with nftables here, which needs root: {said}"
        ));
    }
    let program = std::env::current_exe().unwrap();
    let played = command(&[inside, program.to_str().unwrap(), "--exact", test, "--nocapture"])?;
    let said = String::from_utf8_lossy(&played.stdout) + String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success() && said.contains(" 1 passed"), "{said}");
    println!("{said}");
    Ok(())
}

/// Drops what these conditions of nftables match, as it arrives.
fn drop_packets(conditions: &[String]) {
    let rules: String = conditions.iter().map(|one| format!("{one} drop\n")).collect();
    let chain = format!("type filter hook input priority 0;\n{rules}");
    let rules = format!("table inet lab {{\nchain arriving {{\n{chain}}}\n}}\n");
    let loaded = Command::new("nft").arg(&rules).output().unwrap();
    assert!(loaded.status.success(), "{rules}: {loaded:?}");
}

/// Packets that the rules dropped until now, one count a rule.
fn dropped() -> Vec<u64> {
    let listed = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let counts = listed.split("packets ").skip(1);
    counts
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// Seconds until the last run could begin to read.
async fn connecting(sites: &Sites) -> f64 {
    let run: Value = sites.lab.last_run().await;
    run["phases"]["connecting"].as_f64().unwrap()
}

#[test]
fn udp_that_is_dropped_delays_a_read_by_two_seconds() {
    if let Err(reason) = in_namespace("inside_all_udp_is_dropped") {
        lab::skip!("{reason}");
    }
}

/// No test of its own: runs in the namespace of the test above.
#[tokio::test(flavor = "multi_thread")]
async fn inside_all_udp_is_dropped() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let mut sites = Sites::new(
        &[Netlogon::of("Far", "Near"), Netlogon::of("Near", "Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    let port = sites.lab.simulator.addr().port();
    drop_packets(&[format!("udp dport {port} counter")]);
    sites.lab.set("AD_SITE", "off");
    sites.lab.sync(0).await;
    let without = connecting(&sites).await;
    assert_eq!(dropped(), [0], "nobody is asked");
    assert_eq!(sites.connections(), [1, 0]);
    sites.lab.set("AD_SITE", "auto");
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    let with_pings = connecting(&sites).await;
    assert!(dropped()[0] >= 2, "both were asked: {:?}", dropped());
    println!("reading begins after {with_pings} s, with AD_SITE=off after {without} s");
    assert!(
        with_pings - without < 2.3,
        "{with_pings} s, with AD_SITE=off {without} s"
    );
    sites.lab.assert_converged();
}

#[test]
fn r39_a_controller_that_drops_everything_does_not_delay_the_near_one() {
    if let Err(reason) = in_namespace("inside_the_first_drops_everything") {
        lab::skip!("{reason}");
    }
}

/// No test of its own: runs in the namespace of the test above.
#[tokio::test(flavor = "multi_thread")]
async fn inside_the_first_drops_everything() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let far = || Netlogon::of("Far", "Near");
    let sites = Sites::new(
        &[far(), far(), Netlogon::of("Near", "Near")],
        &[1, 2, 3],
        &[("Near", &[3]), ("Far", &[1, 2])],
    )
    .await;
    let port = sites.lab.simulator.addr().port();
    drop_packets(&[
        format!("ip daddr 127.0.0.1 udp dport {port} counter"),
        format!("ip daddr 127.0.0.1 tcp dport {port} counter"),
    ]);
    sites.lab.sync(0).await;
    let began = connecting(&sites).await;
    println!("reading from the near one begins after {began} s");
    assert!(began < 3.0, "{began} s");
    assert_eq!(sites.connections(), [0, 0, 1]);
    assert!(dropped()[0] >= 1, "the first was asked: {:?}", dropped());
    sites.lab.assert_converged();
}
