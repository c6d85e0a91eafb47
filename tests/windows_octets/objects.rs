//! Objects of Windows through the mapping.

use ad_connector::directory::Entry;
use ad_connector::identity::Kind;
use ad_connector::mapping::Mapping;
use ad_connector::sync::EntrySource;
use serde_json::{Map, Value};

use super::compare::decode;
use super::recorded::{all, json, octets};

/// The entry that this object would come as.
fn entry(object: &Value) -> Entry {
    let attributes = object["attributes"].as_object().unwrap();
    let attributes = attributes.iter().map(|(name, values)| {
        let values = values.as_array().unwrap().iter().map(octets).collect();
        (name.clone(), values)
    });
    Entry::new(object["dn"].as_str().unwrap(), attributes.collect())
}

/// The kind of an object by its classes; none for what is not read.
fn kind(entry: &Entry) -> Option<Kind> {
    let is = |class: &[u8]| entry.values("objectClass").any(|value| value == class);
    match (is(b"computer"), is(b"user"), is(b"group")) {
        (true, ..) => Some(Kind::Computer),
        (_, true, _) => Some(Kind::User),
        (.., true) => Some(Kind::Group),
        _ => None,
    }
}

/// Checks that the asset that the default table makes of an object has these SID, GUID and moments,
/// and its names.
fn assert_mapped(kind: Kind, entry: &Entry, decoded: &Map<String, Value>) {
    let asset = Mapping::builtin()
        .apply(kind, &EntrySource::new(entry, 1_774_960_000))
        .unwrap();
    let json: Value = serde_json::from_str(&asset.json).unwrap();
    let (header, detail) = (&json["asset"]["assetHeader"], &json["asset"]["assetDetail"]);
    let first = |name: &str| decoded.get(name).map_or(Value::Null, |values| values[0].clone());
    let text = |name: &str| entry.text(name).map_or(Value::Null, Value::from);
    assert_eq!(first("objectSid"), asset.external_id);
    assert_eq!(header["externalAssetId"], first("objectSid"));
    assert_eq!(header["vendorAssetId"], first("objectGUID"));
    match kind {
        Kind::User => {
            let class = &detail["userAssetClass"];
            assert_eq!(class["name"], text("name"));
            assert_eq!(class["displayName"], text("displayName"));
            assert_eq!(class["activationDate"], first("whenCreated"));
            assert_eq!(class["passwordLastChangedAt"], first("pwdLastSet"));
        }
        Kind::Group | Kind::Role => {
            let class = &detail[format!("{kind}AssetClass")];
            assert_eq!(
                (&class["name"], &class["description"]),
                (&text("name"), &text("description"))
            );
            let words = match text("groupType").as_str() {
                Some("-2147483646") => "Security Group - Global",
                Some("-2147483644") => "Security Group - Domain Local",
                Some("-2147483643") => "Security Group - Builtin Local",
                Some("-2147483640") => "Security Group - Universal",
                other => panic!("{}: {other:?}", entry.dn),
            };
            assert_eq!(class["type"], words, "{}", entry.dn);
        }
        Kind::Computer => {
            let class = &detail["hostAssetClass"];
            assert_eq!(class["name"], text("name"));
            assert_eq!(class["fqdn"], text("dNSHostName"));
            assert_eq!(class["operatingSystem"], text("operatingSystem"));
            assert_eq!(class["lastLogonTimestamp"], first("lastLogonTimestamp"));
            assert_eq!(class["distinguishedName"], entry.dn);
            assert_eq!(class["accountStatus"], "enabled");
        }
    }
}

#[test]
fn r14_objects_of_a_server_2025_become_assets_with_their_sids_guids_and_times() {
    let objects = json("objects-2025/objects.json");
    let mut counts = [0; 3];
    for object in objects["objects"].as_array().unwrap() {
        let entry = entry(object);
        let decoded = object["decoded"].as_object().unwrap();
        for (name, decoded) in decoded {
            let values: Vec<Value> = entry.values(name).map(decode(name)).collect();
            assert_eq!(&Value::Array(values), decoded, "{name} of {}", entry.dn);
        }
        if let Some(kind) = kind(&entry) {
            assert_mapped(kind, &entry, decoded);
            counts[kind as usize] += 1;
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 23, "{counts:?}");
}

#[test]
fn r14_recorded_users_and_groups_become_assets_with_their_sids_guids_and_times() {
    let mut count = 0;
    for file in all() {
        for message in file.messages() {
            let (Some(decoded), Some(attributes)) =
                (message["decoded"].as_object(), message["attributes"].as_array())
            else {
                continue;
            };
            let attributes = attributes.iter().map(|pair| {
                let values = pair[1].as_array().unwrap().iter().map(octets).collect();
                (pair[0].as_str().unwrap().to_owned(), values)
            });
            let entry = Entry::new(message["dn"].as_str().unwrap(), attributes.collect());
            if let Some(kind) = kind(&entry)
                && entry.first("objectSid").is_some()
            {
                assert_mapped(kind, &entry, decoded);
                count += 1;
            }
        }
    }
    assert!(count >= 10, "{count}");
}
