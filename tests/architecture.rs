//! The imports of the modules are those of the table in docs/architecture.md, and the counts of
//! tests/source_counts stay within their limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Modules that each module may import, by the table of docs/architecture.md.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let module = cells.next()?.trim_matches('`').strip_prefix("src/")?;
        let imports = cells.nth(1)?.split(", ").filter(|name| *name != "nothing");
        Some((
            module.trim_end_matches(".rs").to_owned(),
            imports.map(str::to_owned).collect(),
        ))
    });
    rows.collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    entries.flat_map(of).collect()
}

/// Modules that a file names with `crate::`, outside comments and tests.
fn named(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let lines = product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let names = lines.flat_map(|line| {
        let uses = line.split("crate::").skip(1);
        uses.map(|rest| {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            rest[..end].to_owned()
        })
    });
    // `use crate::{a, b}` would name none; a macro is none.
    names
        .filter(|name| {
            root().join("src").join(name).is_dir() || root().join(format!("src/{name}.rs")).is_file()
        })
        .collect()
}

#[test]
fn each_module_imports_what_the_table_of_the_architecture_allows() {
    let allowed = allowed();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&root().join("src")) {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
        let text = inside.to_str().unwrap();
        let is_test = text.ends_with("tests.rs") || text.contains("/tests/");
        let module = text.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if is_test || !text.ends_with(".rs") || ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("use crate::{"), "{inside:?}: one `use` a module");
        let names = named(&path).into_iter().filter(|name| *name != module);
        used.entry(module.clone()).or_default().extend(names);
    }
    assert_eq!(
        used.keys().collect::<Vec<_>>(),
        allowed.keys().collect::<Vec<_>>()
    );
    for (module, used) in used {
        assert_eq!(
            used, allowed[&module],
            "src/{module}: what it imports, and what the table says"
        );
    }
}

#[test]
fn the_counts_of_the_sources_stay_within_their_limits() {
    let counted = Command::new(root().join("tests/source_counts")).output().unwrap();
    let said =
        String::from_utf8_lossy(&counted.stdout).into_owned() + &String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{said}");
}
