//! Fuzzing of the gateway's answers: each leads to a decision, no asset is counted twice or lost,
//! no secret is shown.
//!
//! Compiled for the fuzzer and the tests alone. `tests/fuzz` generates the bytes; the test below
//! replays the corpus.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::answer::{BatchDecision, GatewayAnswer, decide};
use super::credentials::{SecretTexts, is_token};
use super::error::UpstreamError;
use super::refusal::{RefusalKind, RequestRefusal};
use super::request::BatchItem;
use super::run_record::RunRecord;
use super::search::{BatchOccasion, BatchSearch, RequestOutcome};
use super::sender::leaves_unclear;
use super::token::{self, NoToken};
use super::{BatchDelivery, text};
use crate::config::UpstreamAuth;

/// Secret with characters that JSON and forms write in more than one way.
const SECRET: &str = "s3cr+t/\"x&7";

/// Token of the ingest call.
const TOKEN: &str = "the.current.token";

/// Decides on answers, separated by NULs: the status (followed by `cut`, if the body broke off),
/// lines of headers, an empty line, the body. The first is also that of the token endpoint.
pub fn run(bytes: &[u8]) {
    let secrets = SecretTexts::new(&UpstreamAuth::Client {
        id: "id-of-the-client".into(),
        secret: SECRET.into(),
    });
    let mut answers: Vec<GatewayAnswer> = bytes.split(|byte| *byte == 0).filter_map(answer).collect();
    if let Some(first) = answers.first() {
        token_in(first.clone(), &secrets);
    }
    for answer in &mut answers {
        secrets.hide_in(answer, Some(TOKEN));
    }
    let items = items();
    for answer in &answers {
        decided(answer, &items);
    }
    delivered(answers, items);
}

