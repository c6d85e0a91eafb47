//! The client against a console with faults.

use std::time::Duration;

use lab::console::{Api, Console, ConsoleGroup, ConsoleUser, Fault, Options};

use super::*;
use crate::config;
use crate::upstream::ApiServer;

fn user(number: u32) -> ConsoleUser {
    ConsoleUser {
        login: Some(format!("acme_{number}")),
        id: Some(number.to_string()),
        first: "Ann".to_owned(),
        last: format!("<b>Nr & {number}"),
        email: format!("u{number}@corp.example"),
        status: "Active".to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        last_login: Some("2026-11-01T00:00:00Z".to_owned()),
        role: Some("Scanner".to_owned()),
        unit: Some("Unassigned".to_owned()),
        ..ConsoleUser::default()
    }
}

fn group(id: u64) -> ConsoleGroup {
    ConsoleGroup {
        id,
        title: format!("AG {id}"),
        owner: "1".to_owned(),
        unit: "0".to_owned(),
        impact: "High".to_owned(),
        hosts: vec!["1".to_owned(), "2".to_owned()],
        ..ConsoleGroup::default()
    }
}

async fn console() -> Console {
    Console::start(Options {
        users: (1..=30).map(user).collect(),
        groups: (1..=250).map(group).collect(),
        ..Options::default()
    })
    .await
}

fn reader_as(console: &Console, password: &str, give_up_after: Duration) -> ConsoleReader {
    let settings = config::parse(&variables()).unwrap();
    let upstream = &settings.connections[0].upstream;
    let defaults = Options::default();
    let server = ApiServer::new(&console.url(), &defaults.username, &password.into(), upstream).unwrap();
    ConsoleReader::new(server, give_up_after)
}

fn reader(console: &Console) -> ConsoleReader {
    reader_as(console, &Options::default().password, Duration::from_secs(20))
}

