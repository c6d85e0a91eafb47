//! Table of docs/operations.md: every class of answer, and the reaction of the connector.
//! `UPDATE_REFERENCE=1 cargo test --lib upstream::answer_table` rewrites it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use super::answer::{BatchDecision, GatewayAnswer, decide};
use super::credentials::SecretTexts;
use super::request::BatchItem;
use super::token::{self, NoToken};
use crate::config::UpstreamAuth;

const PAGE: &str = "docs/operations.md";
const BEGIN: &str = "<!-- begin of the table of answers -->\n";
const END: &str = "<!-- end of the table of answers -->\n";

const SUCCESS: &str = r#"{"message":"m","responseCode":"SUCCESSFULLY_PUBLISHED","assetsError":{}}"#;

/// Classes of bodies of a 2xx, each with examples that must lead to the same decision.
const BODIES: [(&[u16], &str, &[&str]); 11] = [
    (&[202, 204], "none", &["", " \r\n"]),
    (&[200, 201, 203, 205, 206, 299], "none", &["", " \r\n"]),
    (
        &[200, 201, 202, 299],
        "a `responseCode` of success, or an `assetsError` that is present and empty, and nothing that speaks of a failure",
        &[SUCCESS, r#"{"responseCode":"SUCCESS"}"#, r#"{"assetsError":[]}"#],
    ),
    (
        &[200, 202, 207],
        "an `assetsError` that names assets of the batch, and no failure of the whole",
        &[
            r#"{"assetsError":{"S-1":"bad"}}"#,
            r#"{"responseCode":"PARTIALLY_PUBLISHED","assetsError":[{"externalAssetId":"S-1"}]}"#,
            r#"{"data":{"assetsError":{"S-1":"bad"}}}"#,
        ],
    ),
    (
        &[200, 202],
        "beside a success, another list of errors that names assets of the batch",
        &[r#"{"responseCode":"SUCCESS","failedAssets":{"S-1":"bad"}}"#],
    ),
    (
        &[200, 202, 207],
        "an `assetsError` or a list of errors that names something else",
        &[
            r#"{"assetsError":{"S-9":"bad"}}"#,
            r#"{"responseCode":"SUCCESS","failedAssets":["S-9"]}"#,
            r#"{"assetsError":"all"}"#,
        ],
    ),
    (
        &[200, 202, 207],
        "`INVALID_CREDENTIALS`, 2001, or another whole code of the account or its token",
        &[
            r#"{"responseCode":"INVALID_CREDENTIALS"}"#,
            r#"{"errorCode":2001}"#,
            r#"{"code":"TOKEN_EXPIRED"}"#,
        ],
    ),
    (
        &[200, 201, 202],
        "anything that speaks of a failure, also beside a success: a code, `status`, `success`, `fault`, `errors`, at any depth",
        &[
            r#"{"responseCode":"UNEXPECTED_TOKEN"}"#,
            r#"{"status":"FAILED"}"#,
            r#"{"success":false}"#,
            r#"{"fault":{"faultstring":"no"}}"#,
            r#"{"responseCode":"SUCCESS","errors":["no"]}"#,
            r#"{"responseCode":"SUCCESS","data":[{"status":"FAILED"}]}"#,
        ],
    ),
    (&[207], "names no asset", &["", "{}", SUCCESS, "<html>"]),
    (
        &[200, 201, 202],
        "nothing that is known: other JSON, a text, a document",
        &[
            "{}",
            "[]",
            "OK",
            r#"{"message":"thank you"}"#,
            "<ServiceResponse/>",
        ],
    ),
    (
        &[200, 201, 202],
        "a page for people, broken JSON, a text that speaks of a failure",
        &[
            "<html><body>Log in</body></html>",
            r#"{"responseCode":"SUC"#,
            "ERROR: no",
        ],
    ),
];

/// Bodies that make no difference for other statuses.
const ANY: [&str; 4] = ["", SUCCESS, r#"{"message":"no"}"#, "<html>no</html>"];

fn answer(status: u16, body: &str) -> GatewayAnswer {
    GatewayAnswer {
        status,
        body: body.as_bytes().to_vec(),
        ..GatewayAnswer::default()
    }
}

fn decided(answer: &GatewayAnswer, accept_unknown: bool) -> BatchDecision {
    let item = |number: u64| BatchItem {
        seq: number,
        external_id: format!("S-{number}"),
        asset: "{}".into(),
    };
    decide(
        answer,
        &[item(1), item(2)],
        SystemTime::UNIX_EPOCH,
        accept_unknown,
    )
}

/// Reaction of the connector to a decision.
fn reaction(decision: &BatchDecision) -> &'static str {
    match decision {
        BatchDecision::Accepted => "accepted",
        BatchDecision::AcceptedExcept(_) => {
            "the assets named are rejected, each with its reason, and tried again by the next run (code 2); the others are accepted"
        }
        BatchDecision::Wait { .. } => {
            "all requests wait `X-RateLimit-ToWait-Sec`, else `Retry-After`, else 60 s (1 s to 1 h); then the same request again"
        }
        BatchDecision::NewToken { .. } => {
            "one new token, then the same request again; refused again: the run ends (77), nothing is rejected"
        }
        BatchDecision::Split { .. } => {
            "halved at once, down to a single asset, which is rejected when it alone is too large; later batches are smaller"
        }
        BatchDecision::Retry { .. } => {
            "the same request again after `Retry-After`, else a growing pause; where it fails each time, as a refused batch"
        }
        BatchDecision::NotUnderstood { .. } => {
            "not accepted: the same request again; where it comes each time, as a refused batch; for every batch: the run ends (69) with \
             the first words of the answer"
        }
        BatchDecision::Refused { .. } => {
            "a refused batch: halved until the assets that are the cause are found and rejected; for every batch: the run ends (69), \
             nothing is rejected"
        }
        BatchDecision::ProxyRefused { .. } => {
            "the proxy requires a log-in: the run ends at once (77), nothing is rejected"
        }
        BatchDecision::Final { denied: true, .. } => {
            "as a refused batch, while others are accepted; while nothing is: two single assets are tried, then the run ends (77), \
             nothing is rejected"
        }
        BatchDecision::Final { denied: false, .. } => {
            "as a refused batch, while others are accepted; while nothing is: two single assets are tried, then the run ends (69), \
             nothing is rejected"
        }
    }
}

/// Returns the reaction to an answer of the token endpoint.
fn token_reaction(status: u16, body: &str) -> &'static str {
    let secrets = SecretTexts::new(&UpstreamAuth::Client {
        id: "id-of-the-client".into(),
        secret: "secret-of-it".into(),
    });
    match token::judge(&mut answer(status, body), &secrets, SystemTime::UNIX_EPOCH) {
        Ok(_) => "the token is used for 3.5 h",
        Err(NoToken::Refused(_)) => "the credentials are refused: the run ends at once (77)",
        Err(NoToken::Final(_)) => "no token endpoint: the run ends at once (69)",
        Err(NoToken::Wait(..)) => {
            "all requests wait `X-RateLimit-ToWait-Sec`, else `Retry-After`, else 60 s (1 s to 1 h); then asked again"
        }
        Err(NoToken::ProxyRefused(_)) => "the proxy requires a log-in: the run ends at once (77)",
        Err(NoToken::Retry(..) | NoToken::Unusable(_) | NoToken::NoAnswer(_)) => {
            "asked again after `Retry-After`, else a growing pause, until `QUALYS_GIVE_UP_AFTER` (69)"
        }
    }
}

/// Formats ordered statuses as ranges: `100–103, 300`.
fn ranges(statuses: &BTreeSet<u16>) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in statuses {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *status => *last = *status,
            _ => ranges.push((*status, *status)),
        }
    }
    let range = |(first, last): &(u16, u16)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

