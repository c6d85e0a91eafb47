use super::*;

/// Returns the mistakes of a mapping of users with these rows after the one of the identity; line 6
/// is their first.
fn mistakes(rows: &str) -> Vec<(usize, String)> {
    refused(&file(rows))
}

fn refused(text: &str) -> Vec<(usize, String)> {
    let errors = Mapping::parse("map.toml", text).unwrap_err();
    errors
        .as_slice()
        .iter()
        .map(|error| {
            let remedy = error.remedy.iter().map(|remedy| format!("; {remedy}"));
            let reason = std::iter::once(error.reason.clone()).chain(remedy).collect();
            (error.line.unwrap_or(0), reason)
        })
        .collect()
}

#[track_caller]
fn one(rows: &str, line: usize, words: &[&str]) {
    let found = mistakes(rows);
    assert_eq!(found.len(), 1, "{found:#?}");
    let (at, reason) = &found[0];
    assert_eq!(*at, line, "{reason}");
    for word in words {
        assert!(reason.contains(word), "`{word}` is not in: {reason}");
    }
}

#[test]
fn unknown_keys_with_the_nearest_name() {
    one(
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\nrequird = true",
        9,
        &["`requird`", "did you mean `required`?"],
    );
    one(
        "[[user]]\nSource = \"mail\"\nconstant = 1\ntarget = \"asset.x\"",
        7,
        &["did you mean `source`?"],
    );
    one(
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\ncolour = 1",
        9,
        &["known are source, constant, form"],
    );
}

#[test]
fn unknown_tables_with_the_nearest_name() {
    one(
        "[[users]]\nsource = \"mail\"\ntarget = \"asset.x\"",
        6,
        &["unknown table `users`", "`user`"],
    );
    assert!(
        refused("version = 1\n")
            .iter()
            .any(|(line, reason)| *line == 1 && reason.contains("known are user, group"))
    );
}

#[test]
fn unknown_forms_with_the_nearest_name() {
    one(
        "[[user]]\nsource = \"a\"\nform = \"iso8610\"\ntarget = \"asset.x\"",
        8,
        &["`iso8610`", "did you mean `iso8601`?"],
    );
    one(
        "[[user]]\nsource = \"a\"\nform = \"upper\"\ntarget = \"asset.x\"",
        8,
        &["known are text, integer"],
    );
    one(
        "[[user]]\nsource = \"a\"\nform = 8601\ntarget = \"asset.x\"",
        8,
        &["`form` is one of"],
    );
}

#[test]
fn clashing_targets() {
    let rows = |a: &str, b: &str| {
        format!(
            "[[user]]\nsource = \"a\"\ntarget = \"asset.{a}\"\n[[user]]\nsource = \"b\"\ntarget = \"asset.{b}\""
        )
    };
    one(&rows("a.b", "a.b"), 11, &["asset.a.b", "already given in line 8"]);
    one(
        &rows("a.b", "a.b.c"),
        11,
        &["`asset.a.b.c` lies inside `asset.a.b` of line 8"],
    );
    one(
        &rows("a.b.c", "a.b"),
        11,
        &["line 8 puts `asset.a.b.c` inside it"],
    );
    one(
        &rows("a", "assetHeader"),
        11,
        &["line 3 puts `asset.assetHeader.externalAssetId` inside it"],
    );
    mapping(&rows("a.b", "a.bc"));
    mapping(&rows("a.b", "a.B"));
}

#[test]
fn targets_outside_the_asset_or_of_odd_shape() {
    let row = |target: &str| format!("[[user]]\nsource = \"a\"\ntarget = {target}");
    one(
        &row("\"assetDetail.x\""),
        8,
        &["`assetDetail.x` must begin with `asset.`"],
    );
    one(&row("\"asset\""), 8, &["must begin with `asset.`"]);
    one(&row("\"\""), 8, &["must begin with `asset.`"]);
    one(&row("\"asset..x\""), 8, &["empty key"]);
    one(&row("\"asset.x.\""), 8, &["empty key"]);
    one(&row("\"asset.tags[0]\""), 8, &["bracket"]);
    one(&row("\"asset.a b\""), 8, &["space"]);
    one(&row("[\"asset.x\"]"), 8, &["`target` is a string"]);
    one(
        &row(&format!("\"asset{}\"", ".x".repeat(32))),
        8,
        &["more than 32 keys"],
    );
    mapping(&row(&format!("\"asset{}\"", ".x".repeat(31))));
}