fn answer(bytes: &[u8]) -> Option<GatewayAnswer> {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let first = str::from_utf8(lines.next()?).ok()?;
    let (status, cut) = first
        .strip_suffix(" cut")
        .map_or((first, false), |status| (status, true));
    let status = status
        .parse()
        .ok()
        .filter(|status| (100..1000).contains(status))?;
    let mut rest = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = HeaderName::from_bytes(line.get(..colon).unwrap_or_default());
        let value = HeaderValue::from_bytes(line.get(colon + 1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    Some(GatewayAnswer {
        status,
        headers,
        body: rest.to_vec(),
        cut,
    })
}

/// Returns three assets with ids of two kinds, one of which is written in capitals.
fn items() -> Vec<BatchItem> {
    let ids = [
        ("S-1-5-21-1", "aa-1"),
        ("S-1-5-21-2", "BB-2"),
        ("S-1-5-21-3", "cc-3"),
    ];
    ids.into_iter()
        .zip(1..)
        .map(|((external, vendor), seq)| BatchItem {
            seq,
            external_id: external.to_owned(),
            asset: format!(r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{external}","vendorAssetId":"{vendor}"}}}}}}"#).into(),
        })
        .collect()
}

fn decided(answer: &GatewayAnswer, items: &[BatchItem]) {
    let decision = decide(answer, items, now(), false);
    assert_eq!(decision, decide(answer, items, now(), false));
    let lenient = decide(answer, items, now(), true);
    let is_unknown = matches!(decision, BatchDecision::NotUnderstood { .. });
    assert!(lenient == decision || (is_unknown && lenient == BatchDecision::Accepted));
    assert!(!format!("{decision:?}").contains(TOKEN), "R27: {decision:?}");
    let success = (200..300).contains(&answer.status) && !answer.cut;
    match &decision {
        BatchDecision::Accepted => assert!(success, "R18"),
        BatchDecision::AcceptedExcept(rejected) => {
            assert!(success && !rejected.is_empty(), "R18");
            assert!(rejected.keys().all(|index| *index < items.len()));
            rejected.values().for_each(|reason| clean(reason));
        }
        BatchDecision::Wait { pause, reason } => {
            bounded(Some(*pause));
            clean(reason);
        }
        BatchDecision::Retry { pause, reason } => {
            bounded(*pause);
            clean(reason);
        }
        BatchDecision::NewToken { reason }
        | BatchDecision::Split { reason }
        | BatchDecision::NotUnderstood { reason }
        | BatchDecision::ProxyRefused { reason }
        | BatchDecision::Refused { reason }
        | BatchDecision::Final { reason, .. } => clean(reason),
    }
}

fn token_in(mut answer: GatewayAnswer, secrets: &SecretTexts) {
    match token::judge(&mut answer, secrets, now()) {
        Ok(token) => {
            let token = token.expose_secret();
            assert!((200..300).contains(&answer.status) && !answer.cut);
            assert!(!token.is_empty() && token.len() <= 16 << 10 && token.bytes().all(is_token));
        }
        Err(
            NoToken::Refused(reason)
            | NoToken::Final(reason)
            | NoToken::ProxyRefused(reason)
            | NoToken::Unusable(reason),
        ) => clean(&reason),
        // There was an answer.
        Err(NoToken::NoAnswer(none)) => assert_eq!(none.reason, ""),
        Err(NoToken::Wait(pause, reason)) => {
            bounded(Some(pause));
            clean(&reason);
        }
        Err(NoToken::Retry(pause, reason)) => {
            bounded(pause);
            clean(&reason);
        }
    }
}

/// Delivers one batch, answer after answer, without the waits between them.
fn delivered(answers: Vec<GatewayAnswer>, items: Vec<BatchItem>) {
    let all: BTreeSet<u64> = items.iter().map(|item| item.seq).collect();
    let record = RunRecord::default();
    let mut answers = answers.into_iter();
    let mut delivery = BatchDelivery::default();
    for occasion in [BatchOccasion::First, BatchOccasion::Postponed] {
        let mut search = BatchSearch::new(items.clone(), occasion, &record);
        delivery.failure = search_through(&mut search, &mut answers, &record, &mut delivery).err();
        if !std::mem::take(&mut delivery.postponed) {
            break;
        }
        assert!(delivery.accepted.is_empty() && delivery.rejected.is_empty());
    }
    let rejected: BTreeSet<u64> = delivery.rejected.iter().map(|(seq, _)| *seq).collect();
    let accepted: BTreeSet<u64> = delivery.accepted.iter().copied().collect();
    let counted = delivery.accepted.len() + delivery.rejected.len();
    assert_eq!(accepted.union(&rejected).count(), counted, "none twice");
    assert!(
        accepted.union(&rejected).all(|seq| all.contains(seq)),
        "none that was not sent"
    );
    assert_eq!(delivery.failure.is_none(), counted == all.len(), "none lost");
    assert!(delivery.unclear.iter().all(|seq| rejected.contains(seq)));
    delivery.rejected.iter().for_each(|(_, reason)| clean(reason));
}

/// Continues the search until its end. It ends with an error when no answer is left.
fn search_through(
    search: &mut BatchSearch,
    answers: &mut impl Iterator<Item = GatewayAnswer>,
    record: &RunRecord,
    delivery: &mut BatchDelivery,
) -> Result<(), UpstreamError> {
    while let Some(request) = search.next(record, delivery)? {
        let (mut unclear, mut failures) = (false, 0);
        let outcome = loop {
            let answer = answers.next().ok_or(UpstreamError::Stopped {
                reason: "no answer is left",
            })?;
            let decision = decide(&answer, &request.items, now(), false);
            unclear |= leaves_unclear(&decision, answer.status);
            let refusal = |kind, reason: String| RequestRefusal { kind, reason };
            let assets = request.items.len();
            match decision {
                BatchDecision::Accepted => break RequestOutcome::Accepted,
                BatchDecision::AcceptedExcept(reasons) => break RequestOutcome::Except(reasons),
                BatchDecision::Split { reason } => {
                    record.refused(&refusal(RefusalKind::Content, reason.clone()), assets)?;
                    break RequestOutcome::TooLarge(reason, None);
                }
                BatchDecision::Refused { reason } => {
                    let refusal = refusal(RefusalKind::Content, reason);
                    record.refused(&refusal, assets)?;
                    break RequestOutcome::Refused(refusal);
                }
                BatchDecision::ProxyRefused { reason } => return Err(UpstreamError::ProxyRefused { reason }),
                BatchDecision::Final { reason, denied } => {
                    let refusal = refusal(RefusalKind::Way { denied }, reason);
                    record.refused(&refusal, assets)?;
                    break RequestOutcome::Refused(refusal);
                }
                BatchDecision::Retry { pause: None, reason } | BatchDecision::NotUnderstood { reason } => {
                    let refusal = refusal(RefusalKind::Failing, reason);
                    record.refused(&refusal, assets)?;
                    failures += 1;
                    if failures >= request.attempts {
                        break RequestOutcome::Refused(refusal);
                    }
                }
                BatchDecision::Wait { .. } | BatchDecision::NewToken { .. } | BatchDecision::Retry { .. } => {
                }
            }
        };
        search.ended(outcome, unclear, record, delivery)?;
    }
    Ok(())
}

/// Asserts that a reason is one line of bounded length, not empty, and without a secret.
fn clean(reason: &str) {
    assert!(!reason.is_empty() && reason.chars().count() < 1200, "{reason}");
    assert!(!reason.contains(char::is_control), "{reason:?}");
    assert!(!reason.contains(SECRET), "R27: {reason}");
    assert_eq!(text::line(reason, 2000), reason.trim());
}

fn bounded(pause: Option<Duration>) {
    let hour = Duration::from_secs(3600);
    assert!(
        pause.is_none_or(|pause| (Duration::from_secs(1)..=hour).contains(&pause)),
        "{pause:?}"
    );
}

/// Returns Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

#[test]
fn r18_what_the_fuzzer_kept() {
    crate::fuzzing::replay("answer", run);
}
