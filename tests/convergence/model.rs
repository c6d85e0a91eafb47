//! What the default mapping table makes of an object, written a second time from the contract's table alone: it shares
//! nothing with the product's mapping.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::audit::REMOVED;
use super::history::Identity;

/// The attributes of an object, as the simulator gives them.
pub type Attributes = BTreeMap<String, Vec<Vec<u8>>>;

/// The tables that a history changes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `config/mapping.toml`.
    Default,
    /// The same with `department` mapped too, and `displayName` of users required.
    Wide,
}

impl Table {
    /// The text of the table, for the product, with this source of `externalAssetId`.
    pub fn text(self, identity: Identity) -> String {
        let default = include_str!("../../config/mapping.toml").replace("objectSid", identity.source());
        let default = match identity {
            Identity::Sid => default,
            _ => default.replace("form = \"sid\"", "form = \"text\""),
        };
        let rows = match self {
            Self::Default => default,
            Self::Wide => {
                let name = "target = \"asset.assetDetail.userAssetClass.displayName\"";
                assert!(default.contains(name));
                let required = default.replace(name, &format!("{name}\nrequired = true"));
                format!(
                    "{required}\n[[user]]\nsource = \"department\"\ntarget = \"asset.assetDetail.userAssetClass.department\"\n"
                )
            }
        };
        format!("{rows}\n[removed]\nasset.assetDetail.{REMOVED} = \"REMOVED\"\n")
    }
}

/// The asset of a user; `None` when the table requires what it does not have.
pub fn user(table: Table, identity: Identity, of: &Attributes) -> Option<Value> {
    let mut class = Map::new();
    put(&mut class, "name", text(of, "name"));
    put(&mut class, "email", text(of, "mail"));
    put(&mut class, "displayName", text(of, "displayName"));
    put(
        &mut class,
        "activationDate",
        text(of, "whenCreated").map(|time| generalized(&time)),
    );
    put(
        &mut class,
        "passwordLastChangedAt",
        text(of, "pwdLastSet").and_then(|ticks| filetime(&ticks)),
    );
    if table == Table::Wide {
        class.get("displayName")?;
        put(&mut class, "department", text(of, "department"));
    }
    asset(identity, of, "userAssetClass", class)
}

/// Classes that a group may be of.
pub const GROUP: &str = "groupAssetClass";
pub const ROLE: &str = "roleAssetClass";

/// Filter of roles: a description that ends with an even digit.
pub const ROLE_FILTER: &str =
    "(|(description=*0)(description=*2)(description=*4)(description=*6)(description=*8))";

/// The asset of a group, of which some are roles where there are `roles`.
pub fn group(roles: bool, identity: Identity, of: &Attributes) -> Option<Value> {
    let mut class = Map::new();
    put(&mut class, "name", text(of, "name"));
    put(&mut class, "description", text(of, "description"));
    put(
        &mut class,
        "type",
        text(of, "groupType").map(|number| group_type(&number)),
    );
    let last = text(of, "description").and_then(|text| text.chars().last());
    let is_role = roles
        && last
            .and_then(|last| last.to_digit(10))
            .is_some_and(|digit| digit.is_multiple_of(2));
    asset(identity, of, if is_role { ROLE } else { GROUP }, class)
}

fn asset(identity: Identity, of: &Attributes, class: &str, values: Map<String, Value>) -> Option<Value> {
    let id = match identity {
        Identity::Sid => sid(&of["objectSid"][0]),
        Identity::Mail | Identity::Account => text(of, identity.source())?,
    };
    Some(json!({"asset": {
        "assetHeader": {"externalAssetId": id, "vendorAssetId": guid(&of["objectGUID"][0])},
        "assetDetail": {class: values},
    }}))
}

fn put(class: &mut Map<String, Value>, key: &str, value: Option<String>) {
    if let Some(value) = value {
        class.insert(key.to_owned(), Value::String(value));
    }
}

fn text(of: &Attributes, name: &str) -> Option<String> {
    let value = of.get(name)?.first()?;
    Some(String::from_utf8(value.clone()).unwrap())
}

