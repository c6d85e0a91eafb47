//! Plans of the statements that a page, a batch or a removal runs: none looks through a table that
//! grows with the directory.

use super::*;
use crate::store::guid_list::with_given_guids;

const SOURCES: [&str; 8] = [
    include_str!("../page_statements.rs"),
    include_str!("../ownership.rs"),
    include_str!("../settle.rs"),
    include_str!("../batch.rs"),
    include_str!("../remove.rs"),
    include_str!("../recheck.rs"),
    include_str!("../container.rs"),
    include_str!("../unidentified.rs"),
];

/// Returns the statements among the string literals of a source file.
fn statements(source: &str) -> Vec<String> {
    let literals = source.split('"').skip(1).step_by(2);
    literals
        .map(str::trim)
        .filter(|text| {
            ["SELECT ", "UPDATE ", "INSERT ", "DELETE "]
                .iter()
                .any(|word| text.starts_with(word))
        })
        // Those that are put together from parts have no parameters in the order of their numbers.
        .filter(|text| !text.contains('{'))
        .map(|text| match text.contains("FROM given") {
            true => [with_given_guids!(), text].concat(),
            false => text.to_owned(),
        })
        .collect()
}

#[test]
fn no_statement_of_a_page_or_batch_looks_through_what_grows_with_the_directory() {
    let room = Room::new();
    let sqlite = room.store.sqlite();
    let mut seen = 0;
    for statement in SOURCES.iter().flat_map(|source| statements(source)) {
        let mut plan = sqlite
            .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
            .unwrap();
        for place in 1..=plan.parameter_count() {
            plan.raw_bind_parameter(place, rusqlite::types::Null).unwrap();
        }
        let mut rows = plan.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get("detail").unwrap();
            let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let small = [
                "sequence",
                "page",
                "p",
                "batch",
                "b",
                "released",
                "r",
                "leaving",
                "l",
                "c",
                "single",
                "moving",
                "m",
                "verdict",
                "v",
                "place",
                "unidentified",
                "missed",
                "octet",
                "g",
            ];
            assert!(
                scanned.is_none_or(|table| small.contains(&table) || step.contains("CONSTANT ROW")),
                "{step}: {statement}"
            );
        }
        seen += 1;
    }
    assert!(seen > 35, "{seen} statements");
}