#[test]
fn missing_target_and_missing_source() {
    one("[[user]]\nsource = \"a\"", 6, &["no `target`"]);
    one(
        "[[user]]\ntarget = \"asset.x\"",
        6,
        &["neither `source` nor `constant`"],
    );
}

#[test]
fn sources_that_are_none() {
    let row = |source: &str| format!("[[user]]\nsource = {source}\ntarget = \"asset.x\"");
    one(&row("\"\""), 7, &["`source` is empty"]);
    one(&row("[]"), 7, &["`source` is empty"]);
    one(&row("[\"mail\", \"\"]"), 7, &["`source` is empty"]);
    one(&row("[\"mail\", 7]"), 7, &["name of an attribute"]);
    one(&row("true"), 7, &["name of an attribute"]);
    one(
        &row("\"e mail\""),
        7,
        &["`e mail` is not the name of an attribute"],
    );
    one(&row("\"member;range=0-*\""), 7, &["not the name of an attribute"]);
    one(&row("[\"mail\", \"MAIL\"]"), 7, &["`MAIL` is named twice"]);
}

#[test]
fn constant_and_source_exclude_each_other() {
    one(
        "[[user]]\nsource = \"a\"\nconstant = \"b\"\ntarget = \"asset.x\"",
        8,
        &["exclude each other", "`default`"],
    );
}

#[test]
fn constants_have_neither_form_nor_default() {
    one(
        "[[user]]\nconstant = \"b\"\nform = \"text\"\ntarget = \"asset.x\"",
        8,
        &["a constant has no `form`"],
    );
    one(
        "[[user]]\nconstant = \"b\"\ndefault = \"c\"\ntarget = \"asset.x\"",
        8,
        &["a constant has no `default`"],
    );
}

#[test]
fn constants_of_other_types() {
    for (value, found) in [
        ("1.5", "float"),
        ("[1]", "array"),
        ("2026-11-22", "datetime"),
        ("99999999999999999999", "integer"),
    ] {
        one(
            &format!("[[user]]\nconstant = {value}\ntarget = \"asset.x\""),
            7,
            &["a string, an integer of 64 bits", found],
        );
    }
}

#[test]
fn defaults_that_do_not_fit_the_form() {
    let row = |form: &str, default: &str| {
        format!("[[user]]\nsource = \"a\"\nform = \"{form}\"\ndefault = {default}\ntarget = \"asset.x\"")
    };
    one(
        &row("integer", "\"none\""),
        9,
        &["the default is a string, but the form `integer` gives an integer"],
    );
    one(&row("account_enabled", "1"), 9, &["gives true or false"]);
    one(&row("list", "\"x\""), 9, &["gives a list"]);
    mapping(&row("boolean", "false"));
    mapping(&row("epoch_ms", "0"));
}

#[test]
fn required_is_a_boolean() {
    one(
        "[[user]]\nsource = \"a\"\ntarget = \"asset.x\"\nrequired = \"yes\"",
        9,
        &["true or false"],
    );
}

#[test]
fn every_kind_needs_its_identity() {
    let found = refused("# a comment\n[[group]]\nsource = \"name\"\ntarget = \"asset.x\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, 2);
    assert!(
        found[0]
            .1
            .contains("no row of `group` has the target `asset.assetHeader.externalAssetId`"),
        "{found:?}"
    );
}

#[test]
fn the_identity_is_required_and_comes_from_the_object() {
    let identity = |rest: &str| {
        refused(&format!(
            "[[user]]\ntarget = \"asset.assetHeader.externalAssetId\"\n{rest}"
        ))
    };
    for (rest, word) in [
        ("source = \"objectSid\"", "needs required = true"),
        (
            "source = \"objectSid\"\nrequired = false",
            "needs required = true",
        ),
        ("constant = \"S-1-5\"\nrequired = true", "cannot be a constant"),
        (
            "source = \"objectSid\"\nrequired = true\ndefault = \"S-1-5\"",
            "cannot have a default",
        ),
        (
            "source = \"memberOf\"\nform = \"list\"\nrequired = true",
            "a form that gives a string",
        ),
        (
            "source = \"uid\"\nform = \"integer\"\nrequired = true",
            "a form that gives a string",
        ),
    ] {
        let found = identity(rest);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.contains(word), "{found:?}");
    }
}

