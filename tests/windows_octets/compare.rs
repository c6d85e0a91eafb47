//! Comparison of what the client returned with `expected.json`.

use ad_connector::directory::{DirectoryError, Entry, LdapResult, RootDse, SearchCost};
use ad_connector::identity::{Guid, Sid, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::recorded::{hexadecimal, octets};

/// Entries with names, attributes and values, in order.
pub fn assert_entries(entries: &[Entry], expected: &[&Value]) {
    assert_eq!(entries.len(), expected.len());
    for (entry, expected) in entries.iter().zip(expected) {
        assert_eq!(entry.dn, expected["dn"].as_str().unwrap());
        assert_eq!(entry.unfit(), None);
        let attributes = expected["attributes"].as_array().unwrap();
        assert_eq!(entry.attributes().count(), attributes.len(), "{}", entry.dn);
        for ((name, values), expected) in entry.attributes().zip(attributes) {
            let values: Vec<Vec<u8>> = values.map(<[u8]>::to_vec).collect();
            if let Value::Array(pair) = expected {
                assert_eq!(name, pair[0]);
                let expected: Vec<_> = pair[1].as_array().unwrap().iter().map(octets).collect();
                assert_eq!(values, expected, "{name} of {}", entry.dn);
            } else {
                assert_many(name, &values, expected);
            }
        }
        for (name, decoded) in expected["decoded"].as_object().into_iter().flatten() {
            let values: Vec<Value> = entry.values(name).map(decode(name)).collect();
            assert_eq!(&Value::Array(values), decoded, "{name} of {}", entry.dn);
        }
    }
}

/// Values of which the file has count, ends and digest alone.
fn assert_many(name: &str, values: &[Vec<u8>], expected: &Value) {
    assert_eq!(name, expected["name"]);
    assert_eq!(expected["count"], values.len());
    assert_eq!(values.first().unwrap(), &octets(&expected["first"]));
    assert_eq!(values.last().unwrap(), &octets(&expected["last"]));
    let mut digest = Sha256::new();
    for value in values {
        digest.update(u32::try_from(value.len()).unwrap().to_be_bytes());
        digest.update(value);
    }
    assert_eq!(expected["sha256"], hexadecimal(&digest.finalize()));
}

/// Value as a GUID, SID or moment; null for "never".
pub fn decode(name: &str) -> impl Fn(&[u8]) -> Value {
    move |value| {
        let moment =
            |moment: Option<Timestamp>| moment.map_or(Value::Null, |moment| moment.to_string().into());
        let text = || str::from_utf8(value).unwrap();
        match name {
            "objectGUID" => Guid::from_bytes(value).unwrap().to_string().into(),
            "objectSid" => Sid::from_bytes(value).unwrap().to_string().into(),
            "whenCreated" | "whenChanged" | "currentTime" => {
                moment(Timestamp::from_generalized_time(value).unwrap())
            }
            "pwdLastSet" | "lastLogon" | "lastLogoff" | "badPasswordTime" | "accountExpires"
            | "lastLogonTimestamp" => moment(Timestamp::from_filetime(text().parse().unwrap())),
            other => panic!("nothing decodes {other}"),
        }
    }
}

/// Code and texts, which are shown on one line.
pub fn assert_outcome(outcome: &LdapResult, expected: &Value) {
    let line = |text: &str| {
        let text = text.trim_matches(|character: char| character.is_control() || character == ' ');
        text.replace(|character: char| character.is_control(), " ")
    };
    assert_eq!(expected["code"], outcome.code);
    assert_eq!(outcome.matched, line(expected["matched_dn"].as_str().unwrap()));
    assert_eq!(outcome.diagnostic, line(expected["diagnostic"].as_str().unwrap()));
    let referrals: Vec<Value> = outcome
        .referrals
        .iter()
        .map(|referral| referral.as_str().into())
        .collect();
    let expected = expected["referrals"].as_array().cloned().unwrap_or_default();
    assert_eq!(referrals, expected);
    if outcome.code == 49 {
        let sub_code = outcome.sub_code();
        assert!(
            outcome
                .diagnostic
                .contains(&format!("data {},", sub_code.as_deref().unwrap_or("0"))),
            "{sub_code:?}"
        );
    }
}

/// rootDSE, or the one attribute that is missing for it.
pub fn assert_root_dse(read: Result<RootDse, DirectoryError>, expected: &Value) {
    let values = |wanted: &str| -> Vec<String> {
        let attributes = expected["attributes"].as_array().unwrap();
        let found = attributes
            .iter()
            .find(|attribute| attribute[0].as_str().unwrap().eq_ignore_ascii_case(wanted));
        let values = found.map(|attribute| attribute[1].as_array().unwrap().clone());
        let texts = values.unwrap_or_default().into_iter();
        texts.map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let first = |wanted: &str| values(wanted).into_iter().next();
    let missing = ["defaultNamingContext", "highestCommittedUSN", "dsServiceName"]
        .into_iter()
        .find(|name| values(name).is_empty());
    let root = match (read, missing) {
        (Ok(root), None) => root,
        (Err(error @ DirectoryError::Unusable { .. }), Some(missing)) => {
            assert!(error.to_string().contains(missing), "{error}");
            return;
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(Some(root.default_naming_context), first("defaultNamingContext"));
    assert_eq!(Some(root.ds_service_name), first("dsServiceName"));
    assert_eq!(
        Some(root.highest_committed_usn.to_string()),
        first("highestCommittedUSN")
    );
    assert_eq!(
        root.configuration_naming_context,
        first("configurationNamingContext")
    );
    assert_eq!(root.dns_host_name, first("dnsHostName"));
    assert_eq!(root.current_time, first("currentTime"));
    assert_eq!(root.naming_contexts, values("namingContexts"));
    assert_eq!(root.supported_controls, values("supportedControl"));
    assert_eq!(root.supported_capabilities, values("supportedCapabilities"));
    let synchronized = first("isSynchronized").map(|text| text == "TRUE");
    assert_eq!(root.is_synchronized, synchronized);
}

/// The cost of a search: the pairs of the STATS control.
pub fn assert_cost(cost: &SearchCost, expected: &Value) {
    let pairs = expected["pairs"].as_array().unwrap();
    let pair = |tag: u64| &pairs.iter().find(|pair| pair[0] == tag).unwrap()[1];
    assert_eq!(*pair(3), cost.milliseconds);
    assert_eq!(*pair(5), cost.returned);
    assert_eq!(*pair(6), cost.visited);
    assert_eq!(pair(8).as_str().unwrap().trim_end_matches('\0'), cost.index);
}

/// A successful end of a search with these controls, lengths of four octets as Windows writes them.
pub fn done_with(controls: &[(&str, &[u8])]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], &length[..], content].concat()
    };
    let controls: Vec<u8> = controls
        .iter()
        .flat_map(|(oid, value)| {
            let parts = [element(0x04, oid.as_bytes()), element(0x04, value)];
            element(0x30, &parts.concat())
        })
        .collect();
    let done = [
        &[
            0x02, 0x01, 0x01, 0x65, 0x07, 0x0A, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00,
        ][..],
        &element(0xA0, &controls),
    ];
    element(0x30, &done.concat())
}
