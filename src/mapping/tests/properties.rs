use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Returns a table with every form, all on the same attribute, or on the one that it reads.
fn every_form() -> Mapping {
    let rows = Form::ALL.map(|form| {
        let name = form.name();
        let source = form.reads().first().unwrap_or(&"a");
        format!("[[user]]\nsource = \"{source}\"\nform = \"{name}\"\ntarget = \"asset.forms.{name}\"\n")
    });
    mapping(&rows.concat())
}

proptest! {
    #[test]
    fn r16_any_values_give_the_same_valid_line_twice(values in vec(vec(any::<u8>(), 0..40), 0..4)) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let (mapping, object) = (every_form(), bare().with_all("a", &values).with_all("userAccountControl", &values));
        let asset = mapping.apply(Kind::User, &object).unwrap();
        prop_assert_eq!(&mapping.apply(Kind::User, &object).unwrap(), &asset);
        prop_assert!(!asset.json.contains(['\n', '\r']));
        let json: serde_json::Value = serde_json::from_str(&asset.json).unwrap();
        prop_assert_eq!(&json["asset"]["assetHeader"]["externalAssetId"], SID_TEXT);
        if let Some(forms) = json["asset"].get("forms") {
            let forms = forms.as_object().unwrap();
            prop_assert!(!forms.is_empty() && forms.values().all(|value| !value.is_null()));
        }
    }

    #[test]
    fn r16_the_order_of_values_changes_nothing(
        values in vec(vec(any::<u8>(), 0..6), 0..6),
        texts in vec("[a-c0-9]{0,3}", 0..6),
        rotation in 0..6_usize,
    ) {
        let mapping = every_form();
        for values in [values, texts.into_iter().map(String::into_bytes).collect()] {
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let asset = |values: &[&[u8]]| {
                let object = bare().with_all("a", values).with_all("userAccountControl", values);
                mapping.apply(Kind::User, &object).unwrap()
            };
            let mut other = values.clone();
            other.reverse();
            let at = rotation.min(other.len());
            other.rotate_left(at);
            prop_assert_eq!(asset(&values), asset(&other));
        }
    }

    #[test]
    fn r16_any_text_arrives_unchanged(text in any::<String>()) {
        let asset = Mapping::builtin().apply(Kind::User, &bare().with("name", &text)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&asset.json).unwrap();
        let name = json.pointer("/asset/assetDetail/userAssetClass/name").and_then(serde_json::Value::as_str);
        prop_assert_eq!(name.unwrap_or_default(), text);
    }

    #[test]
    fn r15_any_identity_is_taken_or_rejected(sid in vec(any::<u8>(), 0..80), guid in vec(any::<u8>(), 0..20)) {
        let object = bare().with("objectSid", &sid).with("objectGUID", &guid);
        match Mapping::builtin().apply(Kind::User, &object) {
            Ok(asset) => prop_assert!(asset.external_id.starts_with("S-1-")),
            Err(unmappable) => prop_assert!(!unmappable.attributes.is_empty()),
        }
        prop_assert_eq!(Mapping::builtin().explain(Kind::User, &object).len(), 7);
    }

    #[test]
    fn any_text_is_a_mapping_or_is_refused_with_lines(text in "(\\[\\[user\\]\\]|\\[removed\\]|source|target|form|constant| = |\"asset\\.x\"|\"mail\"|\n|[\\[\\]\"'=.{},#ü]){0,40}") {
        if let Err(errors) = Mapping::parse("x", &text) {
            let lines = text.split('\n').count();
            prop_assert!(!errors.as_slice().is_empty());
            prop_assert!(errors.as_slice().iter().all(|error| error.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }
}
