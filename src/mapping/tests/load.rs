use super::*;

#[test]
fn the_default_table_is_the_seeds_two_tables() {
    let mapping = Mapping::parse("config/mapping.toml", Mapping::builtin_text()).unwrap();
    let rows = |kind| -> Vec<String> {
        let row = |row: &TableRow| {
            let source = &row.sources()[0];
            let required = if row.required { " required" } else { "" };
            format!("{} {} {}{required}", source.name, row.target, source.form.name())
        };
        mapping.rows(kind).iter().map(row).collect()
    };
    assert_eq!(
        rows(Kind::User),
        [
            "objectSid asset.assetHeader.externalAssetId sid required",
            "objectGUID asset.assetHeader.vendorAssetId guid required",
            "name asset.assetDetail.userAssetClass.name text",
            "mail asset.assetDetail.userAssetClass.email text",
            "displayName asset.assetDetail.userAssetClass.displayName text",
            "whenCreated asset.assetDetail.userAssetClass.activationDate iso8601",
            "pwdLastSet asset.assetDetail.userAssetClass.passwordLastChangedAt iso8601",
        ]
    );
    assert_eq!(
        rows(Kind::Group),
        [
            "objectSid asset.assetHeader.externalAssetId sid required",
            "objectGUID asset.assetHeader.vendorAssetId guid required",
            "name asset.assetDetail.groupAssetClass.name text",
            "description asset.assetDetail.groupAssetClass.description text",
            "groupType asset.assetDetail.groupAssetClass.type group_type",
        ]
    );
    assert_eq!(
        rows(Kind::Computer),
        [
            "objectSid asset.assetHeader.externalAssetId sid required",
            "objectGUID asset.assetHeader.vendorAssetId guid required",
            "name asset.assetDetail.hostAssetClass.name text",
            "dNSHostName asset.assetDetail.hostAssetClass.fqdn text",
            "operatingSystem asset.assetDetail.hostAssetClass.operatingSystem text",
            "operatingSystemVersion asset.assetDetail.hostAssetClass.operatingSystemVersion text",
            "lastLogonTimestamp asset.assetDetail.hostAssetClass.lastLogonTimestamp iso8601",
            "distinguishedName asset.assetDetail.hostAssetClass.distinguishedName text",
            "userAccountControl asset.assetDetail.hostAssetClass.accountStatus account_status",
        ]
    );
    // A role is a group in another class.
    let as_roles = rows(Kind::Group)
        .into_iter()
        .map(|row| row.replace("groupAssetClass", "roleAssetClass"));
    assert_eq!(rows(Kind::Role), as_roles.collect::<Vec<_>>());
    assert_eq!(mapping.digest(&Kind::ALL), Mapping::builtin().digest(&Kind::ALL));
    assert!(mapping.removed().is_empty());
}

#[test]
fn attributes_to_ask_for_are_sorted_and_unique() {
    let rows = "[[user]]\nsource = [\"mail\", \"userPrincipalName\"]\ntarget = \"asset.a\"\n\
                [[user]]\nsource = [\"MAIL\", \"dn\", \"cn\"]\ntarget = \"asset.b\"\n\
                [[user]]\nconstant = 1\ntarget = \"asset.c\"";
    assert_eq!(
        mapping(rows).attributes(Kind::User),
        ["cn", "mail", "objectSid", "userPrincipalName"]
    );
    assert!(mapping(rows).attributes(Kind::Group).is_empty());
}

#[test]
fn a_pseudo_source_asks_for_what_it_is_made_of() {
    let users = mapping("[[user]]\nsource = \"@Groups\"\ntarget = \"asset.x\"");
    assert_eq!(
        users.attributes(Kind::User),
        ["memberOf", "objectSid", "primaryGroupID"]
    );
    assert!(users.reads(Kind::User, GROUPS) && !users.reads(Kind::Computer, GROUPS));
    assert_eq!(users.rows(Kind::User)[1].sources()[0].form, Form::List);
    let text = file("[[user]]\nsource = \"@member_count\"\ntarget = \"asset.x\"").replace("user", "group");
    let groups = Mapping::parse("x", &text).unwrap();
    assert_eq!(groups.attributes(Kind::Group), ["member", "objectSid"]);
    assert_eq!(groups.rows(Kind::Group)[1].sources()[0].form, Form::Integer);
    let roles = Mapping::parse("x", &text.replace("group", "role")).unwrap();
    assert_eq!(roles.attributes(Kind::Role), ["member", "objectSid"]);
    assert!(roles.reads(Kind::Role, MEMBER_COUNT) && !roles.reads(Kind::Group, MEMBER_COUNT));
}

#[test]
fn the_same_target_in_two_kinds_is_no_clash() {
    let group = file("").replace("user", "group");
    assert!(Mapping::parse("x", &file(&group)).unwrap().has(Kind::Group));
}

