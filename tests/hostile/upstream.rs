//! What a gateway answers: bounded in time and memory, told for what it is, and nothing of what was read is lost.

use super::gateway::{From, Gateway, Raw, gzip_bomb, page};
use super::support::simulated::Simulated;
use super::{SOON, assert_bounded};

/// Why the receiver did not count everything.
const ELSEWHERE: &str = "hostile gateways answered some of its runs";

/// QUALYS_TIMEOUT is 2 s, and the first wait between two attempts is more than QUALYS_GIVE_UP_AFTER.
async fn impatient() -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("QUALYS_TIMEOUT", "2s");
    lab.set("QUALYS_GIVE_UP_AFTER", "100ms");
    lab.connector.unaudited(ELSEWHERE);
    lab
}

/// What is hostile at either place, with what is to be said about it.
fn answers() -> Vec<(Raw, &'static str)> {
    let blanks = vec![b' '; 1 << 16];
    vec![
        (Raw::Silence, "no answer in time"),
        (
            Raw::Drip(b"HTTP/1.1 200 OK\r\nServer: slow\r\n\r\n"),
            "no answer in time",
        ),
        (
            Raw::Endless(b"HTTP/1.1 200 OK\r\n\r\n", blanks.clone()),
            "too long",
        ),
        (
            Raw::Endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", blanks),
            "too long",
        ),
        (
            Raw::Endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                [b"400\r\n".as_slice(), &[b' '; 1 << 10], b"\r\n"].concat(),
            ),
            "too long",
        ),
        (
            Raw::Endless(b"HTTP/1.1 200 OK\r\n", b"X-And: so on\r\n".repeat(1 << 12)),
            "message head is too large",
        ),
        (
            Raw::Endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"and so on ".repeat(1 << 12)),
            "message head is too large",
        ),
        (Raw::Often(b"HTTP/1.1 100 Continue\r\n\r\n"), "no answer in time"),
        (
            Raw::Often(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
            "no answer in time",
        ),
        (gzip_bomb(), "too long"),
        (
            Raw::Endless(b"SSH-2.0-OpenSSH_9.6\r\n", vec![0; 1 << 12]),
            "invalid HTTP",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_hostile_ingest_call_is_bounded_and_nothing_is_lost() {
    let mut lab = impatient().await;
    let receiver = lab.receiver.url();
    let errors = r#"{"externalAssetId":"S-1-5-21-0","message":"no"},"#.repeat(1_000_000);
    let own = [
        (
            Raw::Drip(b"HTTP/1.1 200 OK\r\n\r\n{\"message\":\"thank you\"}"),
            "no answer in time",
        ),
        (page(&b"[".repeat(1 << 20)), "not what the gateway sends"),
        (
            page(&[b"{\"a\":".repeat(1 << 17), b"0".to_vec()].concat()),
            "not what the gateway sends",
        ),
        (
            page(format!(r#"{{"assetsError":[{errors}0]}}"#).as_bytes()),
            "too long",
        ),
    ];
    for (raw, word) in answers().into_iter().chain(own) {
        let gateway = Gateway::start(From::Ingest, raw).await;
        lab.set("QUALYS_GATEWAY_URL", &gateway.url);
        eprintln!("{word}");
        assert_bounded(&lab, &["sync"], 69, &["gave up", word], SOON).await;
        assert!(gateway.connections() >= 2, "a token, and the batch");
    }
    lab.set("QUALYS_GATEWAY_URL", &receiver);
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_hostile_token_endpoint_is_bounded_and_nothing_is_lost() {
    let mut lab = impatient().await;
    let receiver = lab.receiver.url();
    let own = [
        (
            Raw::Drip(b"HTTP/1.1 200 OK\r\n\r\nthe.token.drips"),
            "no answer in time",
        ),
        (page(&b"[".repeat(30_000)), "too long for a token"),
        (page(&b"[".repeat(10_000)), "characters that no token has"),
        (
            page(b"<!DOCTYPE html><html><body>Log in to the proxy.</body></html>"),
            "a page for people and no token",
        ),
    ];
    for (raw, word) in answers().into_iter().chain(own) {
        let gateway = Gateway::start(From::Token, raw).await;
        lab.set("QUALYS_GATEWAY_URL", &gateway.url);
        eprintln!("{word}");
        for command in ["check", "sync"] {
            assert_bounded(&lab, &[command], 69, &["/auth/oidc", word], SOON).await;
        }
    }
    lab.set("QUALYS_GATEWAY_URL", &receiver);
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_redirect_takes_the_token_elsewhere() {
    let mut lab = impatient().await;
    let receiver = lab.receiver.url();
    let elsewhere = Gateway::start(From::Token, page(b"the.other.key")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!(
            "HTTP/1.1 {status} Go\r\nLocation: {}/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url
        );
        let raw = Raw::Once(to.into_bytes());
        for (from, code) in [(From::Ingest, 69), (From::Token, 69)] {
            let gateway = Gateway::start(from, raw.clone()).await;
            lab.set("QUALYS_GATEWAY_URL", &gateway.url);
            let words = ["redirected to 127.0.0.1", "not followed", "QUALYS_GATEWAY_URL"];
            let outcome = assert_bounded(&lab, &["sync"], code, &words, SOON).await;
            assert!(!outcome.text().contains("the.raw.key"), "{}", outcome.text());
        }
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    lab.set("QUALYS_GATEWAY_URL", &receiver);
    lab.sync(0).await;
    lab.assert_converged();
}

/// The most that is read of an answer, filled with what becomes largest in memory: values of two octets.
#[tokio::test(flavor = "multi_thread")]
async fn r20_a_list_of_errors_that_is_as_long_as_may_be() {
    let people = lab::simulator::People {
        users: 470,
        ..super::support::simulated::PEOPLE
    };
    let mut lab = Simulated::of(people).await;
    lab.set("QUALYS_TIMEOUT", "20s");
    lab.set("QUALYS_GIVE_UP_AFTER", "100ms");
    lab.unset("QUALYS_BATCH_ASSETS");
    lab.connector.unaudited(ELSEWHERE);
    let receiver = lab.receiver.url();
    // 1 MiB and 4 KiB for each of 500 assets.
    let room = (1 << 20) + 500 * (4 << 10) - 100;
    let fill = |open: &str, one: &str, close: &str| {
        let many = one.repeat((room - open.len() - close.len()) / one.len());
        page(format!("{open}{many}{close}").as_bytes())
    };
    for raw in [
        fill(r#"{"assetsError":["#, "0,", "0]}"),
        fill(r#"{"assetsError":["#, "[],", "0]}"),
        fill(r#"{"x":{"#, "\"\":{},", "\"\":0}}"),
        // To be hidden a million times.
        fill(r#"{"error":""#, "eyJ ", "\"}"),
    ] {
        let gateway = Gateway::start(From::Ingest, raw).await;
        lab.set("QUALYS_GATEWAY_URL", &gateway.url);
        assert_bounded(&lab, &["sync"], 69, &["not what the gateway sends"], SOON).await;
    }
    // With a reason for each asset, as long as it may be.
    let ids: Vec<String> = lab.expected().into_keys().collect();
    let every = |reason: &str| {
        let errors = ids
            .iter()
            .map(|id| format!(r#""{id}":{reason}"#))
            .collect::<Vec<_>>()
            .join(",");
        page(format!(r#"{{"assetsError":{{{errors}}}}}"#).as_bytes())
    };
    let long = format!("\"{}\"", "no ".repeat(1300));
    for reason in [long.as_str(), r#"{"errorCode":"E7","message":"no"}"#] {
        let gateway = Gateway::start(From::Ingest, every(reason)).await;
        lab.set("QUALYS_GATEWAY_URL", &gateway.url);
        let outcome = assert_bounded(&lab, &["sync"], 2, &["no"], SOON).await;
        assert_eq!(
            outcome.text().matches("The gateway rejected the asset").count(),
            500
        );
    }
    lab.set("QUALYS_GATEWAY_URL", &receiver);
    lab.sync(0).await;
    lab.assert_converged();
}
