use super::*;

#[test]
fn a_user_of_the_default_table() {
    let asset = Mapping::builtin().apply(Kind::User, &user()).unwrap();
    assert_eq!(asset.external_id, SID_TEXT);
    assert_eq!(
        asset.json,
        format!(
            r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{SID_TEXT}","vendorAssetId":"{GUID_TEXT}"}},"#
        ) + r#""assetDetail":{"userAssetClass":{"name":"Jane Doe","email":"jane@example.com","displayName":"Doe, Jane","#
            + r#""activationDate":"2026-11-22T02:10:34Z","passwordLastChangedAt":"2026-11-22T02:10:34Z"}}}}"#
    );
}

#[test]
fn a_group_of_the_default_table() {
    let group = bare()
        .with("name", "Finance")
        .with("description", "Money people")
        .with("groupType", "-2147483646");
    assert_eq!(
        Mapping::builtin().apply(Kind::Group, &group).unwrap().json,
        format!(
            r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{SID_TEXT}","vendorAssetId":"{GUID_TEXT}"}},"#
        ) + r#""assetDetail":{"groupAssetClass":{"name":"Finance","description":"Money people","#
            + r#""type":"Security Group - Global"}}}}"#
    );
}

#[test]
fn absent_attributes_leave_no_keys_and_no_empty_objects() {
    let json = Mapping::builtin().apply(Kind::User, &bare()).unwrap().json;
    assert_eq!(
        json,
        format!(
            r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{SID_TEXT}","vendorAssetId":"{GUID_TEXT}"}}}}}}"#
        )
    );
}

