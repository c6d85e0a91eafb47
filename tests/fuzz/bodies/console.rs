//! Any answers of the Qualys API: each ends as a list or a fault, within bounds.
//!
//! Compiled for the fuzzer and the tests alone.

use super::account::ConsoleAccount;
use super::answer;
use super::asset_group::AssetGroup;
use super::xml::{self, Element, XmlFault};

/// Reads an answer as each of the lists.
pub fn run(bytes: &[u8]) {
    for record in ["USER", "ASSET_GROUP", "User", ""] {
        let mut records = Vec::new();
        let read = xml::read(bytes, record, &mut |element| records.push(element));
        for element in &records {
            assert_eq!(element.name, record);
            bounded(element, 0);
            let account = ConsoleAccount::of_user_list(element);
            let text = serde_json::to_string(&account).unwrap_or_default();
            let again: Option<ConsoleAccount> = serde_json::from_str(&text).ok();
            assert_eq!(Some(&account), again.as_ref(), "an account reads back the same");
            let _ = (
                ConsoleAccount::of_rbac_search(element),
                AssetGroup::of_list(element),
            );
        }
        match read {
            Ok(root) => {
                bounded(&root, 0);
                if let Some(refusal) = answer::refusal(&root) {
                    let _ = (refusal.reaction(200), refusal.reaction(409), refusal.to_string());
                }
            }
            Err(fault) => {
                assert!(fault.to_string().len() < 4096, "{fault}");
                // The parser takes the word in any case.
                let declares = bytes
                    .windows(9)
                    .any(|window| window.eq_ignore_ascii_case(b"<!DOCTYPE"));
                assert!(fault != XmlFault::Declarations || declares);
            }
        }
    }
}

/// Checks that an element is nested no deeper than the bound.
fn bounded(element: &Element, depth: usize) {
    assert!(depth <= 32);
    element
        .children
        .iter()
        .for_each(|child| bounded(child, depth + 1));
}

#[cfg(test)]
mod tests {
    #[test]
    fn r12_what_the_fuzzer_kept_is_read_within_bounds() {
        crate::fuzzing::replay("console", super::run);
    }

    /// Answers with parts changed, doubled and left out, the same ones each time.
    #[test]
    fn r12_changed_answers_are_read_within_bounds() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/console");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        let mut rng = fastrand::Rng::with_seed(36);
        for file in files {
            let whole = std::fs::read(&file).unwrap();
            for _ in 0..400 {
                let mut changed = whole.clone();
                for _ in 0..rng.usize(1..6) {
                    let at = rng.usize(..changed.len());
                    let end = (at + rng.usize(..40)).min(changed.len());
                    match rng.u8(..4) {
                        0 => changed[at] = rng.u8(..),
                        1 => drop(changed.drain(at..end)),
                        2 => {
                            let part = changed[at..end].to_vec();
                            changed.splice(at..at, part);
                        }
                        _ => changed.truncate(at.max(1)),
                    }
                    changed.push(b'>');
                }
                super::run(&changed);
            }
        }
    }
}
