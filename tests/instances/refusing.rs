//! A database that refuses: to be written, the password, or TLS (R29); one with newer tables (R28).

use std::net::SocketAddr;
use std::time::Duration;

use lab::certificates::{Authority, Shape};
use lab::postgres::{ROLE, Server};

use crate::pair::{ARRIVES_WITHIN, Pair, blocking};

/// Passwords of the role.
const FIRST: &str = "Correct-Horse-7";
const SECOND: &str = "Battery-Staple-8";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_standby_is_not_written_and_used_once_it_is_promoted() {
    let mut pair = Pair::new().await;
    let standby = blocking(|| pair.server.standby());
    pair.start(0);
    pair.arrived("the first read").await;
    let sent = pair.lab.receiver.summary().requests;
    // The service runs, and its way leads to the standby, as an address that moved too early.
    pair.ways[0].cut();
    followed(&pair, &standby).await;
    pair.ways[0].lead_to(SocketAddr::from((standby.address, standby.port)));
    pair.rename_first("changed meanwhile");
    let from = pair.logged(0);
    pair.says(0, from, "cannot be written").await.said(&["primary"]);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    // Others at the same time: a command, and a service that is started now.
    pair.point_to(0);
    let refused = pair.lab.sync(69).await;
    refused.said(&[
        "the database",
        "cannot be written",
        "what to do",
        "primary server",
    ]);
    pair.end(0, "TERM").await;
    pair.start(0);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    blocking(|| {
        pair.server.crash_only();
        standby.promote();
    });
    pair.server = standby;
    pair.arrived("a change from meanwhile").await;
    pair.answers(0, "/ready", 200).await;
    assert_eq!(pair.lab.receiver.summary().requests, sent + 1, "one change");
    pair.end(0, "TERM").await;
}

/// Waits until a standby has everything that its server has.
async fn followed(pair: &Pair, standby: &Server) {
    let position = pair.query("SELECT pg_current_wal_flush_lsn()");
    let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    for _ in 0..200 {
        if blocking(|| standby.query("postgres", &has_it)) == "t" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the standby does not follow:\n{}", standby.log());
}

/// Database that demands TLS and a password, and the authority of its certificate.
async fn demanding() -> (Pair, Authority) {
    let mut pair = Pair::new().await;
    let authority = Authority::new("Database Authority");
    demand(&pair, &authority, &pair.server.address.to_string());
    let certificate = pair.lab.connector.folder().join("database.pem");
    std::fs::write(&certificate, authority.pem()).unwrap();
    let password = pair.lab.connector.folder().join("password");
    pair.lab
        .set("STATE_CA_CERTIFICATE", certificate.to_str().unwrap());
    pair.lab.set("STATE_PASSWORD_FILE", password.to_str().unwrap());
    pair.is_encrypted = true;
    write_password(&pair, FIRST);
    (pair, authority)
}

/// Starts the database again with a certificate of `authority` for `name`.
fn demand(pair: &Pair, authority: &Authority, name: &str) {
    let certificate = authority.server(&[name], Shape::Sound);
    blocking(|| pair.server.demand_tls(&certificate, FIRST));
}

fn write_password(pair: &Pair, password: &str) {
    std::fs::write(pair.lab.connector.folder().join("password"), password).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_wrong_password_of_the_database_is_corrected_without_a_restart() {
    let (mut pair, _authority) = demanding().await;
    // Wrong at the start.
    write_password(&pair, "wrong");
    pair.point_to(0);
    let refused = pair.lab.sync(77).await;
    refused.said(&[
        "the database",
        "refuses the user",
        "what to do",
        "STATE_PASSWORD_FILE",
    ]);
    pair.start(0);
    pair.says(0, 0, "refuses the user")
        .await
        .said(&["STATE_PASSWORD_FILE"]);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    write_password(&pair, FIRST);
    pair.signal(0, "HUP").await;
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    let sent = pair.lab.receiver.summary().requests;
    // Changed at the server while the service runs; its sessions end, as after a restart.
    let change = format!("ALTER ROLE {ROLE} PASSWORD '{SECOND}'");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NOT NULL";
    let from = pair.logged(0);
    pair.query(&change);
    pair.query(end);
    pair.rename_first("changed meanwhile");
    pair.says(0, from, "refuses the user").await;
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    assert_eq!(pair.lab.receiver.summary().requests, sent, "nothing is sent");
    write_password(&pair, SECOND);
    pair.signal(0, "HUP").await;
    pair.arrived("a change from meanwhile").await;
    pair.answers(0, "/ready", 200).await;
    assert_eq!(pair.lab.receiver.summary().requests, sent + 1, "one change");
    let log = pair.services[0].as_ref().unwrap().log();
    for secret in [FIRST, SECOND] {
        assert!(!log.contains(secret), "{log}");
    }
    pair.end(0, "TERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_without_a_certificate_that_is_trusted_gets_no_password_and_is_waited_for() {
    let (mut pair, authority) = demanding().await;
    let address = pair.server.address.to_string();
    pair.start(0);
    pair.arrived("the first read").await;
    let stranger = Authority::new("Another Authority");
    let mut sent = pair.lab.receiver.summary().requests;
    for what in ["another authority", "another name", "no TLS"] {
        let from = pair.logged(0);
        match what {
            "another authority" => demand(&pair, &stranger, &address),
            "another name" => demand(&pair, &authority, "db.corp.example"),
            _ => blocking(|| pair.server.refuse_tls()),
        }
        pair.rename_first(what);
        pair.says(0, from, "has no certificate that is trusted")
            .await
            .said(&["STATE_CA_CERTIFICATE", "ssl = on"]);
        pair.answers(0, "/ready", 503).await;
        pair.answers(0, "/live", 200).await;
        pair.point_to(0);
        let refused = pair.lab.sync(77).await;
        refused.said(&[
            "the database",
            "no certificate that is trusted",
            "STATE_CA_CERTIFICATE",
        ]);
        if what == "no TLS" {
            // One that is started now waits as well.
            pair.end(0, "TERM").await;
            pair.start(0);
            pair.answers(0, "/ready", 503).await;
            pair.answers(0, "/live", 200).await;
        }
        assert_eq!(
            pair.lab.receiver.summary().requests,
            sent,
            "nothing is sent: {what}"
        );
        demand(&pair, &authority, &address);
        pair.arrived(what).await;
        pair.answers(0, "/ready", 200).await;
        sent += 1;
        assert_eq!(pair.lab.receiver.summary().requests, sent, "one change: {what}");
    }
    pair.end(0, "TERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r28_an_instance_that_meets_newer_tables_stops_says_so_and_holds_nothing() {
    let mut pair = Pair::new().await;
    // Also one that has nothing to do notices it.
    pair.lab.set("SYNC_CRON", "59 59 23 31 12 *");
    pair.start(0);
    pair.arrived("the first read").await;
    pair.query("UPDATE ad_connector SET schema_version = 99");
    let service = pair.services[0].take().unwrap();
    let (ended, _) = service.ended_within(ARRIVES_WITHIN).await;
    ended.ended_with(69).said(&["schema version 99"]);
    assert_eq!(pair.holder(), None);
    for command in ["run", "sync"] {
        let refused = pair.lab.connector.run(&[command]).await;
        refused.ended_with(69).said(&["schema version 99"]);
    }
}