#[test]
fn line_ends_and_byte_order_marks_of_windows_are_taken() {
    let text = format!("\u{feff}{}", Mapping::builtin_text().replace('\n', "\r\n"));
    assert_eq!(
        Mapping::parse("x", &text).unwrap().digest(&Kind::ALL),
        Mapping::builtin().digest(&Kind::ALL)
    );
    let short = file("[[user]]\nsource = \"mail\"").replace('\n', "\r\n");
    let errors = Mapping::parse("x", &short).unwrap_err();
    assert_eq!(errors.as_slice()[0].line, Some(6));
}

#[test]
fn removed_constants_in_every_spelling() {
    let identity = file("");
    for removed in [
        "[removed]\nasset.assetDetail.status = \"REMOVED\"\nasset.gone = true",
        "[removed]\n\"asset.assetDetail.status\" = \"REMOVED\"\n\"asset.gone\" = true",
        "[removed.asset]\nassetDetail = { status = \"REMOVED\" }\ngone = true",
    ] {
        let mapping = Mapping::parse("x", &format!("{identity}{removed}")).unwrap();
        let shown: Vec<_> = mapping
            .removed()
            .iter()
            .map(|(target, value)| format!("{target} = {value}"))
            .collect();
        assert_eq!(
            shown,
            ["asset.assetDetail.status = \"REMOVED\"", "asset.gone = true"]
        );
    }
}

#[test]
fn r02_the_digest_is_of_the_meaning() {
    let base = mapping("[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"").digest(&Kind::ALL);
    for same in [
        "# comment\n[[user]]\ntarget=\"asset.x\"\nsource=[\"MAIL\"]\nrequired = false",
        "[[user]]\nsource = \"mail\"\nform = \"text\"\ntarget = \"asset.x\"",
    ] {
        assert_eq!(mapping(same).digest(&Kind::ALL), base, "{same}");
    }
    let others = [
        "[[user]]\nsource = \"cn\"\ntarget = \"asset.x\"",
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.y\"",
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\nform = \"list\"",
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\nrequired = true",
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\ndefault = \"\"",
        "[[user]]\nsource = [\"mail\", \"cn\"]\ntarget = \"asset.x\"",
        "[[user]]\nsource = [\"cn\", \"mail\"]\ntarget = \"asset.x\"",
        "[[user]]\nconstant = \"mail\"\ntarget = \"asset.x\"",
        "[[user]]\nconstant = \"1\"\ntarget = \"asset.x\"",
        "[[user]]\nconstant = 1\ntarget = \"asset.x\"",
        "[[user]]\nsource = \"mail\"\ntarget = \"asset.x\"\n[removed]\nasset.y = 1",
    ];
    let mut digests: Vec<_> = others
        .iter()
        .map(|rows| mapping(rows).digest(&Kind::ALL))
        .chain([base])
        .collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), others.len() + 1);
}

#[test]
fn r02_rows_of_a_kind_that_is_not_read_are_no_part_of_the_digest() {
    let both = [Kind::User, Kind::Group];
    let (before, computers) = Mapping::builtin_text().split_once("# ---- Computers").unwrap();
    assert!(computers.contains("[[computer]]"));
    let without = Mapping::parse("x", before).unwrap();
    assert_eq!(without.digest(&both), Mapping::builtin().digest(&both));
    assert_ne!(without.digest(&Kind::ALL), Mapping::builtin().digest(&Kind::ALL));
    // The digest of a version that did not know computers: such a connection keeps its watermark.
    let digest: String = without
        .digest(&both)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        digest,
        "f65d8c985638bb594edbde18ae8bfb14bda74d13e4075f9820c8e39e5b5716c0"
    );
}

#[test]
fn r02_the_order_of_rows_is_part_of_the_meaning() {
    let (a, b) = (
        "[[user]]\nsource = \"a\"\ntarget = \"asset.a\"\n",
        "[[user]]\nsource = \"b\"\ntarget = \"asset.b\"\n",
    );
    assert_ne!(
        mapping(&format!("{a}{b}")).digest(&Kind::ALL),
        mapping(&format!("{b}{a}")).digest(&Kind::ALL)
    );
}

#[test]
fn loads_a_file_and_names_it_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapping.toml");
    let missing = Mapping::load(&path).unwrap_err().to_string();
    assert!(
        missing.starts_with(&format!("{}: the mapping file cannot be read", path.display())),
        "{missing}"
    );
    assert!(missing.contains("MAPPING_FILE"), "{missing}");
    std::fs::write(&path, Mapping::builtin_text()).unwrap();
    assert_eq!(
        Mapping::load(&path).unwrap().digest(&Kind::ALL),
        Mapping::builtin().digest(&Kind::ALL)
    );
    std::fs::write(&path, "[[user]]\nsource = \"objectSid\"\n").unwrap();
    assert!(
        Mapping::load(&path)
            .unwrap_err()
            .to_string()
            .contains("mapping.toml:1: the row has no `target`")
    );
    std::fs::write(&path, b"# ok\n# \xe4\n").unwrap();
    assert!(
        Mapping::load(&path)
            .unwrap_err()
            .to_string()
            .contains("mapping.toml: line 2 is not UTF-8")
    );
}