/// `S-1-5-21-…` (MS-DTYP 2.4.2.2).
fn sid(bytes: &[u8]) -> String {
    let authority = bytes[2..8]
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let parts = bytes[8..]
        .chunks(4)
        .map(|part| u32::from_le_bytes(part.try_into().unwrap()).to_string());
    let parts: Vec<String> = parts.collect();
    format!("S-{}-{authority}-{}", bytes[0], parts.join("-"))
}

/// The mixed-endian text form (MS-DTYP 2.3.4.3).
pub fn guid(bytes: &[u8]) -> String {
    let hex = |range: &mut dyn Iterator<Item = usize>| -> String {
        range.map(|at| format!("{:02x}", bytes[at])).collect()
    };
    [
        hex(&mut (0..4).rev()),
        hex(&mut (4..6).rev()),
        hex(&mut (6..8).rev()),
        hex(&mut (8..10)),
        hex(&mut (10..16)),
    ]
    .join("-")
}

/// `20140106080000.0Z` as `2014-01-06T08:00:00Z`.
fn generalized(time: &str) -> String {
    let part = |range: std::ops::Range<usize>| &time[range];
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..12),
        part(12..14)
    )
}

/// 100 ns since 1601; 0 and the largest number are no moments.
fn filetime(ticks: &str) -> Option<String> {
    let ticks: i64 = ticks.parse().unwrap();
    if ticks == 0 || ticks == i64::MAX {
        return None;
    }
    let time = chrono::DateTime::from_timestamp(ticks / 10_000_000 - 11_644_473_600, 0).unwrap();
    Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// MS-ADTS 2.2.12.
fn group_type(number: &str) -> String {
    let bits = number.parse::<i32>().unwrap();
    let what = if bits < 0 { "Security" } else { "Distribution" };
    let reach = match bits & 0xF {
        2 => "Global",
        4 => "Domain Local",
        8 => "Universal",
        _ => panic!("the histories make no group of type {number}"),
    };
    format!("{what} Group - {reach}")
}

#[test]
fn the_model_says_what_the_contract_says() {
    let bytes = |text: &str| vec![text.as_bytes().to_vec()];
    let mut of = Attributes::from([
        (
            "objectSid".to_owned(),
            vec![vec![1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x50, 4, 0, 0]],
        ),
        ("objectGUID".to_owned(), vec![(0..16).collect()]),
        ("name".to_owned(), bytes("Ana")),
        ("whenCreated".to_owned(), bytes("20261122021034.0Z")),
        ("pwdLastSet".to_owned(), bytes("133497216000000000")),
    ]);
    let header =
        json!({"externalAssetId": "S-1-5-21-1104", "vendorAssetId": "03020100-0504-0706-0809-0a0b0c0d0e0f"});
    let detail = json!({"userAssetClass": {"name": "Ana", "activationDate": "2026-11-22T02:10:34Z", "passwordLastChangedAt": "2024-01-14T16:00:00Z"}});
    assert_eq!(
        user(Table::Default, Identity::Sid, &of),
        Some(json!({"asset": {"assetHeader": header, "assetDetail": detail}}))
    );
    assert_eq!(
        user(Table::Wide, Identity::Sid, &of),
        None,
        "displayName is required there"
    );
    of.insert("groupType".to_owned(), bytes("-2147483646"));
    let detail = json!({"groupAssetClass": {"name": "Ana", "type": "Security Group - Global"}});
    let class =
        |roles, of: &Attributes| group(roles, Identity::Sid, of).unwrap()["asset"]["assetDetail"].clone();
    assert_eq!(class(false, &of), detail);
    assert_eq!(class(true, &of), detail, "no description");
    for (description, name) in [("v13", GROUP), ("v14", ROLE), ("", GROUP)] {
        of.insert("description".to_owned(), bytes(description));
        assert!(class(true, &of).get(name).is_some(), "{description}");
        assert!(class(false, &of).get(GROUP).is_some(), "{description}");
    }
}
