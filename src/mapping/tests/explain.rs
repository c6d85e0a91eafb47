use super::*;

#[test]
fn shows_source_form_target_and_result_of_every_row() {
    let shown = Mapping::builtin().explain(
        Kind::User,
        &user().without("mail").with("displayName", b"\xff\xfe"),
    );
    assert_eq!(shown.len(), 7);
    let [sid, _, name, mail, display, created, _] = &shown[..] else {
        panic!("seven rows")
    };
    assert_eq!(sid.sources[0].attribute, "objectSid");
    assert!(
        sid.sources[0].values[0].starts_with("0x0105000000000005"),
        "{sid:?}"
    );
    assert_eq!((sid.form, sid.required), ("sid", true));
    assert_eq!(sid.target, TargetPath::EXTERNAL_ID);
    assert_eq!(sid.outcome.json(), Some(format!("\"{SID_TEXT}\"").as_str()));
    assert_eq!(name.sources[0].values, ["Jane Doe"]);
    assert_eq!(mail.outcome, RowOutcome::Absent);
    assert!(mail.sources[0].values.is_empty() && !mail.sources[0].used);
    assert_eq!(display.outcome, RowOutcome::Undecodable);
    assert_eq!(display.sources[0].values, ["0xfffe"]);
    assert_eq!(display.faults[0].0, "displayName");
    assert!(display.faults[0].1.contains("UTF-8"), "{display:?}");
    assert_eq!(created.outcome.to_string(), "\"2026-11-22T02:10:34Z\"");
}

#[test]
fn r15_explains_an_object_that_is_rejected() {
    let object = user().without("objectSid").with("objectGUID", [1]);
    let shown = Mapping::builtin().explain(Kind::User, &object);
    assert!(
        shown[0]
            .outcome
            .to_string()
            .starts_with("rejected: objectSid is missing"),
        "{shown:?}"
    );
    assert!(
        shown[1].outcome.to_string().contains("16 bytes long, not 1"),
        "{shown:?}"
    );
    assert_eq!(shown[2].outcome.json(), Some("\"Jane Doe\""));
}

#[test]
fn marks_the_source_of_a_list_that_was_used() {
    let mapping = mapping("[[user]]\nsource = [\"mail\", \"whenCreated\", \"dn\"]\ntarget = \"asset.x\"");
    let shown = mapping
        .explain(Kind::User, &user().with("mail", b"\xff"))
        .remove(1);
    assert_eq!(
        shown.sources.iter().map(|raw| raw.used).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(shown.form, "iso8601");
    assert_eq!(shown.faults.len(), 1);
    assert_eq!(shown.sources[2].values, [user().dn]);
}

#[test]
fn shows_constants_and_defaults() {
    let mapping = mapping(
        "[[user]]\nconstant = true\ntarget = \"asset.x\"\n[[user]]\nsource = \"a\"\ndefault = \"d\"\ntarget = \"asset.y\"",
    );
    let shown = mapping.explain(Kind::User, &bare());
    assert_eq!(
        (shown[1].form, shown[1].outcome.to_string().as_str()),
        ("constant", "true")
    );
    assert_eq!(shown[2].outcome.to_string(), "\"d\" (default)");
}

#[test]
fn what_is_explained_is_what_is_applied() {
    let mapping = Mapping::builtin();
    let json: serde_json::Value =
        serde_json::from_str(&mapping.apply(Kind::User, &user()).unwrap().json).unwrap();
    for row in mapping.explain(Kind::User, &user()) {
        let value: serde_json::Value = serde_json::from_str(row.outcome.json().unwrap()).unwrap();
        assert_eq!(
            json.pointer(&format!("/{}", row.target.replace('.', "/"))),
            Some(&value),
            "{}",
            row.target
        );
    }
}

#[test]
fn long_and_binary_values_are_cut_at_whole_characters() {
    let mapping = mapping("[[user]]\nsource = \"photo\"\nform = \"list\"\ntarget = \"asset.x\"");
    let long = "ü".repeat(200);
    let object = bare().with_all("photo", &[&[0xff; 300], long.as_bytes(), b"line\nbreak"]);
    let values = mapping
        .explain(Kind::User, &object)
        .remove(1)
        .sources
        .remove(0)
        .values;
    assert_eq!(values[0], format!("0x{}… (300 bytes)", "ff".repeat(256)));
    assert_eq!(values[1], format!("{}… (400 bytes)", "ü".repeat(128)));
    assert_eq!(values[2], "0x6c696e650a627265616b");
}

#[test]
fn every_attribute_of_a_status_is_shown() {
    let mapping =
        mapping("[[user]]\nsource = \"userAccountControl\"\nform = \"account_status\"\ntarget = \"asset.x\"");
    let account = bare()
        .with("userAccountControl", "512")
        .with("accountExpires", "1");
    let shown = mapping.explain(Kind::User, &account).pop().unwrap();
    let sources: Vec<_> = shown
        .sources
        .iter()
        .map(|raw| (raw.attribute.as_str(), raw.values.join(" "), raw.used))
        .collect();
    assert_eq!(
        sources,
        [
            ("userAccountControl", "512".to_owned(), true),
            ("msDS-User-Account-Control-Computed", String::new(), true),
            ("accountExpires", "1".to_owned(), true),
        ]
    );
    assert_eq!(shown.outcome.json(), Some("\"expired\""));
}
