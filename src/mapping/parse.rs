//! Parser of the mapping file: from TOML to rows, with every mistake reported at its line.

use std::ops::Range;

use toml::de::DeTable;

use super::check;
use super::draft::RowDraft;
use super::errors::{MappingErrors, MistakeReport, suggestion};
use super::row::{Literal, RowOrigin, TableRow, TargetPath};
use super::row_values::{TomlValue, attributes, fitting, known_form, literal, readable, sources, target};
use crate::identity::Kind;

/// Name of the table with the constants for removed objects.
const REMOVED: &str = "removed";
/// Keys of a row.
const KEYS: [&str; 6] = ["source", "constant", "form", "target", "required", "default"];

/// Mapping file without mistakes.
#[derive(Debug, Default)]
pub(super) struct ParsedMapping {
    /// Rows by kind. Never an empty list of rows.
    pub(super) kinds: Vec<(Kind, Vec<TableRow>)>,
    pub(super) removed: Vec<(TargetPath, Literal)>,
}

/// Reads `text`, the contents of the file named `file`.
pub(super) fn read(file: &str, text: &str) -> Result<ParsedMapping, MappingErrors> {
    let mut report = MistakeReport::new(file, text);
    let (document, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        report.at(
            &mistake.span().unwrap_or(0..0),
            format!("not TOML: {}", mistake.message()),
        );
    }
    // After an error in the TOML whole rows may be lost; the keys in them are not reported as
    // missing.
    let whole = report.is_empty();
    let mut kinds = Vec::new();
    let mut removed = Vec::new();
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if let Some(kind) = Kind::from_name(name) {
            kinds.push((kind, drafts(&mut report, kind, value)));
        } else if name == REMOVED {
            constants(&mut report, value, "", &mut removed);
        } else {
            let known = Kind::ALL.map(Kind::name).into_iter().chain([REMOVED]);
            report.at_with(
                &key.span(),
                format!("unknown table `{name}`"),
                suggestion(name, known),
            );
        }
    }
    kinds.retain(|(_, drafts)| !drafts.is_empty());
    kinds.sort_by_key(|(kind, _)| *kind);
    removed.sort_by_key(|(_, place, _)| place.start);
    for (kind, drafts) in &kinds {
        check::clashes(&mut report, drafts);
        check::identity(&mut report, *kind, drafts, whole);
    }
    check::removal(&mut report, &kinds, &removed);
    if kinds.is_empty() && report.is_empty() {
        report.whole(
            "has no rows: write `[[user]]` or `[[group]]` tables, or take config/mapping.toml as a start",
        );
    }
    report.finish(ParsedMapping {
        kinds: kinds
            .into_iter()
            .map(|(kind, drafts)| (kind, drafts.into_iter().filter_map(row).collect()))
            .collect(),
        removed: removed
            .into_iter()
            .map(|(target, _, literal)| (target, literal))
            .collect(),
    })
}

/// Returns the row of a draft without a mistake.
fn row(draft: RowDraft) -> Option<TableRow> {
    let RowDraft {
        target,
        origin,
        required,
        default,
        ..
    } = draft;
    Some(TableRow {
        target: target?.0,
        origin: origin?,
        required,
        default,
    })
}

fn drafts(report: &mut MistakeReport<'_>, kind: Kind, value: &TomlValue<'_>) -> Vec<RowDraft> {
    let rows = value
        .get_ref()
        .as_array()
        .filter(|rows| rows.iter().all(|row| row.get_ref().is_table()));
    let Some(rows) = rows else {
        report.at(
            &value.span(),
            format!("`{kind}` is a list of rows: write `[[{kind}]]` above each"),
        );
        return Vec::new();
    };
    rows.iter()
        .filter_map(|row| {
            row.get_ref()
                .as_table()
                .map(|table| draft(report, kind, row.span(), table))
        })
        .collect()
}

fn draft(report: &mut MistakeReport<'_>, kind: Kind, place: Range<usize>, table: &DeTable<'_>) -> RowDraft {
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        if !KEYS.contains(&name) {
            report.at_with(
                &key.span(),
                format!("unknown key `{name}`"),
                suggestion(name, KEYS),
            );
        }
    }
    let target = match table.get("target") {
        Some(value) => target(report, value),
        None => {
            report.at(&place, "the row has no `target`: say where the value goes, such as asset.assetDetail.userAssetClass.name");
            None
        }
    };
    let form = table.get("form");
    let origin = match (table.get("source"), table.get("constant")) {
        (Some(source), None) => {
            let form = form.map(|value| known_form(report, value));
            match (sources(report, kind, source), form) {
                (_, Some(None)) | (None, _) => None,
                (Some(names), form) => {
                    let form = form.flatten();
                    readable(report, source.span(), &names, form).then(|| attributes(names, form))
                }
            }
        }
        (None, Some(constant)) => {
            for key in ["form", "default"] {
                if let Some(value) = table.get(key) {
                    report.at(
                        &value.span(),
                        format!("a constant has no `{key}`: it is given as it is written"),
                    );
                }
            }
            literal(report, "constant", constant).map(RowOrigin::Constant)
        }
        (Some(_), Some(constant)) => {
            report.at(&constant.span(), "`source` and `constant` exclude each other: keep one; for a value of last resort use `default`");
            None
        }
        (None, None) => {
            report.at(
                &place,
                "the row has neither `source` nor `constant`: say where the value comes from",
            );
            None
        }
    };
    let required = table.get("required").is_some_and(|value| {
        value.get_ref().as_bool().unwrap_or_else(|| {
            report.at(&value.span(), "`required` is true or false");
            false
        })
    });
    let default = table
        .get("default")
        .filter(|_| table.get("constant").is_none())
        .and_then(|value| {
            let default = literal(report, "default", value)?;
            if let Some(RowOrigin::Sources(sources)) = &origin {
                fitting(report, value.span(), &default, sources);
            }
            Some(default)
        });
    RowDraft {
        place,
        target,
        origin,
        required,
        default,
    }
}

/// Reads the constants below `[removed]`, whether written as one dotted key, quoted or not, or as
/// tables.
fn constants(
    report: &mut MistakeReport<'_>,
    value: &TomlValue<'_>,
    prefix: &str,
    found: &mut Vec<(TargetPath, Range<usize>, Literal)>,
) {
    let Some(table) = value.get_ref().as_table() else {
        report.at(&value.span(), "`removed` is a table: write `[removed]` and below it lines such as asset.assetDetail.status = \"REMOVED\"");
        return;
    };
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        if value.get_ref().is_table() {
            constants(report, value, &format!("{path}."), found);
            continue;
        }
        match TargetPath::parse(&path) {
            Err(reason) => report.at(&key.span(), format!("target `{path}` {reason}")),
            Ok(target) => {
                found.extend(literal(report, &path, value).map(|literal| (target, key.span(), literal)))
            }
        }
    }
}
