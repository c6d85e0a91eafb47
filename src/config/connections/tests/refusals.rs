use super::*;

#[test]
fn everything_that_is_wrong_is_said_in_one_pass_with_file_line_connection_and_key() {
    let text = r#"
http_listn = "off"
name = "top"
connection_name = "top"
connections_file = "another"
AD_HOST = "dc"
ad_page_size = 0

[[connection]]
name = "emea"
ad_hots = "dc1"
ad_bind_dn = "svc"
ad_password = "${EMEA_PASSWORD}"
state_url = "sqlite:x.db"
ad_port = 636.5
ad_timeout = { s = 5 }
sync_cron = ["* * * * *"]
ad_assets = ["users", 5]

[[connection]]
name = "emea"
connection_description = "one"
description = "two"
ad_host = "dc1"
ad_bind_dn = "svc"
ad_password = "${APAC_PASSWORD"
ad_search_scope = "sbutree"

[[connection]]
ad_host = "dc1"
"#;
    let mut environment = environment();
    environment.insert("SYNC_CRON".to_owned(), "* *".to_owned());
    environment.insert("CONNECTION_NAME".to_owned(), "one".to_owned());
    let refused = refusal(text, &environment);
    let expected = [
        "CONNECTION_NAME: would be of every connection in `connections.toml`; remove it",
        "SYNC_CRON: ",
        "connections.toml:2: http_listn: is not a key of this table; did you mean http_listen?",
        "connections.toml:3: name: is not a key of this table; remove it",
        "connections.toml:4: connection_name: is of one connection; write name",
        "connections.toml:5: connections_file: names this very file; set it in the environment",
        "connections.toml:6: AD_HOST: is not a key of this table; did you mean ad_host?",
        "connections.toml:7: ad_page_size: ",
        "connections.toml:9: connection emea: ad_host: is required; set it",
        "connections.toml:11: connection emea: ad_hots: is not a key of this table; did you mean ad_host?",
        "connections.toml:14: connection emea: state_url: is of the whole service, not of one connection; write it above",
        "connections.toml:15: connection emea: ad_port: is neither a text",
        "connections.toml:16: connection emea: ad_timeout: is neither a text",
        "connections.toml:17: connection emea: sync_cron: is a list; write one text",
        "connections.toml:18: connection emea: ad_assets: has an item that is no text",
        "connections.toml:20: a second connection is named `emea`, after that of line 9; give",
        "connections.toml:23: connection emea: description: says the same as connection_description in line 22; keep",
        "connections.toml:26: connection emea: ad_password: is a secret, which has no place in this file; write",
        "connections.toml:27: connection emea: ad_search_scope: `sbutree` is not a value of it; write",
        "connections.toml:29: ad_bind_dn: is required for ad_auth=simple; set it (",
        "connections.toml:29: ad_password: is required for ad_auth=simple; set it, or ad_password_file to",
        "connections.toml:29: the [[connection]] has no name; write name",
    ];
    for line in &expected {
        assert!(
            refused.iter().any(|said| said.starts_with(line)),
            "{line} in {refused:#?}"
        );
    }
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
    let numbers: Vec<usize> = refused
        .iter()
        .filter_map(|line| {
            line.strip_prefix("connections.toml:")?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn shapes_that_are_no_file_of_connections() {
    for (text, said) in [
        ("", "connections.toml:1: has no [[connection]]; write"),
        (
            "log_level = \"info\"\n",
            "connections.toml:1: has no [[connection]]; write",
        ),
        (
            "\n[connection]\nname = \"a\"",
            "connections.toml:2: `connection` is a list of tables; write [[connection]]",
        ),
        (
            "\nconnection = 5",
            "connections.toml:2: `connection` is a list of tables",
        ),
        ("[[conection]]\nname = \"a\"", "did you mean connection?"),
        ("a = ", "connections.toml:1: is not TOML: "),
        (
            "\n\n[[connection]\nname = \"a\"",
            "connections.toml:3: is not TOML: ",
        ),
        ("a = 1\na = 2", "is not TOML: "),
    ] {
        let refused = refusal(text, &environment());
        assert!(
            refused.iter().any(|line| line.contains(said)),
            "{said} in {refused:#?}"
        );
    }
    for (more, said) in [
        (
            "[connection.profile]\nname = \"a\"",
            "`profile` is a list of tables; write [[connection.profile]]",
        ),
        (
            "[[connection.profile]]\nad_port = 1",
            "the [[profile]] has no name",
        ),
        (
            "[[connection.profile]]\nname = \"a b\"",
            "connections.toml:8: connection emea.a b: name: `emea.a b` holds ` `",
        ),
        (
            "[[connection.profile]]\nname = \"a\"\n[[connection.profile]]\nname = \"a\"",
            "named `emea.a`, after that of line 7",
        ),
        (
            "[[connection.profile]]\nname = \"a\"\n[[connection]]\nname = \"emea.a\"",
            "named `emea.a`, after that of line 7",
        ),
        (
            "[[connection.profile]]\nname = \"a\"\nmember_of = \"Admins\"",
            "member_of: ",
        ),
        (
            "[[connection.profile]]\nname = \"a\"\nhttp_listen = \"off\"",
            "profile a: http_listen: is of the whole service",
        ),
        (
            "[[connection.profile]]\nname = \"a\"\n[[connection.profile.profile]]\nname = \"b\"",
            "a profile has no profiles",
        ),
    ] {
        let refused = refusal(&format!("{EMEA}{more}"), &environment());
        assert!(
            refused.iter().any(|line| line.contains(said)),
            "{said} in {refused:#?}"
        );
    }
}

#[test]
fn r27_a_secret_has_no_place_in_the_file_and_is_not_shown() {
    let secrets = variables::all().filter(|variable| variable.secret);
    for variable in secrets {
        let key = variable.name.to_ascii_lowercase();
        for value in [
            "\"hunter2\"",
            "\"hunter2${EMEA_PASSWORD}\"",
            "[\"hunter2\"]",
            "{ hunter2 = 1 }",
        ] {
            let text = match key.as_str() {
                "http_token"
                | "http_read_token"
                | "notify_url"
                | "qualys_api_password"
                | "secrets_key"
                | "secrets_key_old"
                | "state_password" => {
                    format!("{key} = {value}\n{EMEA}")
                }
                "ad_password" => EMEA.replace("\"${EMEA_PASSWORD}\"", value),
                _ => format!("{EMEA}{key} = {value}\n"),
            };
            let refused = refusal(&text, &environment());
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(
                refused[0].contains(&format!("{key}: is a secret, which has no place in this file")),
                "{refused:?}"
            );
            assert!(
                refused[0].contains(&format!("{key}_file")) && !refused[0].contains("hunter2"),
                "{refused:?}"
            );
        }
    }
    let refused = refusal(
        &format!("https_proxy = \"http://u:hunter2@proxy:1\"\n{EMEA}"),
        &environment(),
    );
    assert!(
        refused[0].starts_with("connections.toml:1: https_proxy: holds a password"),
        "{refused:?}"
    );
    assert!(!refused[0].contains("hunter2"));
    let refused = refusal(&format!("{EMEA}ad_pasword = \"hunter2\""), &environment()).join("\n");
    assert!(refused.contains("did you mean ad_password?") && !refused.contains("hunter2"));
}

#[test]
fn r31_a_filter_that_a_delta_cannot_follow_is_refused_where_the_file_says_it() {
    let text = |more: &str| {
        format!(
            "ad_group_filter = \"(lastLogon=*)\"\n{EMEA}\
             [[connection.profile]]\nname = \"a\"\nad_user_filter = \"(memberOf=CN=x)\"\n{more}\n\
             [[connection.profile]]\nname = \"b\"\nad_delta = \"off\"\nad_user_filter = \"(memberOf=CN=x)\"\n"
        )
    };
    let refused = refusal(&text(""), &environment());
    let starts = [
        "connections.toml:1: ad_group_filter: tests `lastLogon`, which is not replicated",
        "connections.toml:10: connection emea.a: ad_user_filter: tests `memberOf`, which is a back-link",
    ];
    assert_eq!(refused.len(), starts.len(), "{refused:#?}");
    for (line, start) in refused.iter().zip(starts) {
        assert!(
            line.starts_with(start) && line.contains("or set ad_delta=off"),
            "{line}"
        );
    }
    for everything in ["member_of = \"CN=x,DC=x\"", "ad_delta = \"off\""] {
        parsed(&text(everything), &environment()).unwrap();
    }
}
