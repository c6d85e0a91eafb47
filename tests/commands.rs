//! Every command and option, what it says, and its exit code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::process::Stdio;

use lab::receiver::{Answer, ErrorForm};
use support::simulated::Simulated;
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::test(flavor = "multi_thread")]
async fn help_is_complete() {
    let lab = Simulated::new().await;
    let commands = [
        "run",
        "sync",
        "check",
        "status",
        "preview",
        "why",
        "mapping",
        "runs",
        "connections",
        "secrets",
        "state",
        "healthcheck",
        "variables",
    ];
    let mut words: Vec<String> = commands.iter().map(|command| format!("\n  {command} ")).collect();
    words.extend(["0", "1", "2", "4", "64", "69", "77", "130", "143"].map(|code| format!("\n  {code} ")));
    words.push("--connection".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for argument in ["--help", "-h", "help"] {
        let outcome = lab.connector.succeed(&[argument]).await.said(&words);
        assert_eq!(outcome.stderr, "");
    }
    for command in commands {
        lab.connector
            .succeed(&[command, "--help"])
            .await
            .said(&["usage: ad-connector", command]);
    }
    lab.connector.succeed(&["sync", "--help"]).await.said(&[
        "--baseline",
        "--resend",
        "--dry-run",
        "--output <FILE>",
        "NDJSON",
    ]);
    lab.connector
        .succeed(&["connections", "--help"])
        .await
        .said(&["list", "show", "export", "import", "delete"]);
    for (command, words) in [
        ("list", &["--json", "cannot be used"][..]),
        ("show", &["<NAME>", "--json"]),
        ("export", &["<NAME>", "in place of secrets"]),
        ("import", &["<FILE>", "--replace"]),
        ("delete", &["<NAME>", "--purge", "--yes"]),
    ] {
        lab.connector
            .succeed(&["connections", command, "--help"])
            .await
            .said(words);
    }
    lab.connector
        .succeed(&["--version"])
        .await
        .said(&[env!("CARGO_PKG_VERSION")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_variable_can_be_listed_without_a_configuration() {
    let mut lab = Simulated::new().await;
    lab.connector.restore_environment(Default::default());
    let list = lab.connector.succeed(&["variables"]).await.stdout;
    let help = lab.connector.succeed(&["help", "variables"]).await.stdout;
    for group in ad_connector::config::variables::GROUPS {
        for variable in group.variables {
            for text in [&list, &help] {
                assert!(
                    text.contains(&format!("\n    {} ", variable.name)),
                    "{}",
                    variable.name
                );
                assert!(text.contains(variable.meaning), "{}", variable.meaning);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_on_the_command_line_are_64() {
    let lab = Simulated::new().await;
    for (arguments, word) in [
        (&["bogus"][..], "unrecognized subcommand"),
        (&[], "Usage"),
        (&["sync", "--outptu", "x"], "--output"),
        (&["preview"], "<NAME>"),
        (&["why"], "<NAME>"),
        (&["runs", "--limit", "0"], "1..=1000"),
        (&["mapping"], "show"),
        (&["sync", "extra"], "extra"),
        (
            &["status", "--connection", "other"],
            "configured: active-directory",
        ),
        (&["sync", "--output", "/no/such/folder/x"], "/no/such/folder/x"),
    ] {
        let outcome = lab.connector.run(arguments).await.ended_with(64).said(&[word]);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
    }
    assert!(!lab.connector.folder().join("x").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refused_variable_has_a_line_of_its_own() {
    let mut lab = Simulated::new().await;
    lab.set("AD_HOTS", "dc1");
    lab.set("AD_PAGE_SIZE", "many");
    lab.set("QUALYS_TIMEOUT", "90");
    lab.set("SYNC_CRON", "never");
    lab.unset("QUALYS_CONNECTOR_UUID");
    for command in ["run", "sync", "check", "status", "runs", "healthcheck"] {
        let outcome = lab.connector.run(&[command]).await.ended_with(64);
        for line in [
            "  AD_PAGE_SIZE: ",
            "  QUALYS_TIMEOUT: ",
            "  SYNC_CRON: ",
            "  QUALYS_CONNECTOR_UUID: ",
            "  AD_HOTS: ",
        ] {
            let count = outcome
                .stderr
                .lines()
                .filter(|said| said.starts_with(line))
                .count();
            assert_eq!(count, 1, "{command}: {line}\n{}", outcome.stderr);
        }
        assert!(outcome.stderr.contains("did you mean AD_HOST?"));
    }
    assert!(!lab.connector.state().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_env_file_is_read_and_the_environment_wins() {
    let mut lab = Simulated::new().await;
    let all = lab.connector.clone_environment();
    let line = |(name, value): (&String, &String)| format!("{name}='{value}'\n");
    let text: String = all.iter().map(line).collect();
    std::fs::write(
        lab.connector.folder().join(".env"),
        text + "CONNECTION_NAME=from-file\n",
    )
    .unwrap();
    lab.connector.restore_environment(Default::default());
    lab.sync(0).await;
    lab.assert_converged();
    assert_eq!(lab.status().await["name"], "from-file");
    lab.set("CONNECTION_NAME", "from-environment");
    lab.connector
        .run(&["status"])
        .await
        .ended_with(0)
        .said(&["from-environment", "not registered yet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_finds_an_object_by_every_name() {
    let lab = Simulated::new().await;
    let user = lab.users()[12];
    let text = |attribute: &str| lab.directory().text(user, attribute).unwrap();
    let guid = support::expected::guid(&lab.directory().guid(user));
    lab.directory().set_text(user, "mail", "anna@corp.example");
    let names = [
        text("sAMAccountName"),
        text("name"),
        text("userPrincipalName"),
        "anna@corp.example".to_owned(),
        "ANNA@CORP.example".to_owned(),
        lab.external_id(user),
        guid.clone(),
        guid.to_uppercase(),
        lab.directory().dn(user),
    ];
    let id = lab.external_id(user);
    for name in names {
        let outcome = lab.connector.succeed(&["preview", &name]).await;
        let out = &outcome.stdout;
        for part in [
            id.as_str(),
            guid.as_str(),
            "anna@corp.example",
            "asset.assetDetail.userAssetClass.email",
            "pwdLastSet",
        ] {
            assert!(out.contains(part), "{name}: {part}:\n{out}");
        }
        let json = &out[out.find("\n{").unwrap()..];
        let asset: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
        assert_eq!(asset, lab.expected()[&id]);
    }
    assert_eq!(lab.receiver.summary().requests, 0);
    assert!(!lab.connector.state().exists(), "a preview needs no state");
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_of_several_of_none_and_of_an_unmappable_object() {
    let mut lab = Simulated::new().await;
    for id in lab.users().into_iter().take(7) {
        lab.directory().set_text(id, "displayName", "The Same");
    }
    let outcome = lab
        .connector
        .succeed(&["preview", "The Same"])
        .await
        .said(&["2 more objects match"]);
    assert_eq!(outcome.stdout.matches("\nuser  CN=").count() + 1, 5);
    lab.connector
        .run(&["preview", "nobody*"])
        .await
        .ended_with(69)
        .said(&["no object in scope", "nobody*", "AD_BASE_CONTEXT"]);
    // What would be a filter is a name.
    lab.connector
        .run(&["preview", "*)(objectClass=*"])
        .await
        .ended_with(69)
        .said(&["no object in scope"]);

    let table = include_str!("../config/mapping.toml")
        .replace("source = \"mail\"", "source = \"mail\"\nrequired = true");
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let user = lab.users()[0];
    lab.directory().set(user, "mail", &[]);
    lab.connector
        .run(&["preview", &lab.external_id(user)])
        .await
        .ended_with(2)
        .said(&["cannot be mapped", "mail", "(absent)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mapping_is_shown_and_checked_without_a_connection() {
    let mut lab = Simulated::new().await;
    lab.connector.restore_environment(Default::default());
    let shown = lab.connector.succeed(&["mapping", "show"]).await.stdout;
    for row in [
        "objectSid",
        "asset.assetHeader.externalAssetId",
        "group_type",
        "required",
        "\ngroup\n",
    ] {
        assert!(shown.contains(row), "{row}:\n{shown}");
    }
    lab.connector
        .succeed(&["mapping", "check"])
        .await
        .said(&["built-in table: good"]);
    let table = "[[user]]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\nform = \"sit\"\nrequired = true\n\
                 [[user]]\nsource = \"mail\"\ntraget = \"asset.x\"\n";
    std::fs::write(lab.connector.folder().join("bad.toml"), table).unwrap();
    let outcome = lab
        .connector
        .run(&["mapping", "check", "bad.toml"])
        .await
        .ended_with(64);
    for line in ["  bad.toml:4: ", "  bad.toml:8: "] {
        assert!(
            outcome.stderr.lines().any(|said| said.starts_with(line)),
            "{line}\n{}",
            outcome.stderr
        );
    }
    lab.set("MAPPING_FILE", "bad.toml");
    lab.connector
        .run(&["mapping", "show"])
        .await
        .ended_with(64)
        .said(&["bad.toml:4"]);
    lab.connector
        .run(&["mapping", "check", "no-such.toml"])
        .await
        .ended_with(64)
        .said(&["no-such.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_runs_as_text_and_json() {
    let mut lab = Simulated::new().await;
    for command in [&["status"][..], &["status", "--json"], &["runs"]] {
        lab.connector
            .run(command)
            .await
            .ended_with(69)
            .said(&["no state file", "ad-connector sync"]);
    }
    lab.set("CONNECTION_NAME", "head-office");
    lab.set("CONNECTION_DESCRIPTION", "The \"first\" one");
    let bad = lab.users()[3];
    lab.receiver.script([Answer::Accept, Answer::Accept]);
    lab.sync(0).await;
    lab.directory().set_text(bad, "mail", "new@corp.example");
    lab.receiver.script([Answer::reject(
        ErrorForm::List,
        &lab.external_id(bad),
        "not today",
    )]);
    lab.sync(2).await;

    let status = lab.status().await;
    assert_eq!(status["name"], "head-office");
    assert_eq!(status["description"], "The \"first\" one");
    assert_eq!(status["state"], "Scheduled");
    assert_eq!(status["runFrequency"], "*/15 * * * *");
    assert_eq!(status["lastError"], "1 objects were rejected");
    for (key, count) in [("accepted", 220), ("pending", 1), ("rejected", 1)] {
        assert_eq!(status["counts"]["users"][key], count, "{key}");
    }
    assert_eq!(status["counts"]["groups"]["accepted"], 30);
    assert_eq!(status["rejected"][0]["reason"], "not today");
    for key in [
        "lastSynced",
        "lastSuccessfulSync",
        "nextSync",
        "nextBaseline",
        "lastCompleteBaseline",
        "stateSince",
        "oldestPending",
        "backlogThrough",
    ] {
        let time = status[key].as_str().unwrap_or_else(|| panic!("{key}: {status}"));
        assert!(time.len() == 20 && time.ends_with('Z'), "{key}: {time}");
    }
    lab.connector.succeed(&["status"]).await.said(&[
        "head-office  Scheduled",
        "last complete baseline",
        "last error",
        "220 in ETM, 1 waiting, 1 rejected",
        "not today",
        &lab.directory().dn(bad),
    ]);
    let runs = lab.connector.succeed(&["runs"]).await.stdout;
    let lines: Vec<&str> = runs.lines().collect();
    assert_eq!(lines.len(), 4, "name, heads, two runs:\n{runs}");
    assert!(
        lines[2].contains("partial") && lines[3].contains("processed"),
        "newest first:\n{runs}"
    );
    let json = lab.connector.succeed(&["runs", "--json"]).await.stdout;
    let runs: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&runs[0]["mode"], &runs[1]["mode"]),
        (&"delta".into(), &"baseline".into())
    );
    let users = &runs[1]["counts"]["users"];
    assert_eq!((&users["sent"], &users["accepted"]), (&220.into(), &220.into()));
    let number = runs[0]["run"].to_string();
    let listed = lab.connector.succeed(&["runs", "--run", &number]).await.stdout;
    let last = listed.lines().last().unwrap();
    assert!(
        listed.lines().count() == 4
            && last.contains("rejected")
            && last.contains("not today")
            && last.contains(&lab.directory().dn(bad)),
        "{listed}"
    );
    let listed = lab
        .connector
        .succeed(&["runs", "--run", &number, "--json"])
        .await
        .stdout;
    let object: serde_json::Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&object["externalAssetId"], &object["reason"], &object["run"]),
        (&lab.external_id(bad).into(), &"not today".into(), &runs[0]["run"])
    );
    lab.connector
        .run(&["runs", "--run", "99"])
        .await
        .ended_with(64)
        .said(&["run 99 is not in the history"]);
    assert_eq!(
        lab.connector
            .succeed(&["runs", "--json", "--limit", "1"])
            .await
            .stdout
            .lines()
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_used_is_69_for_every_command() {
    let mut lab = Simulated::new().await;
    std::fs::write(
        lab.connector.folder().join("damaged.db"),
        "no database at all, whatever its name says",
    )
    .unwrap();
    lab.set("STATE_URL", "sqlite:damaged.db");
    for command in [&["run"][..], &["sync"], &["status"], &["runs"], &["healthcheck"]] {
        lab.connector
            .run(command)
            .await
            .ended_with(69)
            .said(&["damaged.db", "what to do"]);
    }
    assert_eq!(lab.receiver.summary().requests, 0);
}

/// Ends the pipe at once, as `| true` does; gives the exit code.
async fn with_closed(lab: &Simulated, arguments: &[&str], stderr_too: bool) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ad-connector"));
    command
        .env_clear()
        .envs(lab.connector.clone_environment())
        .args(arguments)
        .current_dir(lab.connector.folder());
    let errors = if stderr_too {
        Stdio::from(writer.try_clone().unwrap())
    } else {
        Stdio::null()
    };
    let status = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .status()
        .await;
    status.unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_breaks_nothing() {
    let mut lab = Simulated::new().await;
    assert_eq!(
        with_closed(&lab, &["sync"], true).await,
        Some(0),
        "nobody reads the log"
    );
    lab.assert_converged();
    for command in [
        &["variables"][..],
        &["status"],
        &["runs"],
        &["mapping", "show"],
        &["check"],
    ] {
        assert_eq!(with_closed(&lab, command, false).await, Some(0), "{command:?}");
    }
    let lost = with_closed(&lab, &["sync", "--baseline", "--resend", "--output", "-"], false).await;
    assert_eq!(lost, Some(1), "the assets that were sent were wanted");
    lab.set("AD_PORT", "1");
    assert_eq!(with_closed(&lab, &["sync"], true).await, Some(69));
}

/// As `| head -1` does, once before anything was written and once after a line.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_which_a_line_was_enough_ends_quietly() {
    let lab = Simulated::new().await;
    for lines in [0, 1] {
        let mut dry = lab.connector.start(&["sync", "--dry-run", "--output", "-"]);
        let mut seen = BufReader::new(dry.stdout.take().unwrap()).lines();
        for _ in 0..lines {
            let line = seen.next_line().await.unwrap().unwrap();
            assert!(line.starts_with(r#"{"asset":"#), "{line}");
        }
        drop(seen);
        let ended = dry.wait_with_output().await.unwrap();
        let log = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{log}");
        assert!(log.contains("The run finished."), "{log}");
        assert!(!log.contains("WARN") && !log.contains("rror"), "{log}");
    }
}
