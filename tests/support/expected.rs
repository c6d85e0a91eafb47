//! What must arrive from a simulated directory: the default mapping, written down a second time and without the program's own code.

use chrono::DateTime;
use lab::simulator::{Directory, Kind, ObjectId};
use serde_json::{Map, Value, json};

use super::Assets;

/// Seconds between 1601-01-01 and 1970-01-01 (MS-DTYP 2.3.3).
const FILETIME_EPOCH: i64 = 11_644_473_600;

/// The assets of all users and groups that can be seen.
pub fn assets(directory: &Directory) -> Assets {
    [Kind::User, Kind::Group]
        .into_iter()
        .flat_map(|kind| directory.all(kind).into_iter().map(move |id| (kind, id)))
        .map(|(kind, id)| (external_id(directory, id), asset(directory, kind, id)))
        .collect()
}

/// The object's SID, under which its asset is known.
pub fn external_id(directory: &Directory, id: ObjectId) -> String {
    sid(&directory.attributes(id)["objectSid"][0])
}

/// The asset of one user or group.
pub fn asset(directory: &Directory, kind: Kind, id: ObjectId) -> Value {
    let attributes = directory.attributes(id);
    let text = |name: &str| {
        let value = attributes.get(name)?.first()?;
        Some(Value::from(String::from_utf8(value.clone()).unwrap()))
    };
    let (class, rows) = match kind {
        Kind::User => (
            "userAssetClass",
            vec![
                ("name", text("name")),
                ("email", text("mail")),
                ("displayName", text("displayName")),
                (
                    "activationDate",
                    text("whenCreated").map(|time| created(time.as_str().unwrap())),
                ),
                (
                    "passwordLastChangedAt",
                    text("pwdLastSet").and_then(|time| filetime(time.as_str().unwrap())),
                ),
            ],
        ),
        _ => (
            "groupAssetClass",
            vec![
                ("name", text("name")),
                ("description", text("description")),
                (
                    "type",
                    text("groupType").map(|bits| group_type(bits.as_str().unwrap())),
                ),
            ],
        ),
    };
    let detail: Map<String, Value> = rows
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    json!({"asset": {
        "assetHeader": {"externalAssetId": sid(&attributes["objectSid"][0]), "vendorAssetId": guid(&directory.guid(id))},
        "assetDetail": {class: detail},
    }})
}

/// MS-DTYP 2.4.2.2, of SIDs whose authority is below 2^32.
fn sid(octets: &[u8]) -> String {
    let authority = octets[2..8]
        .iter()
        .fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    let parts = octets[8..]
        .chunks_exact(4)
        .map(|part| u32::from_le_bytes(part.try_into().unwrap()));
    parts.fold(format!("S-{}-{authority}", octets[0]), |text, part| {
        format!("{text}-{part}")
    })
}

/// The text form of a GUID: the first three parts are little-endian (MS-DTYP 2.3.4.2).
pub fn guid(octets: &[u8; 16]) -> String {
    let part = |order: &[usize]| {
        order
            .iter()
            .map(|&at| format!("{:02x}", octets[at]))
            .collect::<String>()
    };
    let parts: [&[usize]; 5] = [
        &[3, 2, 1, 0],
        &[5, 4],
        &[7, 6],
        &[8, 9],
        &[10, 11, 12, 13, 14, 15],
    ];
    parts.map(part).join("-")
}

/// `20261122021034.0Z` as `2026-11-22T02:10:34Z`.
fn created(time: &str) -> Value {
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 8..10, 10..12, 12..14].map(|at| &time[at]);
    Value::from(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// Absent for 0 and for never.
fn filetime(ticks: &str) -> Option<Value> {
    let ticks: i64 = ticks.parse().unwrap();
    if ticks == 0 || ticks == i64::MAX {
        return None;
    }
    let time = DateTime::from_timestamp(ticks.div_euclid(10_000_000) - FILETIME_EPOCH, 0).unwrap();
    Some(Value::from(time.format("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

fn group_type(bits: &str) -> Value {
    let bits: i32 = bits.parse().unwrap();
    let purpose = if bits < 0 {
        "Security Group"
    } else {
        "Distribution Group"
    };
    let place = match bits & 0xF {
        2 => "Global",
        4 => "Domain Local",
        8 => "Universal",
        other => panic!("the simulator makes no groups of type {other}"),
    };
    Value::from(format!("{purpose} - {place}"))
}
