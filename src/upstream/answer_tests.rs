use proptest::prelude::*;
use serde_json::json;

use super::*;

fn items() -> Vec<BatchItem> {
    (1..=3)
        .map(|seq| {
            let external_id = format!("S-1-5-21-{seq}");
            let asset = json!({"asset": {"assetHeader": {"externalAssetId": external_id}}}).to_string();
            BatchItem {
                seq,
                external_id,
                asset: asset.into(),
            }
        })
        .collect()
}

fn answer(status: u16, body: impl ToString) -> GatewayAnswer {
    GatewayAnswer {
        status,
        body: body.to_string().into_bytes(),
        ..GatewayAnswer::default()
    }
}

fn decided(answer: &GatewayAnswer) -> BatchDecision {
    decide(answer, &items(), SystemTime::UNIX_EPOCH, false)
}

/// Returns the name of a decision, for tables.
fn class(decision: &BatchDecision) -> &'static str {
    match decision {
        BatchDecision::Accepted => "accepted",
        BatchDecision::AcceptedExcept(_) => "except",
        BatchDecision::Wait { .. } => "wait",
        BatchDecision::NewToken { .. } => "token",
        BatchDecision::Split { .. } => "split",
        BatchDecision::Retry { .. } => "retry",
        BatchDecision::NotUnderstood { .. } => "unknown",
        BatchDecision::ProxyRefused { .. } => "proxy",
        BatchDecision::Refused { .. } => "refused",
        BatchDecision::Final { .. } => "final",
    }
}

#[test]
fn r19_each_status_has_its_class() {
    let cases: &[(&[u16], &str)] = &[
        (&[202, 204], "accepted"),
        (&[200, 201, 203, 205, 206, 226, 299], "unknown"),
        (&[401], "token"),
        (&[409, 429], "wait"),
        (&[413], "split"),
        (&[400, 422], "refused"),
        (&[408, 425, 500, 502, 503, 504, 529, 599], "retry"),
        (
            &[
                100, 103, 300, 301, 302, 304, 307, 308, 402, 403, 404, 405, 406, 410, 415, 451, 600,
            ],
            "final",
        ),
        (&[407], "proxy"),
        // 207 means "partial", so an empty one is not an acceptance.
        (&[207], "refused"),
    ];
    for (statuses, expected) in cases {
        for status in *statuses {
            assert_eq!(class(&decided(&answer(*status, ""))), *expected, "{status}");
        }
    }
}

