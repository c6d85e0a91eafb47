//! The rules of synchronisation in docs/rules.md, the places that cite them, and the tests that
//! prove them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders whose files cite rules.
const FOLDERS: [&str; 4] = ["src", "tests", "docs", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Adds the files below `folder`. The recordings of `tests/data` have source keys that look like
/// rules, and a corpus of the fuzzer holds any octets.
fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let foreign =
            path.ends_with("tests/data") || path.ends_with("fuzz/corpus") || path.ends_with("target");
        match path.is_dir() {
            true if foreign => (),
            true => add_files(&path, files),
            false => files.push(path),
        }
    }
}

/// Texts of the repository by path: the folders above, and the documents beside them.
fn texts() -> BTreeMap<PathBuf, String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        add_files(&root().join(folder), &mut files);
    }
    let documents = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.extend(documents);
    files
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(std::fs::read(&path).unwrap()).ok()?;
            Some((path, text))
        })
        .collect()
}

/// Words of letters, digits and underscores.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
}

/// Number of the rule that a word such as `R18` cites.
fn cited(word: &str) -> Option<u32> {
    let digits = word.strip_prefix('R')?;
    let short = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    short.then(|| digits.parse().unwrap())
}

/// Numbers at the beginning of the name of a test: 2 and 17 of `r02_r17_…`.
fn proved(name: &str) -> Vec<u32> {
    name.split('_')
        .map_while(|part| {
            let digits = part.strip_prefix('r').filter(|digits| digits.len() == 2)?;
            digits.parse().ok()
        })
        .collect()
}

/// Names of the functions that `#[test]` or `#[tokio::test]` marks.
fn tests_of(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        let function = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "));
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(function) = function
            && std::mem::take(&mut marked)
        {
            names.extend(words(function).next());
        }
    }
    names
}

/// A rule as docs/rules.md defines it.
struct Definition {
    built: bool,
    explained: bool,
    tests: BTreeSet<String>,
}

/// Rules by number.
fn definitions(text: &str) -> BTreeMap<u32, Definition> {
    let mut definitions = BTreeMap::new();
    for section in text.split("\n### ").skip(1) {
        let section = section.split("\n## ").next().unwrap();
        let heading = section.lines().next().unwrap();
        let number = heading
            .split(' ')
            .next()
            .and_then(cited)
            .unwrap_or_else(|| panic!("no rule: {heading}"));
        let tests = section.split_once("**Tests.**").map_or("", |(_, tests)| tests);
        let definition = Definition {
            built: !section.contains("**Not built yet.**"),
            explained: section.contains("**Why.**"),
            tests: tests.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        let before = definitions.insert(number, definition);
        assert!(before.is_none(), "R{number} is defined twice");
    }
    definitions
}

fn defined() -> BTreeMap<u32, Definition> {
    definitions(&std::fs::read_to_string(root().join("docs/rules.md")).unwrap())
}

#[test]
fn every_rule_that_is_cited_is_defined() {
    let defined = defined();
    let mut seen = BTreeSet::new();
    for (path, text) in texts() {
        for number in words(&text).filter_map(cited) {
            assert!(
                defined.contains_key(&number),
                "{}: R{number} is not defined in docs/rules.md",
                path.display()
            );
            seen.insert(number);
        }
    }
    assert_eq!(seen, defined.keys().copied().collect());
    assert!(seen.len() >= 40, "{seen:?}");
}

#[test]
fn every_rule_says_why_and_names_tests_that_exist() {
    let texts = texts();
    let tests: BTreeSet<&str> = texts
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"))
        .flat_map(|(_, text)| tests_of(text))
        .collect();
    for (number, definition) in defined() {
        assert!(definition.explained, "R{number} does not say why");
        assert_eq!(
            definition.built,
            !definition.tests.is_empty(),
            "R{number}: a rule that is built names tests, and no other one does"
        );
        for name in &definition.tests {
            assert!(
                tests.contains(name.as_str()),
                "R{number}: there is no test {name}"
            );
        }
    }
}

#[test]
fn every_test_with_a_number_proves_a_rule_that_is_defined() {
    let defined = defined();
    let mut numbered = 0;
    for (path, text) in texts() {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        for name in tests_of(&text) {
            let numbers = proved(name);
            numbered += usize::from(!numbers.is_empty());
            for number in numbers {
                let rule = defined.get(&number);
                assert!(
                    rule.is_some_and(|rule| rule.built),
                    "{}: {name}: R{number} is not defined, or not built yet",
                    path.display()
                );
            }
        }
    }
    assert!(numbered >= 500, "{numbered}");
}

#[test]
fn numbers_are_read_from_citations_names_and_definitions() {
    let citations: Vec<u32> = words("as R1, R22 (a) and R37 say; R, R123, r4 and SR5 are none")
        .filter_map(cited)
        .collect();
    assert_eq!(citations, [1, 22, 37]);
    assert_eq!(proved("r02_r17_a_read"), [2, 17]);
    assert_eq!(proved("read_r02"), [0; 0]);
    let text = "#[tokio::test(flavor = \"multi_thread\")]\nasync fn r01_one() {}\nfn helper() {}\n#[test]\n#[ignore = \"x\"]\nfn two() {}";
    assert_eq!(tests_of(text), BTreeSet::from(["r01_one", "two"]));
    let text = "# Rules\n\n### R1 One\n\n**Why.** So.\n\n**Tests.** `r01_one`, `two`.\n\n## More\n\n### R2 Two\n\n**Not built yet.** No.\n";
    let read = definitions(text);
    assert!(read[&1].built && read[&1].explained && !read[&2].built && !read[&2].explained);
    assert_eq!(
        read[&1].tests,
        BTreeSet::from(["r01_one".to_owned(), "two".to_owned()])
    );
    assert!(read[&2].tests.is_empty());
}
