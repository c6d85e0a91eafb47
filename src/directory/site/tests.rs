use super::*;

const WRITABLE: u32 = 0x100;
const CLOSEST: u32 = WRITABLE | 0x80;
const PDC: u32 = 0x1;
const READ_ONLY: u32 = 0x800;
const NON_DOMAIN: u32 = 0x400;

fn candidate(host: &str, serves_site: bool, serves_domain: bool) -> SiteCandidate {
    SiteCandidate {
        named: NamedController {
            host: host.to_owned(),
            ldap_port: 389,
        },
        serves_site,
        serves_domain,
    }
}

fn answer(site: &str, flags: u32) -> Option<NetlogonAnswer> {
    Some(NetlogonAnswer {
        is_paused: false,
        domain: "corp.example".to_owned(),
        host: "anything.example".to_owned(),
        controller_site: site.to_owned(),
        client_site: "Here".to_owned(),
        next_closest_site: Some("Next".to_owned()),
        flags,
    })
}

fn paused(site: &str) -> Option<NetlogonAnswer> {
    answer(site, CLOSEST).map(|answer| NetlogonAnswer {
        is_paused: true,
        ..answer
    })
}

/// Candidates with their answers, in the order of DNS, and the hosts in the order of [`ordered`].
fn order_of(
    all: Vec<(SiteCandidate, Option<NetlogonAnswer>)>,
    site: Option<&str>,
    policy: &SitePolicy,
) -> Vec<(String, ControllerChoice)> {
    let (candidates, answers): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    ordered(&candidates, &answers, site, policy)
}

#[test]
fn r39_every_controller_has_a_place_and_near_ones_come_before_far_ones() {
    let domain = |host, answer| (candidate(host, false, true), answer);
    let order = order_of(
        vec![
            domain("silent", None),
            domain("read-only", answer("Here", READ_ONLY | CLOSEST)),
            domain("no-domain", answer("Here", NON_DOMAIN | CLOSEST)),
            domain("paused", paused("Here")),
            domain("far", answer("Far", WRITABLE)),
            domain("next", answer("next", WRITABLE)),
            domain("near-pdc", answer("HERE", PDC | WRITABLE)),
            domain("near", answer("here", WRITABLE)),
            (candidate("covers", true, true), answer("Far", WRITABLE)),
            domain("covers-as-it-says", answer("Far", CLOSEST)),
            (candidate("silent-of-site", true, true), None),
            (candidate("branch", true, false), answer("Here", CLOSEST)),
            (candidate("site-alone", true, false), None),
        ],
        Some("Here"),
        &SitePolicy::Auto,
    );
    let hosts: Vec<&str> = order.iter().map(|(host, _)| host.as_str()).collect();
    assert_eq!(
        hosts,
        [
            "near",
            "covers",
            "covers-as-it-says",
            "branch",
            "near-pdc",
            "next",
            "far",
            "silent-of-site",
            "silent",
            "site-alone",
            "read-only",
            "no-domain",
            "paused",
        ]
    );
    let choices: Vec<ControllerChoice> = order.iter().map(|(_, choice)| *choice).collect();
    assert!(choices.is_sorted());
    assert_eq!(choices[5], ControllerChoice::NextClosestSite);
}

#[test]
fn a_site_that_is_named_counts_and_not_the_word_of_the_controller() {
    let order = order_of(
        vec![
            (candidate("closest", false, true), answer("Here", CLOSEST)),
            (candidate("named", false, true), answer("Branch", WRITABLE)),
        ],
        Some("Branch"),
        &SitePolicy::Named("Branch".to_owned()),
    );
    assert_eq!(
        order,
        [
            ("named".to_owned(), ControllerChoice::SameSite),
            ("closest".to_owned(), ControllerChoice::Answered)
        ]
    );
}

#[test]
fn without_answers_the_order_is_that_of_dns() {
    let hosts = ["c", "a", "b"];
    let silent = hosts.map(|host| (candidate(host, false, true), None)).to_vec();
    let order = order_of(silent, None, &SitePolicy::Auto);
    assert!(
        order
            .iter()
            .map(|(host, choice)| (host.as_str(), *choice))
            .eq(hosts.map(|host| (host, ControllerChoice::Silent)))
    );
}

fn settings() -> (config::DomainSettings, config::DirectorySettings) {
    let domain = config::DomainSettings {
        name: "corp.example".to_owned(),
        // Nobody listens there.
        dns_server: Some(([127, 0, 0, 1], 9).into()),
        site: SitePolicy::Auto,
        allow_read_only: false,
    };
    let directory = config::DirectorySettings {
        hosts: Vec::new(),
        domain: Some(domain.clone()),
        transport: config::LdapTransport::Ldaps,
        port: 636,
        auth: config::DirectoryAuth::Simple {
            name: "someone".to_owned(),
            password: "the-password".into(),
        },
        certificates: None,
        pins: Vec::new(),
        server_name: None,
        page_size: 1000,
        parallel_reads: 1,
        timeout: Duration::from_secs(20),
        delta: config::DeltaMethod::Usn,
        reach: config::ReachPolicy::Unrestricted,
    };
    (domain, directory)
}

/// Controllers that never answer, as many as there may be in one answer of DNS.
#[tokio::test]
async fn r39_a_thousand_silent_controllers_keep_their_order_and_take_two_seconds() {
    let silent = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let candidates: Vec<SiteCandidate> = (0..1000)
        .map(|number| SiteCandidate {
            named: NamedController {
                host: format!("127.0.0.{}", number % 250 + 1),
                ldap_port: port,
            },
            serves_site: false,
            serves_domain: true,
        })
        .collect();
    let hosts: Vec<String> = candidates.iter().map(|one| one.named.host.clone()).collect();
    let (domain, directory) = settings();
    let started = Instant::now();
    let order = order(candidates, None, &domain, &directory).await;
    let took = started.elapsed();
    assert!(took < LIMIT + Duration::from_millis(500), "{took:?}");
    assert!(order.iter().map(|(host, _)| host).eq(&hosts));
    // The first one was asked, twice each time.
    let mut octets = [0; 512];
    let mut received = 0;
    while silent.try_recv(&mut octets).is_ok() {
        received += 1;
    }
    assert!((1..=2 * MOST_PINGS).contains(&received), "{received}");
}