#[test]
fn r19_a_2xx_is_what_its_body_says() {
    let ok = json!({"message": "m", "responseCode": "SUCCESSFULLY_PUBLISHED", "assetsError": {}});
    let published = |key: &str, value: Value| json!({"responseCode": "SUCCESSFULLY_PUBLISHED", key: value});
    let partial = |errors: Value| json!({"responseCode": "PARTIALLY_PUBLISHED", "assetsError": errors});
    let cases: Vec<(u16, Value, &str)> = vec![
        (200, ok.clone(), "accepted"),
        (201, ok.clone(), "accepted"),
        (202, ok, "accepted"),
        (200, json!({"assetsError": {}}), "accepted"),
        (200, json!({"assetsError": []}), "accepted"),
        (200, json!({"responseCode": "SUCCESS"}), "accepted"),
        (200, json!({"responseCode": "Accepted"}), "accepted"),
        (200, json!({"responseCode": 200}), "accepted"),
        (200, published("assetsError", Value::Null), "accepted"),
        (200, published("errors", json!([])), "accepted"),
        (200, published("errorCode", json!(0)), "accepted"),
        (200, published("errorMessage", json!("")), "accepted"),
        (200, published("failedCount", json!(0)), "accepted"),
        (200, published("success", json!(true)), "accepted"),
        // The answer repeats what was sent.
        (
            200,
            published("assetData", json!([{"asset": {"status": "failed"}}])),
            "accepted",
        ),
        // Nothing known.
        (200, json!({}), "unknown"),
        (202, json!({}), "unknown"),
        (200, json!({"assetsError": null}), "unknown"),
        (200, json!({"message": "All assets are submitted."}), "unknown"),
        (200, json!({"success": true}), "unknown"),
        (200, json!({"status": "SUCCESS"}), "unknown"),
        (200, json!({"responseCode": "RECEIVED"}), "unknown"),
        (200, json!({"data": {"responseCode": "SUCCESS"}}), "unknown"),
        (200, json!({"data": {"assetsError": {}}}), "unknown"),
        (200, json!({"errors": []}), "unknown"),
        (200, json!([]), "unknown"),
        (200, json!(null), "unknown"),
        (200, json!("OK"), "unknown"),
        // Failures, in any form and at any depth.
        (200, json!({"status": "FAILED"}), "refused"),
        (200, json!({"success": false}), "refused"),
        (200, json!({"ok": "false"}), "refused"),
        (200, json!({"fault": {"faultstring": "no"}}), "refused"),
        (200, json!({"statusCode": 500}), "refused"),
        (
            200,
            json!({"type": "about:blank", "title": "no", "status": 400}),
            "refused",
        ),
        (200, json!({"error": "something"}), "refused"),
        (200, json!({"errors": ["something"]}), "refused"),
        (200, json!([{"error": "something"}]), "refused"),
        (200, json!({"result": {"state": "REJECTED"}}), "refused"),
        (200, json!({"responseCode": 2002}), "refused"),
        (200, json!({"responseCode": "UNSUCCESSFUL"}), "refused"),
        (200, json!({"responseCode": "PARTIAL_SUCCESS"}), "refused"),
        (200, json!({"responseCode": "SUCCESS_WITH_ERRORS"}), "refused"),
        (
            200,
            json!({"responseCode": "NOT_PUBLISHED", "message": "m"}),
            "refused",
        ),
        (
            200,
            json!({"responseCode": "INTERNAL_ERROR", "message": "m"}),
            "refused",
        ),
        (200, json!({"responseCode": "UNEXPECTED_TOKEN"}), "refused"),
        (200, json!({"responseCode": "INVALID_ACCOUNT_CLASS"}), "refused"),
        // … beside a code of success.
        (200, published("errors", json!(["something"])), "refused"),
        (200, published("errorCode", json!("E7")), "refused"),
        (200, published("failedAssets", json!(3)), "refused"),
        (
            200,
            published("data", json!({"items": [{"status": "FAILED"}]})),
            "refused",
        ),
        (200, published("failedAssets", json!(["S-1-5-21-9"])), "refused"),
        (
            200,
            published("data", json!({"assetsError": {"S-1-5-21-9": "bad"}})),
            "refused",
        ),
        (
            200,
            json!({"responseCode": "FAILED", "assetsError": {"S-1-5-21-2": "bad"}}),
            "refused",
        ),
        // The account.
        (200, json!({"responseCode": "INVALID_CREDENTIALS"}), "token"),
        (
            200,
            json!({"errorCode": 2001, "message": "account expired"}),
            "token",
        ),
        (200, json!({"code": "2001"}), "token"),
        (200, json!({"responseCode": "TOKEN_EXPIRED"}), "token"),
        // Single assets.
        (200, json!({"assetsError": {"S-1-5-21-2": "bad"}}), "except"),
        (207, json!({"assetsError": {"S-1-5-21-2": "bad"}}), "except"),
        (200, json!({"ASSETSERROR": {"S-1-5-21-2": "bad"}}), "except"),
        (200, partial(json!({"S-1-5-21-2": "bad"})), "except"),
        (
            200,
            json!({"data": {"assetsError": {"S-1-5-21-2": "bad"}}}),
            "except",
        ),
        (
            200,
            published("failedAssets", json!({"S-1-5-21-2": "bad"})),
            "except",
        ),
        (
            200,
            published("errors", json!([{"externalAssetId": "S-1-5-21-2"}])),
            "except",
        ),
        (
            200,
            json!({"responseCode": "FAILED", "assetsError": {"S-1-5-21-1": "a", "S-1-5-21-2": "b", "S-1-5-21-3": "c"}}),
            "except",
        ),
        (
            207,
            json!({"responseCode": "SUCCESSFULLY_PUBLISHED", "assetsError": {}}),
            "refused",
        ),
        (207, json!({"assetsError": {"S-1-5-21-9": "bad"}}), "refused"),
        (200, partial(json!({})), "refused"),
        (200, json!({"assetsError": "all of them"}), "refused"),
    ];
    let texts = [
        (200, "  \r\n", "unknown"),
        (202, "  \r\n", "accepted"),
        (207, "<html>", "refused"),
        (200, "<html>log in</html>", "unknown"),
        (200, "OK", "unknown"),
        (200, r#"{"responseCode":"SUCCESSFULLY_PUB"#, "unknown"),
    ];
    let texts = texts.map(|(status, body, expected)| (status, body.to_owned(), expected));
    let cases = cases
        .into_iter()
        .map(|(status, body, expected)| (status, body.to_string(), expected));
    for (status, body, expected) in cases.chain(texts) {
        assert_eq!(
            class(&decided(&answer(status, &body))),
            expected,
            "{status} {body}"
        );
    }
}

#[test]
fn r18_accept_unknown_takes_what_says_nothing_known_and_nothing_else() {
    let lenient = |answer: &GatewayAnswer| class(&decide(answer, &items(), SystemTime::UNIX_EPOCH, true));
    let accepted = [
        "",
        "OK",
        "{}",
        "[]",
        "null",
        r#"{"status":"QUEUED"}"#,
        "<ServiceResponse><id>7</id></ServiceResponse>",
    ];
    for body in accepted {
        assert_eq!(class(&decided(&answer(200, body))), "unknown", "{body}");
        assert_eq!(lenient(&answer(200, body)), "accepted", "{body}");
    }
    let others = [
        ("<!DOCTYPE html><html><body>Log in</body></html>", "unknown"),
        (r#"{"responseCode":"SUCCESSFULLY_PUB"#, "unknown"),
        ("ERROR: no", "unknown"),
        ("<ServiceResponse><responseCode>INVALID_REQUEST", "unknown"),
        ("false", "unknown"),
        (r#"{"status":"FAILED"}"#, "refused"),
        (r#"{"assetsError":{"S-1-5-21-9":"bad"}}"#, "refused"),
    ];
    for (body, expected) in others {
        assert_eq!(lenient(&answer(200, body)), expected, "{body}");
    }
    let cut = GatewayAnswer {
        cut: true,
        ..answer(200, "OK")
    };
    assert_eq!(lenient(&cut), "retry");
    assert_eq!(lenient(&answer(500, "OK")), "retry");
}

#[test]
fn r18_a_problem_document_is_a_failure_whatever_the_status() {
    let mut problem = answer(200, json!({"title": "no"}));
    problem
        .headers
        .insert(CONTENT_TYPE, "application/problem+json".parse().unwrap());
    assert_eq!(class(&decided(&problem)), "refused");
}

#[test]
fn r18_what_is_not_understood_is_reported_with_its_first_words() {
    for (body, words) in [
        ("", "it is empty"),
        (r#"{"message":"thanks"}"#, "thanks"),
        ("<html><title>Blocked</title>", "a page, not JSON: Blocked"),
    ] {
        let BatchDecision::NotUnderstood { reason } = decided(&answer(200, body)) else {
            panic!("{body} is understood")
        };
        assert!(reason.ends_with(words), "{reason}");
    }
}

#[test]
fn r18_a_body_that_broke_off_is_no_acceptance() {
    let cut = GatewayAnswer {
        cut: true,
        ..answer(200, json!({"responseCode": "SUCCESSFULLY_PUBLISHED"}))
    };
    assert_eq!(class(&decided(&cut)), "retry");
    let cut_and_empty = GatewayAnswer {
        cut: true,
        ..answer(200, "")
    };
    assert_eq!(class(&decided(&cut_and_empty)), "retry");
    let cut_error = GatewayAnswer {
        cut: true,
        ..answer(429, "")
    };
    assert_eq!(class(&decided(&cut_error)), "wait");
}

#[test]
fn r19_rejected_assets_are_named_by_their_place() {
    let body = json!({"assetsError": {"S-1-5-21-3": "bad mail", "S-1-5-21-1": ["bad name"]}});
    let expected = BTreeMap::from([(0, "bad name".to_owned()), (2, "bad mail".to_owned())]);
    assert_eq!(
        decided(&answer(207, body)),
        BatchDecision::AcceptedExcept(expected)
    );
}

#[test]
fn r19_waits_are_taken_from_the_headers() {
    let with = |status, name: &'static str, value: &'static str| {
        let mut answer = answer(status, "");
        answer.headers.insert(name, value.parse().unwrap());
        decided(&answer)
    };
    let reason = |status: u16| format!("status {status}");
    let wait = |status, s| BatchDecision::Wait {
        pause: Duration::from_secs(s),
        reason: reason(status),
    };
    assert_eq!(with(409, "x-ratelimit-towait-sec", "300"), wait(409, 300));
    assert_eq!(with(429, "retry-after", "5"), wait(429, 5));
    assert_eq!(with(429, "retry-after", "whenever"), wait(429, 60));
    let retry = |status, pause| BatchDecision::Retry {
        pause,
        reason: reason(status),
    };
    assert_eq!(
        with(503, "retry-after", "5"),
        retry(503, Some(Duration::from_secs(5)))
    );
    assert_eq!(with(503, "retry-after", "whenever"), retry(503, None));
    for status in [408, 425, 500, 502, 504, 529] {
        assert_eq!(
            with(status, "retry-after", "5"),
            retry(status, Some(Duration::from_secs(5)))
        );
    }
}

#[test]
fn r19_a_redirect_names_the_host_and_nothing_else_of_it() {
    let mut answer = answer(302, "");
    answer.headers.insert(
        LOCATION,
        "https://sso.example.com/login?ticket=geheim".parse().unwrap(),
    );
    let BatchDecision::Final { reason, .. } = decided(&answer) else {
        panic!("not final")
    };
    assert!(reason.contains("sso.example.com"), "{reason}");
    assert!(!reason.contains("geheim"), "{reason}");
    answer.headers.insert(LOCATION, "/elsewhere".parse().unwrap());
    assert!(redirected(&answer).contains("another path"));
    answer.headers.clear();
    assert!(redirected(&answer).contains("nowhere"));
}

#[test]
fn r19_refusals_say_why_and_hint_where_the_cause_is_known() {
    let cases = [
        (
            400,
            r#"{"message":"source is unknown"}"#,
            "status 400: source is unknown",
        ),
        (403, "", "rights"),
        (404, "", "QUALYS_INGEST_PATH"),
        (
            207,
            r#"{"assetsError":{"X":"bad"}}"#,
            "`X` is no asset of the batch",
        ),
        (
            200,
            r#"{"responseCode":"BAD_SOURCE","message":"no such source"}"#,
            "BAD_SOURCE: no such source",
        ),
    ];
    for (status, body, expected) in cases {
        let (BatchDecision::Refused { reason } | BatchDecision::Final { reason, .. }) =
            decided(&answer(status, body))
        else {
            panic!("{status} is no refusal")
        };
        assert!(reason.contains(expected), "{reason}");
    }
}

/// Generates any JSON, three levels deep, with the keys that matter among others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "S-1-5-21-[1-5]".prop_map(Value::from),
        "(SUCCESS|SUCCESSFULLY_PUBLISHED|OK|ERROR)".prop_map(Value::from),
    ];
    let key = "(assetsError|responseCode|message|errorCode|externalAssetId|S-1-5-21-[1-5]|[a-z]{1,4})";
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn r19_no_answer_makes_it_panic(
        status in 0_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200), json in any_json(), cut in any::<bool>(),
        header in "[ -~]{0,20}",
    ) {
        for body in [body, json.to_string().into_bytes()] {
            let mut answer = GatewayAnswer { status, body, cut, ..GatewayAnswer::default() };
            answer.headers.insert("x-ratelimit-towait-sec", header.parse().unwrap());
            answer.headers.insert("retry-after", header.parse().unwrap());
            answer.headers.insert("location", header.parse().unwrap());
            if let BatchDecision::Wait { pause, .. } | BatchDecision::Retry { pause: Some(pause), .. } = decided(&answer) {
                prop_assert!((1..=3600).contains(&pause.as_secs()));
            }
        }
    }

    #[test]
    fn r18_a_filled_assets_error_is_never_accepted(
        status in 200_u16..300, errors in any_json().prop_filter("filled", evidence::is_filled), code in any_json(),
    ) {
        let body = json!({"responseCode": code, "assetsError": errors});
        prop_assert_ne!(decided(&answer(status, body)), BatchDecision::Accepted);
    }

    #[test]
    fn r18_nothing_but_a_2xx_is_accepted(status in (0_u16..1000).prop_filter("not 2xx", |s| !(200..300).contains(s)), body in any_json()) {
        prop_assert!(!matches!(decided(&answer(status, body)), BatchDecision::Accepted | BatchDecision::AcceptedExcept(_)));
    }

    #[test]
    fn r19_the_rejected_are_assets_of_the_batch(status in 200_u16..300, errors in any_json()) {
        if let BatchDecision::AcceptedExcept(rejected) = decided(&answer(status, json!({"assetsError": errors}))) {
            prop_assert!(!rejected.is_empty());
            prop_assert!(rejected.keys().all(|index| *index < 3));
        }
    }
}
