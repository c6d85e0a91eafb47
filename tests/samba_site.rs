//! Two real controllers (Samba) in two sites: the near one is read, though DNS names the far one
//! first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::dns::{Dns, Record, Zone};
use lab::receiver::{Options, Receiver};
use lab::samba::place::{DNS_DOMAIN, ROOT};
use lab::samba::{self, Change, Pair, process};
use support::{Connector, assert_arrives};

/// Site of the second controller, and of whoever comes from 127.0.0.1.
const NEAR: &str = "Branch";

/// Site of the first one, as a new forest has it.
const FAR: &str = "Default-First-Site-Name";

/// Moves the second controller to a site of its own, to which 127.0.0.1 belongs.
fn separate(pair: &Pair) {
    let sites = format!("CN=Sites,CN=Configuration,{ROOT}");
    let site = format!("CN={NEAR},{sites}");
    let server = pair.second().controller().to_uppercase();
    let subnet = format!("CN=127.0.0.1/32,CN=Subnets,{sites}");
    pair.domain().apply(&[
        Change::add(&site, "site", &[]),
        Change::add(&format!("CN=NTDS Site Settings,{site}"), "nTDSSiteSettings", &[]),
        Change::add(&format!("CN=Servers,{site}"), "serversContainer", &[]),
        Change::add(&subnet, "subnet", &[("siteObject", &site)]),
        Change::rename(
            &format!("CN={server},CN=Servers,CN={FAR},{sites}"),
            &format!("CN={server},CN=Servers,{site}"),
        ),
    ]);
    pair.replicated(pair.second(), &format!("CN=Servers,{site}"), "cn", &server);
    pair.replicated(
        pair.second(),
        &format!("CN=Subnets,{sites}"),
        "cn",
        "127.0.0.1/32",
    );
    // A controller looks for its own place when it starts.
    for place in [pair.first(), pair.second()] {
        process::kill(place);
        process::start_again(place);
    }
}

async fn last_run(connector: &Connector) -> serde_json::Value {
    let arguments = ["runs", "--json", "--limit", "1"];
    let text = connector.succeed(&arguments).await.stdout;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_of_two_sites_the_near_one_is_read_and_the_far_one_when_that_is_gone() {
    let Some(pair) = samba::pair() else {
        return;
    };
    separate(&pair);
    let (far, near) = (pair.first(), pair.second());
    let of_domain = vec![Record::of(0, &far.host()), Record::of(1, &near.host())];
    let sites = vec![
        (FAR, vec![Record::of(0, &far.host())]),
        (NEAR, vec![Record::of(0, &near.host())]),
    ];
    let dns = Dns::start(Zone::Sites(DNS_DOMAIN, of_domain, sites)).await;
    let receiver = Receiver::start(Options::default()).await;
    let connector = Connector::new(pair.domain(), &receiver)
        .without("AD_HOST")
        .with("AD_DOMAIN", DNS_DOMAIN)
        .with("AD_DNS_SERVER", &dns.addr().to_string())
        .with("AD_TIMEOUT", "30s");

    let check = connector.succeed(&["check"]).await;
    check.said(&[
        &near.host(),
        "it answered the netlogon ping, and is in the site",
        "site Branch (",
        "this computer is in site Branch",
    ]);
    assert_arrives(&connector, &receiver, &samba::expected(near, ROOT, "subtree")).await;
    let run = last_run(&connector).await;
    assert_eq!(run["controllerHost"], near.host(), "{run}");
    assert_eq!(
        (&run["controllerSite"], &run["clientSite"]),
        (&NEAR.into(), &NEAR.into()),
        "{run}"
    );
    assert_eq!(run["controllerInSite"], true, "{run}");
    assert!(run["phases"]["connecting"].as_f64().unwrap() < 3.0, "{run}");

    process::kill(near);
    connector.succeed(&["sync", "--baseline"]).await;
    let run = last_run(&connector).await;
    assert_eq!(run["controllerHost"], far.host(), "{run}");
    assert_eq!(
        (
            &run["controllerSite"],
            &run["clientSite"],
            &run["controllerInSite"]
        ),
        (&FAR.into(), &NEAR.into(), &false.into()),
        "{run}"
    );
    assert!(
        run["controllerChoice"].as_str().unwrap().contains("it answered"),
        "{run}"
    );
    process::start_again(near);
}