#[test]
fn an_empty_object_between_others_leaves_no_comma() {
    let rows = "[[user]]\nsource = \"a\"\ntarget = \"asset.one.deep.a\"\n[[user]]\nsource = \"b\"\ntarget = \"asset.two\"";
    let json = mapping(rows)
        .apply(Kind::User, &bare().with("b", "B"))
        .unwrap()
        .json;
    assert_eq!(
        json,
        format!(r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{SID_TEXT}"}},"two":"B"}}}}"#)
    );
}

#[test]
fn an_object_stands_where_its_first_row_does() {
    let row = |source: &str, target: &str| {
        format!("[[user]]\nconstant = \"{source}\"\ntarget = \"asset.{target}\"\n")
    };
    let rows = [row("1", "z.b"), row("2", "y"), row("3", "z.a")].concat();
    let json = mapping(&rows).apply(Kind::User, &bare()).unwrap().json;
    assert!(json.ends_with(r#""z":{"b":"1","a":"3"},"y":"2"}}"#), "{json}");
}

#[test]
fn attribute_names_compare_without_case() {
    let object = Object::default()
        .with("OBJECTSID", SID)
        .with("objectguid", GUID)
        .with("DISPLAYNAME", "x");
    let asset = Mapping::builtin().apply(Kind::User, &object).unwrap();
    assert!(asset.json.contains(r#""displayName":"x""#), "{}", asset.json);
}

#[test]
fn the_first_source_with_a_value_is_taken() {
    let row = r#"source = ["mail", "userPrincipalName", "name"]"#;
    assert_eq!(
        made(row, &bare().with("name", "n").with("userPrincipalName", "u")).unwrap(),
        "u"
    );
    assert_eq!(
        made(row, &bare().with("name", "n").with("mail", "")).unwrap(),
        "n"
    );
    assert_eq!(
        made(row, &bare().with("name", "n").with("mail", b"\xff")).unwrap(),
        "n"
    );
    assert_eq!(made(row, &bare()), None);
}

#[test]
fn each_source_of_a_list_has_its_natural_form() {
    let row = r#"source = ["lastLogonTimestamp", "objectGUID"]"#;
    assert_eq!(made(row, &bare()).unwrap(), GUID_TEXT);
    let logged_on = bare().with("lastLogonTimestamp", "134397870349999999");
    assert_eq!(made(row, &logged_on).unwrap(), "2026-11-22T02:10:34Z");
}

#[test]
fn constants_are_given_as_written() {
    for (written, json) in [
        (r#""on-premises \" ü""#, r#""on-premises \" ü""#),
        ("42", "42"),
        ("0xff", "255"),
        ("-1_000", "-1000"),
        ("true", "true"),
    ] {
        assert_eq!(
            made(&format!("constant = {written}"), &bare())
                .unwrap()
                .to_string(),
            json
        );
    }
}

#[test]
fn a_default_stands_in_for_what_is_absent_or_undecodable() {
    let row = "source = \"mail\"\ndefault = \"none\"";
    assert_eq!(made(row, &bare()).unwrap(), "none");
    assert_eq!(made(row, &bare().with("mail", b"\xff")).unwrap(), "none");
    assert_eq!(made(row, &bare().with("mail", "m")).unwrap(), "m");
}

#[test]
fn r15_a_default_does_not_hide_an_undecodable_required_value() {
    let mapping =
        mapping("[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\nrequired = true\ndefault = \"none\"");
    assert!(
        mapping
            .apply(Kind::User, &bare())
            .unwrap()
            .json
            .contains(r#""x":"none""#)
    );
    let unmappable = mapping
        .apply(Kind::User, &bare().with("mail", b"\xff"))
        .unwrap_err();
    assert_eq!(
        unmappable.to_string(),
        "mail cannot be decoded, but asset.x requires it: its 1 bytes are not UTF-8 text"
    );
}

#[test]
fn r15_a_missing_required_value_rejects_and_names_the_attribute() {
    let unmappable = Mapping::builtin()
        .apply(Kind::User, &user().without("objectGUID"))
        .unwrap_err();
    assert_eq!(unmappable.attributes, ["objectGUID"]);
    assert_eq!(unmappable.cause, UnmappableCause::Missing);
    let text = unmappable.to_string();
    assert!(
        text.starts_with("objectGUID is missing, but asset.assetHeader.vendorAssetId requires it"),
        "{text}"
    );
}

#[test]
fn r15_an_empty_required_value_is_missing() {
    let unmappable = Mapping::builtin()
        .apply(Kind::User, &user().with("objectSid", ""))
        .unwrap_err();
    assert_eq!(
        (unmappable.attributes, unmappable.cause),
        (vec!["objectSid".to_owned()], UnmappableCause::Missing)
    );
}

#[test]
fn r15_an_undecodable_required_value_rejects_with_its_cause() {
    let unmappable = Mapping::builtin()
        .apply(Kind::Group, &bare().with("objectSid", &SID[..27]))
        .unwrap_err();
    let text = unmappable.to_string();
    assert!(text.contains("objectSid cannot be decoded"), "{text}");
    assert!(text.contains("28 bytes long, not 27"), "{text}");
}

#[test]
fn r15_an_undecodable_optional_value_is_left_out() {
    let asset = Mapping::builtin()
        .apply(Kind::User, &user().with("displayName", b"J\xfcrgen"))
        .unwrap();
    assert!(!asset.json.contains("displayName"), "{}", asset.json);
    assert!(asset.json.contains("jane@example.com"), "{}", asset.json);
}

#[test]
fn r15_a_required_fallback_names_all_its_sources() {
    let mapping = mapping("[[user]]\nsource = [\"mail\", \"uid\"]\ntarget = \"asset.x\"\nrequired = true");
    let text = mapping.apply(Kind::User, &bare()).unwrap_err().to_string();
    assert!(text.starts_with("mail or uid is missing"), "{text}");
}

#[test]
fn a_kind_without_rows_cannot_be_applied() {
    let unmappable = mapping("").apply(Kind::Computer, &bare()).unwrap_err();
    assert_eq!(unmappable.cause, UnmappableCause::NoRows(Kind::Computer));
    assert!(unmappable.to_string().contains("[[computer]]"), "{unmappable}");
}

#[test]
fn r16_the_same_object_gives_the_same_bytes_in_any_order_of_attributes() {
    let mapping = Mapping::builtin();
    let asset = mapping.apply(Kind::User, &user()).unwrap();
    let mut turned = user();
    turned.attributes.reverse();
    assert_eq!(mapping.apply(Kind::User, &turned).unwrap(), asset);
    assert_eq!(
        Mapping::parse("x", Mapping::builtin_text())
            .unwrap()
            .apply(Kind::User, &user())
            .unwrap(),
        asset
    );
}

#[test]
fn r16_a_list_does_not_depend_on_the_order_of_the_directory() {
    let row = "source = \"memberOf\"\nform = \"list\"";
    let one = made(row, &bare().with_all("memberOf", &[b"b", b"a", b"", b"c", b"a"]));
    let other = made(row, &bare().with_all("memberOf", &[b"c", b"a", b"b"]));
    assert_eq!(one, other);
    assert_eq!(one.unwrap().to_string(), r#"["a","b","c"]"#);
}

#[test]
fn the_identity_is_plain_text_where_json_needs_escapes() {
    let text = "[[user]]\nsource = \"name\"\ntarget = \"asset.assetHeader.externalAssetId\"\nrequired = true";
    let asset = Mapping::parse("x", text)
        .unwrap()
        .apply(Kind::User, &bare().with("name", "a\"b\n"))
        .unwrap();
    assert_eq!(asset.external_id, "a\"b\n");
    assert_eq!(
        asset.json,
        r#"{"asset":{"assetHeader":{"externalAssetId":"a\"b\n"}}}"#
    );
}

#[test]
fn every_character_survives_and_no_line_is_broken() {
    let mapping = Mapping::builtin();
    for character in (0..=0x2100)
        .chain(0xd7f0..0xe010)
        .chain(0xff00..0x1_0010)
        .chain([0x1_f600, 0x10_ffff])
    {
        let Some(character) = char::from_u32(character) else {
            continue;
        };
        let name = format!("x{character}y");
        let asset = mapping.apply(Kind::User, &bare().with("name", &name)).unwrap();
        assert!(!asset.json.contains(['\n', '\r']), "{name:?}");
        let json: serde_json::Value = serde_json::from_str(&asset.json).unwrap();
        assert_eq!(json["asset"]["assetDetail"]["userAssetClass"]["name"], name);
    }
}