#[test]
fn a_kind_in_single_brackets() {
    let found = refused("[user]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("write `[[user]]` above each"), "{found:?}");
    assert!(
        refused("user = 1")
            .iter()
            .any(|(line, reason)| *line == 1 && reason.contains("list of rows"))
    );
}

#[test]
fn an_empty_file_has_no_rows() {
    for text in ["", "# nothing\n", "user = []", "[removed]\nasset.x = 1"] {
        let found = refused(text);
        assert!(found[0].1.contains("has no rows"), "{found:?}");
    }
}

#[test]
fn every_mistake_in_one_pass_in_the_order_of_lines() {
    let text = "[[user]]\nsource = \"\"\ntarget = \"wrong.place\"\nfrom = \"upper\"\n\n\
                [[grup]]\n\n[[user]]\nsource = \"a\"\nconstant = 1\ntarget = \"asset.a\"\nrequired = 1\n\n\
                [[user]]\nsource = \"b\"\nform = \"txt\"\ntarget = \"asset.a.b\"\n";
    let lines: Vec<usize> = refused(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 6, 10, 12, 16, 17]);
    let shown = Mapping::parse("dir/map.toml", text).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 9);
    assert!(
        shown.lines().all(|line| line.starts_with("dir/map.toml:")),
        "{shown}"
    );
    assert!(
        shown.contains("dir/map.toml:16: unknown form `txt`; did you mean `text`?"),
        "{shown}"
    );
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    let found = refused(&file(
        "[[user]]\nsource = mail\ntarget = \"asset.x\"\n[[user]]\nsource = \"b\"\nsource = \"c\"\n",
    ));
    assert!(
        found
            .iter()
            .any(|(line, reason)| *line == 7 && reason.starts_with("not TOML")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|(line, reason)| *line == 11 && reason.contains("duplicate key")),
        "{found:#?}"
    );
    assert!(
        !refused("[[user]\nsource = 1")
            .iter()
            .any(|(_, reason)| reason.contains("externalAssetId"))
    );
}

#[test]
fn removed_constants_that_do_not_fit() {
    let row = "[[user]]\nsource = \"a\"\ntarget = \"asset.a.b\"\n[removed]\n";
    one(
        &format!("{row}asset.a = 1"),
        10,
        &["line 8 puts `asset.a.b` inside it"],
    );
    one(
        &format!("{row}asset.a.b.c = 1"),
        10,
        &["lies inside `asset.a.b` of line 8"],
    );
    one(
        &format!("{row}asset.assetHeader.externalAssetId = \"x\""),
        10,
        &["cannot be replaced"],
    );
    one(
        &format!("{row}assets.x = 1"),
        10,
        &["`assets.x` must begin with `asset.`"],
    );
    one(
        &format!("{row}asset.x = [1]"),
        10,
        &["`asset.x` is a string", "array"],
    );
    one(
        &format!("{row}\"asset.x\" = 1\nasset.x.y = 2"),
        11,
        &["lies inside `asset.x` of line 10"],
    );
    assert_eq!(mapping(&format!("{row}asset.a.b = 1")).removed().len(), 1);
    assert!(
        refused(&format!("removed = 1\n{}", file("")))
            .iter()
            .any(|(_, reason)| reason.contains("is a table"))
    );
}

#[test]
fn a_form_that_reads_certain_attributes_is_not_given_another() {
    one(
        "[[user]]\nsource = [\"userAccountControl\", \"mail\"]\nform = \"account_status\"\ntarget = \"asset.x\"",
        7,
        &[
            "`account_status` cannot be read from `mail`",
            "msDS-User-Account-Control-Computed",
            "source = \"userAccountControl\"",
        ],
    );
    mapping("[[user]]\nsource = \"useraccountcontrol\"\nform = \"account_status\"\ntarget = \"asset.x\"");
}

#[test]
fn pseudo_sources_belong_to_their_kinds() {
    one(
        "[[user]]\nsource = \"@group\"\ntarget = \"asset.x\"",
        7,
        &["unknown source `@group`", "did you mean `@groups`?"],
    );
    one(
        "[[user]]\nsource = [\"mail\", \"@members\"]\ntarget = \"asset.x\"",
        7,
        &["`@members` is for rows of `[[group]]` and `[[role]]`, not of `[[user]]`"],
    );
    let groups =
        refused(&file("[[user]]\nsource = \"@GROUPS\"\ntarget = \"asset.x\"").replace("user", "group"));
    assert_eq!(groups.len(), 1);
    assert!(
        groups[0].1.contains("`[[user]]` and `[[computer]]`"),
        "{groups:?}"
    );
    one(
        "[[user]]\nsource = \"mail@work\"\ntarget = \"asset.x\"",
        7,
        &["not the name of an attribute"],
    );
}