/// Groups all statuses but 2xx by what is done after them.
fn others(reaction: impl Fn(u16, &str) -> &'static str) -> Vec<(String, &'static str)> {
    let mut groups: Vec<(&'static str, BTreeSet<u16>)> = Vec::new();
    for status in (100..600).filter(|status| !(200..300).contains(status)) {
        let reactions: BTreeSet<&str> = ANY.iter().map(|body| reaction(status, body)).collect();
        assert_eq!(reactions.len(), 1, "{status}: the body makes a difference");
        for done in reactions {
            match groups.iter_mut().find(|(known, _)| *known == done) {
                Some((_, statuses)) => {
                    statuses.insert(status);
                }
                None => groups.push((done, BTreeSet::from([status]))),
            }
        }
    }
    groups
        .iter()
        .map(|(done, statuses)| (ranges(statuses), *done))
        .collect()
}

fn table() -> String {
    let mut table = String::from("| Status | Body | What the connector does |\n|---|---|---|\n");
    for (statuses, body, examples) in BODIES {
        let mut reactions = BTreeSet::new();
        for status in statuses {
            for example in examples {
                let answer = answer(*status, example);
                let decision = decided(&answer, false);
                let may_be_taken = match (&decision, decided(&answer, true)) {
                    (BatchDecision::NotUnderstood { .. }, BatchDecision::Accepted) => {
                        "; `QUALYS_ACCEPT_UNKNOWN=true`: accepted"
                    }
                    _ => "",
                };
                reactions.insert(format!("{}{may_be_taken}", reaction(&decision)));
            }
        }
        assert_eq!(reactions.len(), 1, "{body}: {reactions:?}");
        let statuses = match statuses {
            [200, 201, 202] | [200, 201, 202, 299] => "2xx but 207".to_owned(),
            [200, 202, 207] => "2xx".to_owned(),
            [200, 202] => "2xx but 207".to_owned(),
            [200, ..] => "2xx but 202, 204, 207".to_owned(),
            few => ranges(&few.iter().copied().collect()),
        };
        for reaction in reactions {
            table.push_str(&format!("| {statuses} | {body} | {reaction} |\n"));
        }
    }
    let cut = GatewayAnswer {
        cut: true,
        ..answer(200, SUCCESS)
    };
    table.push_str(&format!(
        "| 2xx | too long, or broken off | {} |\n",
        reaction(&decided(&cut, true))
    ));
    for (statuses, done) in others(|status, body| reaction(&decided(&answer(status, body), true))) {
        table.push_str(&format!("| {statuses} | any | {done} |\n"));
    }
    table.push_str("\nThe same for the request for a token:\n\n| Status | Body | What the connector does |\n|---|---|---|\n");
    let tokens = [
        ("a token: plain, or as JSON", "eyJh.eyJz.c2ln"),
        (
            "a code of a refused account",
            r#"{"responseCode":"INVALID_CREDENTIALS"}"#,
        ),
        ("a page for people; the message states it", "<html>Log in</html>"),
        ("anything else", r#"{"message":"no"}"#),
    ];
    for (body, example) in tokens {
        let done = token_reaction(200, example);
        table.push_str(&format!("| 2xx | {body} | {done} |\n"));
    }
    for (statuses, done) in others(token_reaction) {
        table.push_str(&format!("| {statuses} | any | {done} |\n"));
    }
    table
}

#[test]
fn r19_operations_has_every_class_of_answer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = table();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "UPDATE_REFERENCE=1 cargo test --lib upstream::answer_table"
    );
}
