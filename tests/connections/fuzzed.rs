//! Bodies that nobody means well, against the running program: no defect, no panic, no secret in an
//! answer or the log.
//!
//! `FUZZED_BODIES` is their number (500), `FUZZ_SEED` the seed of the first one; each failure names
//! its own.

use std::time::Instant;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{ALL, Api, of};

/// Part of every password that is sent.
const SECRET: &str = "Fuzz-Geheimnis-7f3a";

/// Texts that break careless programs.
const HOSTILE: [&str; 22] = [
    "",
    " ",
    "\u{0}",
    "a\nb",
    "\r\n\r\nHTTP/1.1 200",
    "${AD_PASSWORD}",
    "${QUALYS_CLIENT_SECRET}",
    "/etc/passwd",
    "../../etc/shadow",
    "<script>alert(1)</script>",
    "' OR 1=1; --",
    "*)(objectClass=*",
    "%s%n%x",
    "********",
    "••••",
    "\u{202e}evil",
    "\u{feff}",
    "🦀🦀🦀",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    "127.0.0.1",
    "[[user]]\nto = 7",
];

/// Numbers at the ends of their types.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "-0.0",
    "1e308",
    "5e-324",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "4294967296",
    "65536",
    "1e400",
    "0.1",
];

fn text(rng: &mut Rng) -> String {
    match rng.u8(0..10) {
        0..=5 => HOSTILE[rng.usize(0..HOSTILE.len())].to_owned(),
        6 => "x".repeat(rng.usize(1..20_000)),
        7 => (0..rng.usize(1..40)).map(|_| rng.char(..)).collect(),
        _ => (0..rng.usize(1..12)).map(|_| rng.alphanumeric()).collect(),
    }
}

/// The names of all keys of a body, at any depth.
fn names(value: &Value, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        found.push(name.clone());
        names(value, found);
    }
}

fn any(rng: &mut Rng, keys: &[String], depth: usize) -> Value {
    match rng.u8(0..if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::from(rng.bool()),
        2 => Value::from(rng.i64(..)),
        3 => serde_json::from_str(NUMBERS[rng.usize(0..NUMBERS.len())]).unwrap_or(Value::Null),
        4 | 5 => Value::from(text(rng)),
        6 | 7 => {
            let count = rng.usize(0..6);
            let object: Map<String, Value> = (0..count)
                .map(|_| {
                    let key = if rng.u8(0..4) == 0 {
                        text(rng)
                    } else {
                        keys[rng.usize(0..keys.len())].clone()
                    };
                    (key, any(rng, keys, depth - 1))
                })
                .collect();
            Value::Object(object)
        }
        _ => (0..rng.usize(0..6)).map(|_| any(rng, keys, depth - 1)).collect(),
    }
}