/// Returns the least that a configuration needs.
fn variables() -> std::collections::BTreeMap<String, String> {
    [
        ("AD_HOST", "dc1.corp.example"),
        ("AD_BIND_DN", "svc@corp.example"),
        ("AD_PASSWORD", "secret"),
        ("QUALYS_GATEWAY_URL", "http://127.0.0.1:9"),
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "secret"),
        ("QUALYS_CONNECTOR_UUID", "8c2d7e1a-3b4f-4c5d-9e6f-000000000001"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[tokio::test]
async fn whole_lists_come_page_by_page_with_one_request_in_flight() {
    let console = console().await;
    let mut reader = reader(&console);
    let accounts = reader.accounts().await.unwrap();
    assert!(accounts.is_complete(), "{:?}", accounts.gaps);
    assert_eq!(accounts.records.len(), 30);
    assert_eq!(accounts.records[0].name.as_deref(), Some("Ann <b>Nr & 1"));
    for other_names in [false, true] {
        console.change(|options| options.other_names = other_names);
        let groups = reader.asset_groups().await.unwrap();
        assert!(groups.is_complete(), "{:?}", groups.gaps);
        assert_eq!(groups.records.len(), 250);
        assert_eq!(groups.records[249].owner_user_id.as_deref(), Some("1"));
        assert_eq!(groups.records[249].hosts, Some(2));
    }
    assert_eq!(console.requests()[&Api::Groups], 6);
    assert_eq!(console.most_in_flight(), 1);
    assert_eq!(console.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn r36_a_list_that_is_cut_is_incomplete() {
    let console = console().await;
    for fault in [Fault::Cut(500), Fault::Break(500)] {
        console.fail(Api::Users, [fault.clone()]);
        let accounts = reader(&console).accounts().await.unwrap();
        assert!(
            !accounts.is_complete() && accounts.records.len() < 30,
            "{fault:?}"
        );
    }
    console.fail(Api::Groups, [Fault::Slow(Duration::ZERO), Fault::Cut(500)]);
    let groups = reader(&console).asset_groups().await.unwrap();
    assert!(!groups.is_complete() && groups.records.len() >= 100);
}

#[tokio::test]
async fn r36_a_restricted_list_is_incomplete() {
    let console = console().await;
    console.change(|options| options.shows_last_login = false);
    let accounts = reader(&console).accounts().await.unwrap();
    assert!(
        accounts.gaps[0].contains("last login of 30 of 30"),
        "{:?}",
        accounts.gaps
    );
    console.change(|options| {
        options.shows_last_login = true;
        options.users[3].login = None;
        options.users[0].login = Some(options.username.clone());
        options.users[0].role = Some("Unit Manager".to_owned());
    });
    let gaps = reader(&console).accounts().await.unwrap().gaps;
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(
        gaps[0].contains("Unit Manager") && gaps[1].contains("without a login"),
        "{gaps:?}"
    );
    console.change(|options| options.users.clear());
    assert!(!reader(&console).accounts().await.unwrap().is_complete());
}

#[tokio::test]
async fn r36_the_rbac_search_stands_in_where_the_user_list_is_refused() {
    let console = console().await;
    console.change(|options| options.page = 12);
    for fault in [
        Fault::Status(403, vec![], "<html>no</html>".to_owned()),
        Fault::Document(
            "<USER_LIST_OUTPUT><ERROR number=\"2012\">not authorized</ERROR></USER_LIST_OUTPUT>".to_owned(),
        ),
    ] {
        console.always(Api::Users, fault);
        let accounts = reader(&console).accounts().await.unwrap();
        assert_eq!(accounts.records.len(), 30);
        assert!(accounts.gaps[0].contains("RBAC search"), "{:?}", accounts.gaps);
        assert_eq!(accounts.records[0].last_login, LastLogin::NotVisible);
    }
    console.always(Api::Rbac, Fault::Status(403, vec![], String::new()));
    let error = reader(&console).accounts().await.unwrap_err();
    assert_eq!(error.exit_code(), 77, "{error}");
}

#[tokio::test]
async fn refused_credentials_are_said_at_once_and_the_password_is_not() {
    let console = console().await;
    let wrong = "a-wrong-password";
    let error = reader_as(&console, wrong, Duration::from_secs(20))
        .accounts()
        .await
        .unwrap_err();
    assert!(matches!(error, ReviewError::Credentials { .. }), "{error}");
    assert_eq!((error.exit_code(), console.requests()[&Api::Users]), (77, 1));
    let echo = format!(
        "<SIMPLE_RETURN><RESPONSE><CODE>2000</CODE><TEXT>bad {wrong}</TEXT></RESPONSE></SIMPLE_RETURN>"
    );
    console.always(Api::Users, Fault::Document(echo));
    console.change(|options| options.password = wrong.to_owned());
    let error = reader_as(&console, wrong, Duration::from_secs(20))
        .accounts()
        .await
        .unwrap_err();
    assert!(!error.to_string().contains(wrong), "{error}");
    let expired = "<!DOCTYPE GENERIC_RETURN SYSTEM \"generic_return.dtd\"><GENERIC_RETURN><RETURN status=\"FAILED\" \
                   number=\"2001\">Account Expired</RETURN></GENERIC_RETURN>";
    console.always(Api::Users, Fault::Document(expired.to_owned()));
    let error = reader_as(&console, wrong, Duration::from_secs(20))
        .accounts()
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 77, "{error}");
    assert!(error.to_string().contains("2001 Account Expired"), "{error}");
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_it_says() {
    let console = console().await;
    let limited = |code: u16, headers: Vec<(&'static str, String)>, number: u32, text: &str| {
        let document = format!(
            "<SIMPLE_RETURN><RESPONSE><CODE>{number}</CODE><TEXT>{text}</TEXT></RESPONSE></SIMPLE_RETURN>"
        );
        Fault::Status(code, headers, document)
    };
    let header = |seconds: &str| vec![("x-ratelimit-towait-sec", seconds.to_owned())];
    console.fail(
        Api::Users,
        [
            limited(409, header("1"), 1965, "limit"),
            limited(
                400,
                vec![],
                1965,
                "This API cannot be run again for another 1 seconds.",
            ),
            limited(429, header("1"), 0, ""),
        ],
    );
    let started = std::time::Instant::now();
    let accounts = reader(&console).accounts().await.unwrap();
    assert_eq!(accounts.records.len(), 30);
    assert!(started.elapsed() >= Duration::from_secs(3));
    // Longer than may be waited.
    console.fail(Api::Users, [limited(409, header("3000"), 1965, "limit")]);
    let error = reader(&console).accounts().await.unwrap_err();
    assert!(matches!(error, ReviewError::Limited { .. }), "{error}");
    assert_eq!(error.exit_code(), 69);
    // The concurrency limit without a header: a minute, which is longer than 20 s.
    console.fail(Api::Users, [limited(409, vec![], 1960, "concurrency")]);
    let error = reader(&console).accounts().await.unwrap_err();
    assert!(error.to_string().contains("wait 60 s"), "{error}");
}

#[tokio::test]
async fn pages_and_empty_answers_are_no_lists() {
    let console = console().await;
    for (fault, words) in [
        (Fault::Html, "Please log in to the proxy."),
        (Fault::Empty, "empty"),
        (Fault::Document("<b>&bomb;</b>".to_owned()), "entity `bomb`"),
        (Fault::Document("<OTHER/>".to_owned()), "<OTHER>"),
    ] {
        console.always(Api::Users, fault);
        let error = reader_as(&console, &Options::default().password, Duration::ZERO)
            .accounts()
            .await
            .unwrap_err();
        assert_eq!(error.exit_code(), 69, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_followed() {
    let console = console().await;
    for url in [
        "https://evil.example/api/2.0/fo/asset/group/?action=list&amp;id_min=5".to_owned(),
        format!(
            "{}/api/2.0/fo/asset/group/?action=delete&amp;ids=5",
            console.url()
        ),
        format!("{}/msp/user_list.php?action=list", console.url()),
        console.url().replace("http://", "http://me:you@") + "/api/2.0/fo/asset/group/?action=list",
    ] {
        let document = format!(
            "<ASSET_GROUP_LIST_OUTPUT><RESPONSE><ASSET_GROUP_LIST><ASSET_GROUP><ID>1</ID></ASSET_GROUP></ASSET_GROUP_LIST>\
             <WARNING><CODE>1980</CODE><URL>{url}</URL></WARNING></RESPONSE></ASSET_GROUP_LIST_OUTPUT>"
        );
        console.fail(Api::Groups, [Fault::Document(document)]);
        let groups = reader(&console).asset_groups().await.unwrap();
        assert_eq!(groups.records.len(), 1);
        assert!(groups.gaps[0].contains("not followed"), "{:?}", groups.gaps);
    }
}

#[tokio::test]
async fn pages_that_do_not_end_end_here() {
    let console = console().await;
    let url = format!(
        "{}/api/2.0/fo/asset/group/?action=list&amp;id_min=5",
        console.url()
    );
    let document = format!(
        "<ASSET_GROUP_LIST_OUTPUT><RESPONSE><WARNING><URL>{url}</URL></WARNING></RESPONSE></ASSET_GROUP_LIST_OUTPUT>"
    );
    console.always(Api::Groups, Fault::Document(document));
    let groups = reader(&console).asset_groups().await.unwrap();
    assert!(groups.gaps[0].contains("do not end"), "{:?}", groups.gaps);
    assert_eq!(console.requests()[&Api::Groups], 2);
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again() {
    let console = console().await;
    let busy = Fault::Status(503, vec![("retry-after", "1".to_owned())], String::new());
    console.fail(Api::Users, [busy, Fault::Break(0)]);
    let accounts = reader(&console).accounts().await.unwrap();
    assert!(accounts.is_complete());
    assert_eq!(console.requests()[&Api::Users], 3);
}
