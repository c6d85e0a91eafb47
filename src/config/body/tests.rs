use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::{LdapTransport, MappingSource};
use crate::identity::Kind;

fn inherited() -> InheritedVariables {
    let variables = [
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "id-of-the-service"),
        ("QUALYS_CLIENT_SECRET", "secret-of-the-service"),
        ("AD_TIMEOUT", "7s"),
        ("AD_HOST", "host-of-the-environment"),
        ("HTTP_TOKEN", "0123456789abcdef"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    InheritedVariables::of(&BTreeMap::from(variables))
}

fn body() -> Value {
    json!({
        "name": "head-office",
        "directory": {"host": ["dc1.corp.example"], "bindDn": "svc@corp.example", "password": "hunter2"},
        "upstream": {"connectorUuid": "8c2d7e1a-3b4f-4c5d-9e6f-1a2b3c4d5e6f"},
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut changed = body();
    let (section, key) = pointer.split_once('.').map_or(("", pointer), |both| both);
    if section.is_empty() {
        changed[key] = value;
    } else {
        changed[section][key] = value;
    }
    changed
}

fn check(value: &Value) -> Result<CheckedConnection, BodyRefusal> {
    inherited().check_new(value, Uuid::nil(), Utc::now())
}

fn refused(value: &Value) -> Vec<FieldProblem> {
    match check(value) {
        Err(BodyRefusal::Invalid(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

fn stored(checked: &CheckedConnection) -> StoredConfiguration<'_> {
    StoredConfiguration {
        uuid: Uuid::nil(),
        body: &checked.body,
        password: Some(Secret::from("hunter2")),
        has_password: true,
        changed_at: Utc::now(),
    }
}

#[test]
fn a_body_has_the_defaults_of_the_variables_and_the_gateway_of_the_service() {
    let checked = check(&body()).unwrap();
    let settings = &checked.settings;
    assert_eq!(settings.name, "head-office");
    assert_eq!(settings.directory.hosts, ["dc1.corp.example"]);
    assert_eq!(settings.directory.transport, LdapTransport::Ldaps);
    assert_eq!(settings.directory.port, 636);
    assert_eq!(settings.directory.timeout.as_secs(), 7);
    assert_eq!(settings.upstream.gateway, "https://gateway.example");
    assert_eq!(settings.mapping, MappingSource::BuiltIn);
    assert_eq!(settings.origin, ConnectionOrigin::Api);
    let nulls = json!({
        "name": "head-office", "description": null, "disabled": false, "mapping": null, "profile": null,
        "directory": {"host": "dc1.corp.example", "domain": null, "port": null, "bindDn": "svc@corp.example", "password": "hunter2"},
        "baseline": null, "removals": {"lag": null},
        "upstream": {"connectorUuid": "8c2d7e1a-3b4f-4c5d-9e6f-1a2b3c4d5e6f", "source": null},
    });
    assert_eq!(check(&nulls).unwrap().settings.digest(), settings.digest());
}

#[test]
fn every_mistake_is_named_by_its_key_in_one_pass() {
    let value = json!({
        "name": "a b", "nmae": "x", "mapping": 7,
        "directory": {"hots": ["x"], "transport": "tls", "port": "636", "password": "••••", "bindDn": ""},
        "profile": {"userFilter": "(a=b", "pageSize": 0, "assets": ["user"]},
        "removals": {"lag": "24"},
        "upstream": [],
        "host": "x",
    });
    let problems = refused(&value);
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "name",
        "nmae",
        "mapping",
        "directory.hots",
        "directory.transport",
        "directory.port",
        "directory.password",
        "directory.bindDn",
        "directory.host",
        "profile.userFilter",
        "profile.pageSize",
        "profile.assets",
        "removals.lag",
        "upstream",
        "host",
        "upstream.connectorUuid",
    ] {
        assert_eq!(
            keys.iter().filter(|found| **found == key).count(),
            1,
            "{key} in {keys:?}"
        );
    }
    let remedy = |key: &str| {
        let found = problems.iter().find(|problem| problem.key == key);
        found.map(|problem| problem.remedy.clone()).unwrap_or_default()
    };
    assert_eq!(
        remedy("directory.hots"),
        "did you mean directory.host? Otherwise remove it"
    );
    assert_eq!(remedy("host"), "write it as directory.host");
    assert!(
        problems
            .iter()
            .all(|problem| !problem.reason.contains("AD_") && !problem.remedy.contains("AD_")),
        "variables are named as keys: {problems:#?}"
    );
}

#[test]
fn r35_no_path_and_no_variable_is_read() {
    let path = with("directory.certificate", json!("/etc/ssl/certs/ca.pem"));
    assert_eq!(refused(&path)[0].key, "directory.certificate");
    let variable = with("directory.bindDn", json!("${QUALYS_CLIENT_SECRET}"));
    let problems = refused(&variable);
    assert_eq!(problems[0].key, "directory.bindDn");
    assert!(!format!("{problems:?}").contains("secret-of-the-service"));
    let password = with("directory.password", json!("${QUALYS_CLIENT_SECRET}"));
    let settings = check(&password).unwrap().settings;
    let sent = password_of(&settings).unwrap();
    assert_eq!(sent.expose_secret(), "${QUALYS_CLIENT_SECRET}", "as written");
}

#[test]
fn r35_a_secret_is_kept_replaced_or_removed_and_never_stored_in_the_body() {
    let checked = check(&body()).unwrap();
    assert!(!checked.body.to_string().contains("hunter2"));
    let stored = stored(&checked);
    for kept in [
        json!({"set": true}),
        json!({"set": true, "changedAt": "2026-11-30T00:00:00Z"}),
    ] {
        let replaced = inherited().check_replacement(&with("directory.password", kept), &stored, Utc::now());
        let password = password_of(&replaced.unwrap().settings).unwrap();
        assert_eq!(password.expose_secret(), "hunter2");
    }
    let mut absent = body();
    absent["directory"].as_object_mut().unwrap().remove("password");
    let replaced = inherited()
        .check_replacement(&absent, &stored, Utc::now())
        .unwrap();
    assert!(matches!(replaced.password, PasswordChange::Keep));
    assert!(
        refused(&absent)
            .iter()
            .any(|problem| problem.key == "directory.password"),
        "none is stored yet"
    );
    let removed =
        inherited().check_replacement(&with("directory.password", Value::Null), &stored, Utc::now());
    assert!(
        matches!(removed, Err(BodyRefusal::Invalid(_))),
        "simple binds need one"
    );
    for mask in ["****", "••••••••", ""] {
        assert_eq!(
            refused(&with("directory.password", json!(mask)))[0].key,
            "directory.password"
        );
    }
}

#[test]
fn r35_a_secret_does_not_follow_a_changed_address() {
    let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    let checked = check(&body()).unwrap();
    let stored = stored(&checked);
    let replace = |value: &Value| inherited().check_replacement(value, &stored, Utc::now());
    let without_password = |key: &str, value: Value| {
        let mut changed = with(key, value);
        changed["directory"].as_object_mut().unwrap().remove("password");
        changed
    };
    for (key, value) in [
        ("directory.host", json!(["dc2.corp.example"])),
        ("directory.host", json!(["dc1.corp.example", "evil.example"])),
        ("directory.port", json!(389)),
        ("directory.transport", json!("starttls")),
        ("directory.certificate", json!(certificate.cert.pem())),
        ("directory.certificateSha256", json!(["00".repeat(32)])),
        ("directory.serverName", json!("other.example")),
    ] {
        let refused = replace(&without_password(key, value.clone()));
        let Err(BodyRefusal::SecretRequired(keys)) = refused else {
            panic!("{key}: {refused:?}")
        };
        assert!(keys.iter().any(|changed| changed == key), "{key} in {keys:?}");
        assert!(replace(&with(key, value)).is_ok(), "{key} with the secret");
    }
    let mut to_domain = without_password("directory.host", Value::Null);
    to_domain["directory"]["domain"] = json!("corp.example");
    assert!(matches!(replace(&to_domain), Err(BodyRefusal::SecretRequired(_))));
    for (key, value) in [
        ("directory.port", json!(636)),
        ("directory.transport", json!("ldaps")),
        ("directory.bindDn", json!("other@corp.example")),
        ("description", json!("another one")),
    ] {
        assert!(
            replace(&without_password(key, value)).is_ok(),
            "{key} leads nowhere else"
        );
    }
}

#[test]
fn certificates_and_mappings_are_texts() {
    let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    let der = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.cert.der());
    for text in [certificate.cert.pem(), der] {
        let settings = check(&with("directory.certificate", json!(text)))
            .unwrap()
            .settings;
        assert_eq!(
            settings.directory.certificates,
            Some(vec![certificate.cert.der().to_vec()])
        );
    }
    let key = with(
        "directory.certificate",
        json!(certificate.signing_key.serialize_pem()),
    );
    let problems = refused(&key);
    assert!(problems[0].reason.contains("private key"), "{problems:?}");
    let settings = check(&with("mapping", json!("[[user]]\n"))).unwrap().settings;
    assert_eq!(settings.mapping, MappingSource::Text("[[user]]\n".to_owned()));
}

#[test]
fn members_of_several_groups_are_a_list_of_names() {
    let value = with("profile.membersOf", json!(["CN=A,DC=x", "CN=B\\;C,DC=x"]));
    let settings = check(&value).unwrap().settings;
    assert_eq!(settings.profile.members_of.len(), 2);
    let filter = settings.profile.assets[0].1.clone().unwrap();
    assert!(
        filter.starts_with("(|(memberOf:1.2.840.113556.1.4.1941:=CN=A,DC=x)(memberOf:"),
        "{filter}"
    );
}

#[test]
fn roles_need_their_filter_which_has_a_key_of_its_own() {
    let mut value = with("profile.assets", json!(["groups", "roles"]));
    let problems = refused(&value);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "profile.roleFilter");
    assert!(
        problems[0].reason.contains("is required with `roles`") && !problems[0].reason.contains("AD_"),
        "{problems:?}"
    );
    value["profile"]["roleFilter"] = json!("(cn=Role*)");
    let settings = check(&value).unwrap().settings;
    assert_eq!(
        settings.profile.assets,
        [(Kind::Group, None), (Kind::Role, Some("(cn=Role*)".to_owned()))]
    );
}

/// Returns any JSON value, with the keys of a body now and then.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[a-z.*•${}/=()]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let key = prop_oneof![
            proptest::sample::select(
                keys::KEYS
                    .iter()
                    .map(|key| key.name.to_owned())
                    .collect::<Vec<_>>()
            ),
            Just("directory".to_owned()),
            Just("profile".to_owned()),
            "[a-zA-Z]{0,10}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_panics_or_shows_a_secret(value in any_value(), key in 0..keys::KEYS.len()) {
        let key = &keys::KEYS[key];
        let value = if key.section.is_empty() { with(key.name, value) } else { with(&key.path(), value) };
        let checked = check(&value);
        let said = format!("{checked:?}");
        prop_assert!(!said.contains("hunter2"));
        prop_assert!(!said.contains("secret-of-the-service"));
    }
}
