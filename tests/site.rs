//! `AD_SITE`, `AD_ALLOW_RODC`: the nearest controller of a domain, by the netlogon ping and the records of the site.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lab::certificates::{Authority, Shape};
use lab::simulator::{Action, Netlogon, On, Options, OverUdp, Simulator, Tls};
use support::http::Served;
use support::sites::Sites;

/// Connections are accepted, and nothing else happens: a controller that hangs.
fn hang(controller: &Simulator) {
    controller.faults().always(On::Connect, Action::Silence);
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_dead_and_a_far_controller_do_not_delay_the_near_one() {
    let dead = Netlogon::of("Far", "Near").without_udp();
    let sites = Sites::new(
        &[dead, Netlogon::of("Far", "Near"), Netlogon::of("Near", "Near")],
        &[1, 2, 3],
        &[("Near", &[3]), ("Far", &[1, 2])],
    )
    .await;
    hang(sites.controller(1));
    let started = Instant::now();
    sites.lab.sync(0).await.said(&["127.0.0.3"]);
    let took = started.elapsed();
    sites.lab.assert_converged();
    assert_eq!(sites.connections(), [0, 0, 1]);
    let run = sites.lab.last_run().await;
    assert!(run["phases"]["connecting"].as_f64().unwrap() < 3.0, "{run}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(run["controllerHost"], "127.0.0.3");
    assert_eq!(run["controllerSite"], "Near");
    assert_eq!(run["clientSite"], "Near");
    assert_eq!(run["controllerInSite"], true);
    assert!(
        run["controllerChoice"].as_str().unwrap().contains("in the site"),
        "{run}"
    );
    let status = sites.lab.connector.succeed(&["status"]).await;
    status.said(&["controller       127.0.0.3, site Near, as this computer"]);
    // A delta goes to the same one, without asking anybody.
    let pings = sites.pings(3);
    sites.lab.sync(0).await;
    assert_eq!((sites.connections(), pings), (vec![0, 0, 1], sites.pings(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_that_answer_nothing_over_udp_cost_two_seconds() {
    let silent = |site| Netlogon::of(site, "Near").without_udp();
    let mut sites = Sites::new(
        &[silent("Far"), silent("Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    let connecting = |run: serde_json::Value| run["phases"]["connecting"].as_f64().unwrap();
    sites.lab.sync(0).await;
    let with_pings = connecting(sites.lab.last_run().await);
    assert_eq!(sites.connections(), [1, 0]);
    // The site was learnt over the session: the next full read goes to the near one.
    let outcome = sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    outcome.said(&["127.0.0.2"]);
    assert_eq!(sites.connections(), [0, 1]);
    let run = sites.lab.last_run().await;
    assert!(
        run["controllerChoice"]
            .as_str()
            .unwrap()
            .contains("DNS names it for the site"),
        "{run}"
    );

    sites.lab.set("AD_SITE", "off");
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    let without = connecting(sites.lab.last_run().await);
    assert_eq!(sites.connections(), [1, 0]);
    assert!(
        with_pings - without < 2.3,
        "{with_pings} s, without pings {without} s"
    );
    let run = sites.lab.last_run().await;
    assert_eq!(run["controllerSite"], serde_json::Value::Null, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_named_beats_that_of_this_computer_and_falls_back_to_the_others() {
    let mut sites = Sites::new(
        &[Netlogon::of("Near", "Near"), Netlogon::of("Branch", "Near")],
        &[1, 2],
        &[("Near", &[1]), ("Branch", &[2])],
    )
    .await;
    sites.lab.set("AD_SITE", "Branch");
    sites.lab.sync(0).await;
    assert_eq!(sites.connections(), [0, 1]);
    // Its only controller is gone.
    sites.controller(2).faults().always(On::Connect, Action::Cut);
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(sites.connections(), [1, 1]);
    sites.lab.set("AD_SITE", "No such site");
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(sites.connections()[0], 1);
}

/// A forger answers in the place of every controller, and faster than DNS names the right ones.
#[tokio::test(flavor = "multi_thread")]
async fn r39_a_forged_answer_changes_neither_names_nor_certificates() {
    let forged = [
        // Another site, which DNS knows: its controller is of the domain, but not in its records.
        Netlogon::of("Trap", "Trap"),
        Netlogon {
            host: Some("evil.example".to_owned()),
            ..Netlogon::of("Near", "Near")
        },
        Netlogon {
            is_read_only: true,
            ..Netlogon::of("Near", "Near")
        },
        Netlogon {
            is_paused: true,
            ..Netlogon::of("Far", "Far")
        },
        Netlogon {
            domain: Some("evil.example".to_owned()),
            ..Netlogon::of("Near", "Near")
        },
        Netlogon::of("Near", "a\u{1b}[1mb.c"),
    ];
    for forged in forged {
        let honest = |site| Netlogon::of(site, "Near").with_forged(forged.clone());
        let sites = Sites::new(
            &[honest("Far"), honest("Near"), Netlogon::of("Trap", "Trap")],
            &[1, 2],
            &[("Near", &[2]), ("Far", &[1]), ("Trap", &[3])],
        )
        .await;
        let outcome = sites.lab.sync(0).await;
        assert!(!outcome.text().contains('\u{1b}'), "{}", outcome.text());
        sites.lab.assert_converged();
        let connections = sites.connections();
        assert_eq!(connections[0] + connections[1], 1, "{forged:?}");
        assert_eq!(connections[2], 0, "{forged:?}");
        // What is remembered came over the session.
        assert_eq!(sites.lab.last_run().await["clientSite"], "Near", "{forged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_controller_that_answers_as_near_is_verified_as_any_other() {
    let mut sites = Sites::new(
        &[Netlogon::of("Far", "Near"), Netlogon::of("Near", "Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    // An impostor at the address of the near one, with the certificate of another authority.
    sites.others.clear();
    let impostor = Authority::new("Other Authority").server(&["127.0.0.2"], Shape::Sound);
    let port = sites.lab.simulator.addr().port();
    tokio::time::sleep(Duration::from_millis(200)).await;
    sites.others.push(Simulator::start(Options {
        listen: (Ipv4Addr::new(127, 0, 0, 2), port).into(),
        directory: sites.lab.directory().clone(),
        tls: Tls::Ldaps(impostor.server_config()),
        netlogon: Some(Netlogon::of("Near", "Near")),
        ..Options::default()
    }));
    sites
        .lab
        .sync(0)
        .await
        .said(&["127.0.0.2", "the next one is tried"]);
    assert_eq!(sites.controller(2).statistics().counts().binds, 0);
    assert_eq!(sites.lab.last_run().await["controllerHost"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_read_only_controller_is_read_only_where_that_is_allowed() {
    let read_only = Netlogon {
        is_read_only: true,
        ..Netlogon::of("Near", "Near")
    };
    let mut sites = Sites::new(
        &[Netlogon::of("Far", "Near"), read_only],
        &[1],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    sites.lab.set("AD_SITE", "Near");
    sites.lab.sync(0).await;
    assert_eq!(sites.connections(), [1, 0], "the far one is writable");
    hang(sites.controller(1));
    sites.lab.set("AD_TIMEOUT", "2s");
    let outcome = sites
        .lab
        .connector
        .run(&["sync", "--baseline"])
        .await
        .ended_with(69);
    outcome.said(&["read-only controller", "AD_ALLOW_RODC"]);
    sites.lab.set("AD_ALLOW_RODC", "true");
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(sites.lab.last_run().await["controllerHost"], "127.0.0.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_misbehaviour_over_udp_leaves_the_order_of_dns() {
    let over_udp = [
        OverUdp {
            delay: Duration::from_secs(5),
            ..OverUdp::default()
        },
        OverUdp {
            wrong_id: true,
            ..OverUdp::default()
        },
        OverUdp {
            raw: Some(vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
            ..OverUdp::default()
        },
        OverUdp {
            raw: Some(vec![0; 2000]),
            ..OverUdp::default()
        },
    ];
    for over_udp in over_udp {
        let of = |site| Netlogon {
            over_udp: over_udp.clone(),
            ..Netlogon::of(site, "Near")
        };
        let sites = Sites::new(&[of("Far"), of("Near")], &[1, 2], &[("Near", &[2])]).await;
        sites.lab.sync(0).await;
        assert_eq!(sites.connections(), [1, 0], "{over_udp:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_late_answer_still_counts() {
    for over_udp in [
        OverUdp {
            lost: 1,
            ..OverUdp::default()
        },
        OverUdp {
            delay: Duration::from_millis(900),
            ..OverUdp::default()
        },
    ] {
        let near = Netlogon {
            over_udp,
            ..Netlogon::of("Near", "Near")
        };
        let sites = Sites::new(&[Netlogon::of("Far", "Near"), near], &[1, 2], &[("Near", &[2])]).await;
        sites.lab.sync(0).await;
        assert_eq!(sites.connections(), [0, 1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_subnet_is_warned_of_once() {
    let sites = Sites::new(&[Netlogon::of("Far", "")], &[1], &[("Far", &[1])]).await;
    let warning = "No subnet of the directory holds";
    sites
        .lab
        .sync(0)
        .await
        .said(&[warning, "Active Directory Sites and Services"]);
    let again = sites.lab.sync(0).await;
    assert!(!again.text().contains(warning), "{}", again.text());
    let check = sites.lab.connector.succeed(&["check"]).await;
    check.said(&[
        "why this one",
        "site Far (global catalog, writable)",
        "no subnet of the directory",
    ]);
    assert!(sites.dns.addr().port() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dirsync_goes_to_a_near_controller_though_a_far_one_was_read_before() {
    let mut sites = Sites::new(
        &[
            Netlogon::of("Far", "Near").without_udp(),
            Netlogon::of("Near", "Near").without_udp(),
        ],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    sites.lab.set("AD_DELTA", "dirsync");
    sites.lab.sync(0).await;
    assert_eq!(sites.connections(), [1, 0]);
    sites.lab.sync(0).await;
    assert_eq!(sites.connections(), [0, 1]);
    sites.lab.assert_last_run("delta", "DirSync cookie").await;
    // By uSNChanged the one that was read before is the better one.
    sites.lab.set("AD_DELTA", "usn");
    sites.lab.sync(0).await;
    assert_eq!(
        sites.connections(),
        [0, 1],
        "both were read before; the near one first"
    );
}

/// `check`, `why`, `preview` and the preview of the API go where the next delta goes, without
/// asking a controller over UDP for what a run learnt.
#[tokio::test(flavor = "multi_thread")]
async fn commands_ask_the_controller_that_the_next_delta_reads() {
    let silent = |site| Netlogon::of(site, "Near").without_udp();
    let mut sites = Sites::new(
        &[silent("Far"), silent("Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    sites.lab.set("AD_DELTA", "dirsync");
    sites.lab.set("HTTP_LISTEN", "127.0.0.1:0");
    sites.lab.set("HTTP_TOKEN", support::http::TOKEN);
    let user = sites.lab.users()[0];
    let id = sites.lab.external_id(user);
    let commands: [&[&str]; 3] = [&["check"], &["why", &id], &["preview", &id]];
    // Nothing is known: the first of the domain, by the order of DNS.
    for command in commands {
        sites.lab.connector.succeed(command).await;
        assert_eq!(sites.connections(), [1, 0], "{command:?}");
    }
    // The site is learnt over the session.
    sites.lab.sync(0).await;
    assert_eq!(sites.connections(), [1, 0]);
    let run = sites.lab.last_run().await;
    for command in commands {
        let outcome = sites.lab.connector.succeed(command).await;
        assert_eq!(sites.connections(), [0, 1], "{command:?}");
        if command[0] == "check" {
            outcome.said(&["why this one", "DNS names it for the site"]);
        }
    }
    let mut served = Served::start(&sites.lab.connector).await;
    served.service.said("run finished").await;
    sites.connections();
    let guid = support::expected::guid(&sites.lab.directory().guid(user));
    served
        .json(&format!(
            "/api/v1/connections/active-directory/inventory/{guid}/preview"
        ))
        .await;
    assert_eq!(sites.connections(), [0, 1]);
    served.service.stopped_with(0).await;
    // Looking stored nothing: the delta at the start is the next run.
    assert_eq!(
        sites.lab.last_run().await["run"],
        run["run"].as_i64().unwrap() + 1,
        "{run}"
    );

    // By uSNChanged a controller that was read before beats a near one, for a delta and for them.
    let silent = |site| Netlogon::of(site, "Near").without_udp();
    let sites = Sites::new(
        &[silent("Far"), silent("Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    for command in [&["sync"][..], &["check"], &["preview", &id], &["sync"]] {
        sites.lab.connector.succeed(command).await;
        assert_eq!(sites.connections(), [1, 0], "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_metrics_show_where_the_controller_is() {
    let mut sites = Sites::new(
        &[Netlogon::of("Far", "Near"), Netlogon::of("Near", "Near")],
        &[1, 2],
        &[("Near", &[2]), ("Far", &[1])],
    )
    .await;
    for (name, value) in [
        ("SYNC_CRON", "59 59 23 31 12 *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_ON_START", "false"),
        ("HTTP_LISTEN", "127.0.0.1:0"),
    ] {
        sites.lab.set(name, value);
    }
    for (site, host, value) in [("auto", "127.0.0.2", 1), ("Far", "127.0.0.1", 1)] {
        sites.lab.set("AD_SITE", site);
        sites.lab.connector.succeed(&["sync", "--baseline"]).await;
        let served = Served::start(&sites.lab.connector).await;
        let metrics = served.get("/metrics").await.with(200).body;
        let sample = format!(
            "ad_connector_controller_in_site{{connection=\"active-directory\",host=\"{host}\"}} {value}"
        );
        assert!(
            metrics.lines().any(|line| line.starts_with(&sample)),
            "{sample}\n{metrics}"
        );
        let connection = served.json("/api/v1/connections/active-directory").await;
        assert_eq!(connection["lastRun"]["controllerHost"], host, "{connection}");
        assert_eq!(connection["lastRun"]["clientSite"], "Near", "{connection}");
    }
    // The near one is gone, and with it what is known of it.
    sites.lab.set("AD_SITE", "auto");
    sites.controller(2).faults().always(On::Connect, Action::Cut);
    sites.lab.connector.succeed(&["sync", "--baseline"]).await;
    let served = Served::start(&sites.lab.connector).await;
    let metrics = served.get("/metrics").await.with(200).body;
    let far = "ad_connector_controller_in_site{connection=\"active-directory\",host=\"127.0.0.1\"} 0";
    assert!(metrics.lines().any(|line| line.starts_with(far)), "{metrics}");
}