/// The paths of all values within a value.
fn paths(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(name, value)| paths(value, &format!("{here}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| paths(value, &format!("{here}/{place}"), found)),
        _ => {}
    }
}

/// A body in which some values are others, gone or new.
fn mutated(rng: &mut Rng, valid: &Value, keys: &[String]) -> Value {
    let mut body = valid.clone();
    for _ in 0..rng.usize(1..4) {
        let mut places = Vec::new();
        paths(&body, "", &mut places);
        let place = &places[rng.usize(0..places.len())];
        let new = any(rng, keys, 3);
        let Some(value) = body
            .pointer_mut(place)
            .filter(|value| !value.is_null() || rng.bool())
        else {
            continue;
        };
        match rng.u8(0..5) {
            0 => *value = Value::Array(vec![value.take()]),
            1 => *value = json!({"set": value.take()}),
            2 if value.is_object() => {
                let name = if rng.bool() {
                    text(rng)
                } else {
                    keys[rng.usize(0..keys.len())].clone()
                };
                value[name] = new;
            }
            _ => *value = new,
        }
    }
    body
}

/// A body with another text in one place, which many of them take.
fn reworded(rng: &mut Rng, valid: &Value) -> Value {
    const TEXTS: [&str; 8] = [
        "/description",
        "/name",
        "/directory/bindDn",
        "/directory/serverName",
        "/profile/userFilter",
        "/profile/baseContext",
        "/upstream/source",
        "/mapping",
    ];
    let mut body = valid.clone();
    let place = TEXTS[rng.usize(0..TEXTS.len())];
    let text = text(rng);
    for place in [place.to_owned(), format!("/connection{place}")] {
        if let Some(value) = body.pointer_mut(&place) {
            *value = Value::from(text.as_str());
        }
    }
    body
}

/// Octets that are no JSON any more, or no text.
fn broken(rng: &mut Rng, valid: &Value) -> Vec<u8> {
    let mut octets = valid.to_string().into_bytes();
    match rng.u8(0..6) {
        0 => octets.truncate(rng.usize(0..octets.len())),
        1 => (0..rng.usize(1..8)).for_each(|_| {
            let place = rng.usize(0..octets.len());
            octets[place] = rng.u8(..);
        }),
        2 => (0..rng.usize(1..8)).for_each(|_| octets.insert(rng.usize(0..octets.len()), rng.u8(128..))),
        3 => {
            let depth = rng.usize(100..20_000);
            octets = format!("{{\"directory\": {}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        }
        4 => {
            octets = format!(
                "{{\"directory\": {{\"port\": {}}}}}",
                NUMBERS[rng.usize(0..NUMBERS.len())]
            )
            .into_bytes()
        }
        _ => octets = (0..rng.usize(0..500)).map(|_| rng.u8(..)).collect(),
    }
    octets
}

/// The call, and the body that it would take.
fn call(rng: &mut Rng, valid: &Value) -> (&'static str, String, Value) {
    match rng.u8(0..20) {
        0..=7 => ("POST", ALL.to_owned(), valid.clone()),
        8..=13 => ("PUT", of("head-office"), valid.clone()),
        14 => ("POST", of("test"), valid.clone()),
        15 => ("POST", format!("{}/test", of("head-office")), valid.clone()),
        16 => (
            "POST",
            of("browse"),
            json!({"connection": valid, "of": null, "dn": "DC=corp,DC=example"}),
        ),
        17 => (
            "POST",
            of("preview"),
            json!({"connection": valid, "mapping": null, "object": "Person"}),
        ),
        18 => (
            "POST",
            of("schedule"),
            json!({"schedule": {"recurrence": "WEEKLY", "daysOfWeek": ["MON"], "startDate": "12/01/2090", "startTime": "02:30", "timezone": "UTC"}}),
        ),
        _ => (
            "POST",
            of("mapping"),
            json!({"mapping": "[[user]]\nfrom = \"mail\"\nto = \"email\"\n"}),
        ),
    }
}

/// A valid body with a value for every key.
fn valid(api: &Api, seed: u64) -> Value {
    let mut body = api.body(&format!("fuzzed-{seed}"));
    body["description"] = json!("x");
    body["disabled"] = json!(true);
    body["directory"]["password"] = json!(format!("{SECRET}-{seed}"));
    body["directory"]["site"] = json!("auto");
    body["directory"]["transport"] = json!("ldaps");
    body["directory"]["certificateSha256"] = json!([]);
    body["directory"]["serverName"] = json!("localhost");
    body["profile"] = json!({
        "baseContext": "DC=corp,DC=example", "searchScope": "subtree", "assets": ["users", "groups"], "userFilter": "(mail=*)",
        "groupFilter": null, "membersOf": [], "delta": "usn", "pageSize": 100,
    });
    body["baseline"] = json!({"cron": "0 2 * * SUN", "timezone": "UTC"});
    body["removals"] = json!({"objects": "report", "maxCount": 500, "maxPercent": 10, "lag": "24h"});
    body["upstream"]["source"] = json!("Microsoft Active Directory");
    body
}

async fn one(api: &Api, keys: &[String], seed: u64) -> u16 {
    let mut rng = Rng::with_seed(seed);
    let valid = valid(api, seed);
    let (method, path, body) = call(&mut rng, &valid);
    let looks = path.ends_with("test") || path.ends_with("browse") || path.ends_with("preview");
    let octets = match rng.u8(0..10) {
        0 => any(&mut rng, keys, 5).to_string().into_bytes(),
        1 | 2 => broken(&mut rng, &body),
        3 => reworded(&mut rng, &body).to_string().into_bytes(),
        _ => {
            let mut body = mutated(&mut rng, &body, keys);
            // Nothing but the simulator is dialled.
            for place in ["/directory", "/connection/directory"] {
                if let Some(directory) = body
                    .pointer_mut(place)
                    .and_then(Value::as_object_mut)
                    .filter(|_| looks)
                {
                    directory.insert("host".to_owned(), json!(["127.0.0.1"]));
                    directory.remove("domain");
                }
            }
            body.to_string().into_bytes()
        }
    };
    let request = api
        .request(method, &path)
        .header("content-type", "application/json");
    let answer = api
        .send(request.header("if-match", "*").body(octets.clone()))
        .await;
    let told = || {
        format!(
            "seed {seed}: {method} {path} {}: {} -> {}",
            answer.status,
            String::from_utf8_lossy(&octets),
            answer.body
        )
    };
    let status = answer.status.as_u16();
    let is_known = [200, 201, 404, 409, 413, 422, 429].contains(&status) || (status == 502 && looks);
    assert!(is_known, "{}", told());
    assert!(!answer.body.contains(SECRET), "{}", told());
    assert!(!answer.body.contains("internal error"), "{}", told());
    let shown = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    let name = shown["name"].as_str().map(str::to_owned);
    match (status, name) {
        (201, Some(name)) => {
            let path = format!("{}?purge=true", of(&name));
            let deleted = api.call("DELETE", &path, None, Some("*")).await;
            assert_eq!(deleted.status, 204, "{}: {}", told(), deleted.body);
        }
        (200, Some(name)) if method == "PUT" => {
            let mut body = api.body("head-office");
            body["disabled"] = json!(true);
            let back = api.put(&name, &body, "*").await;
            assert_eq!(back.status, 200, "{}: {}", told(), back.body);
        }
        _ => {}
    }
    api.answers.lock().unwrap().clear();
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_brings_about_a_defect_or_shows_a_secret() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse::<u64>().unwrap(),
        Err(_) => default,
    };
    let bodies = number("FUZZED_BODIES", 500);
    let first = number("FUZZ_SEED", u64::from(fastrand::u32(..)));
    let mut api = Api::with(&[("AD_TIMEOUT", "2s")]).await;
    api.lab.connector.unaudited("histories are purged");
    let mut body = api.body("head-office");
    body["disabled"] = json!(true);
    api.create(&body).await;
    let mut keys = Vec::new();
    names(&valid(&api, 0), &mut keys);
    let began = Instant::now();
    println!("{bodies} bodies from seed {first} on");
    let mut statuses = std::collections::BTreeMap::new();
    for seed in first..first + bodies {
        *statuses.entry(one(&api, &keys, seed).await).or_insert(0_u64) += 1;
    }
    println!("{statuses:?} within {:?}", began.elapsed());
    // Some are taken; of a few perhaps none.
    let is_taken = bodies < 500 || statuses.contains_key(&201);
    assert!(statuses.contains_key(&422) && is_taken, "{statuses:?}");
    let log = api.served.service.log();
    for word in ["panicked", "internal error", SECRET] {
        assert!(
            !log.contains(word),
            "the log has {word}; the seeds begin with {first}"
        );
    }
    api.served.get("/ready").await.with(200);
    api.stop().await;
}
