use std::fmt::Write as _;

use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    parse(text).unwrap().into_iter().collect()
}

fn problems(text: &str) -> Vec<String> {
    parse(text)
        .unwrap_err()
        .iter()
        .map(ConfigProblem::to_string)
        .collect()
}

#[test]
fn pairs_comments_quotes_and_blank_lines() {
    let text = "\u{feff}# a comment\n\nAD_HOST=dc1, dc2 \nAD_PORT=636 # the port\nexport LOG_LEVEL=debug\n\
                SYNC_CRON='*/5 * * * *'\nAD_PASSWORD='Pa$$w0rd\\ #1'\nAD_TIMEOUT=\n";
    let text = text.replace("dc1, dc2", "'dc1, dc2'");
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(
            pairs(&text),
            [
                ("AD_HOST", "dc1, dc2"),
                ("AD_PASSWORD", "Pa$$w0rd\\ #1"),
                ("AD_PORT", "636"),
                ("AD_TIMEOUT", ""),
                ("LOG_LEVEL", "debug"),
                ("SYNC_CRON", "*/5 * * * *"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

#[test]
fn a_trailing_space_on_a_last_line_without_newline_is_harmless() {
    assert_eq!(pairs("AD_HOST=dc1 "), [("AD_HOST".to_owned(), "dc1".to_owned())]);
}

#[test]
fn every_malformed_line_is_named_by_its_number() {
    let found =
        problems("AD_HOST=dc1\n\n# comment\nthis is no pair\nAD_PORT=636\nSYNC_CRON=*/5 * * * *\n=x\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with(".env: line 4 is malformed; write NAME=VALUE"),
        "{}",
        found[0]
    );
    assert_eq!(
        found[1],
        ".env: line 6 (SYNC_CRON) is malformed; put the value in single quotes: SYNC_CRON='…'"
    );
    assert!(found[2].starts_with(".env: line 7 is malformed"), "{}", found[2]);
}

#[test]
fn a_quote_never_closed_is_reported_where_it_begins() {
    let found =
        problems("AD_HOST=dc1\nCONNECTION_DESCRIPTION=Bob's directory\nAD_PORT=636\nLOG_LEVEL=info\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(".env: line 2 (CONNECTION_DESCRIPTION) is malformed"),
        "{}",
        found[0]
    );
}

#[test]
fn line_numbers_hold_beyond_the_read_buffer() {
    let mut text = String::new();
    for number in 0..400 {
        writeln!(text, "OTHER_{number}={}", "x".repeat(100)).unwrap();
    }
    writeln!(text, "OTHER_LONG={}", "y".repeat(20_000)).unwrap();
    text.push_str("no pair\n");
    assert!(problems(&text)[0].starts_with(".env: line 402 is malformed"));
}

#[test]
fn r27_a_malformed_line_shows_nothing_of_its_value() {
    for text in [
        "AD_PASSWORD=two hunter2\n",
        "AD_PASSWORD=\"hunter2\n",
        "AD_PASSWORD='hunter2\nLOG_LEVEL=info\n",
        "AD_PASSWORD hunter2\n",
        "hunter2\n",
        "AD_PASSWORD=hunter2\\q\n",
        "AD_PASSWORD=hunter2$x\nAD_PASSWORD=hunter2\n",
    ] {
        for line in problems(text) {
            assert!(!line.contains("hunter2"), "{line}");
        }
    }
}

#[test]
fn what_two_readers_read_in_two_ways_is_refused() {
    for (line, cause) in [
        ("AD_PASSWORD=Pa$$w0rd", "`$`"),
        ("AD_PASSWORD=\"Pa${x}\"", "`$`"),
        ("AD_PASSWORD=${x}", "`$`"),
        ("AD_BIND_DN=cn=$x", "`$`"),
        ("STATE_URL=sqlite:/srv${NO_SUCH_VARIABLE_HERE}/x", "`$`"),
        ("STATE_URL=\"sqlite:/srv${NO_SUCH_VARIABLE_HERE}/x\"", "`$`"),
        ("AD_BIND_DN=CORP\\\\svc", "backslash"),
        ("AD_BIND_DN=CORP\\nick", "backslash"),
        ("AD_PASSWORD=\"a\\nb\"", "backslash"),
        ("AD_PASSWORD=\"a\\'b\"", "backslash"),
        ("AD_PASSWORD=ends-in\\", "backslash"),
        ("AD_PASSWORD=a #b", "`#`"),
        ("AD_PASSWORD=a # b", "`#`"),
        ("AD_PASSWORD=#a", "`#`"),
        ("AD_BIND_DN=svc #1", "`#`"),
        ("AD_PASSWORD='it''s'", "quoted in part"),
        ("AD_PASSWORD='it'\"'\"'s'", "quoted in part"),
        ("AD_PASSWORD=it's'", "quoted in part"),
        ("AD_PASSWORD=\"a\"b", "quoted in part"),
        ("AD_PASSWORD='a'#b", "quoted in part"),
        ("AD_USER_FILTER=(cn=x)", "runs a command"),
        ("AD_PASSWORD=a&b", "runs a command"),
        ("AD_PASSWORD=a;b", "runs a command"),
        ("AD_PASSWORD=\"a`b\"", "runs a command"),
        ("AD_CERTIFICATE=~/ca.cer", "`~`"),
        ("AD_PASSWORD= secret", "space beside"),
        ("AD_PASSWORD =secret", "space beside"),
    ] {
        let found = problems(line);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(
            found[0].starts_with(".env: line 1") && found[0].contains(cause),
            "{line}: {found:?}"
        );
        assert!(found[0].contains("in single quotes"), "{line}: {found:?}");
    }
}

#[test]
fn what_is_read_in_one_way_only_is_taken() {
    for (line, value) in [
        ("AD_PASSWORD='Pa$$\\w0rd'", "Pa$$\\w0rd"),
        ("AD_PASSWORD='a #b' # a comment", "a #b"),
        ("AD_PASSWORD=\"it's\"", "it's"),
        ("AD_PASSWORD=\"ends-in\\\\\"", "ends-in\\"),
        ("AD_PASSWORD=\"a\\\"b\\$c\"", "a\"b$c"),
        ("AD_PORT=636 # costs $5 \\o/", "636"),
        ("AD_PASSWORD=ab#c", "ab#c"),
        ("AD_PASSWORD=a~b", "a~b"),
        ("AD_BIND_DN=CN=svc,OU=x", "CN=svc,OU=x"),
        ("AD_PASSWORD=", ""),
        ("AD_PASSWORD= # none", ""),
    ] {
        assert_eq!(pairs(line)[0].1, value, "{line}");
    }
    assert_eq!(pairs("MINE=a$b\nMINE=c\n")[0].0, "MINE");
}

/// Compares the readers on every value of up to four of these, of which each means something to one
/// of the readers.
#[test]
fn a_shell_reads_what_is_taken_in_the_same_way() {
    const PARTS: [&str; 13] = [
        "a", " ", "#", "'", "\"", "\\", "$", "{x}", "`", "~", "&", "(", ":",
    ];
    let mut values = vec![String::new()];
    let mut taken = Vec::new();
    for _ in 0..4 {
        let longer = |value: &String| PARTS.map(|part| format!("{value}{part}"));
        values = values.iter().flat_map(longer).collect();
        let read = values.iter().filter_map(|value| {
            let pairs = parse(&format!("AD_PASSWORD={value}\n")).ok()?;
            Some((value.clone(), pairs["AD_PASSWORD"].clone()))
        });
        taken.extend(read);
    }
    assert!(taken.len() > 300, "{}", taken.len());
    // Each line by itself, so that one that ends the shell is named.
    let mut script = String::new();
    for (value, _) in &taken {
        writeln!(
            script,
            "eval {}",
            quoted_for_a_shell(&format!("AD_PASSWORD={value}"))
        )
        .unwrap();
        script.push_str("printf '%s\\0' \"$AD_PASSWORD\"\n");
    }
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = text.split_terminator('\0').collect();
    for (index, (value, here)) in taken.iter().enumerate() {
        assert_eq!(seen.get(index), Some(&here.as_str()), "AD_PASSWORD={value}");
    }
}

fn quoted_for_a_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn a_variable_given_twice_is_refused() {
    assert_eq!(
        problems("AD_HOST=dc1\nAD_PORT=1\nAD_HOST=dc2\n"),
        [".env: line 3: AD_HOST is given a second time; keep one of the two"]
    );
}

#[test]
fn no_file_is_no_variable_and_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(read(directory.path()).unwrap().pairs.is_empty());
    std::fs::create_dir(directory.path().join(FILE)).unwrap();
    let refused = read(directory.path())
        .map(|said| said.pairs)
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with(".env: cannot be read: ") && refused.ends_with("or remove it"),
        "{refused}"
    );
}

#[test]
fn a_file_in_utf_16_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), b"\xff\xfeA\0D\0").unwrap();
    assert_eq!(
        read(directory.path())
            .map(|said| said.pairs)
            .unwrap_err()
            .to_string(),
        ".env: is not UTF-8 text; save it as UTF-8"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(?s)[A-Z_=$'\"\\\\#\n {}a-z]{0,80}|(?s).{0,80}") {
        let _ = parse(&text);
    }
}
