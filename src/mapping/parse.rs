//! Parser of the mapping file: from TOML to rows, with every mistake reported at its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check;
use super::computed_source::{self, PSEUDO};
use super::draft::RowDraft;
use super::errors::{MappingErrors, MistakeReport, suggestion};
use super::form::Form;
use super::row::{Literal, RowOrigin, RowSource, TableRow, TargetPath};
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

type TomlValue<'i> = Spanned<DeValue<'i>>;

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

fn target(report: &mut MistakeReport<'_>, value: &TomlValue<'_>) -> Option<(TargetPath, Range<usize>)> {
    let Some(text) = value.get_ref().as_str() else {
        report.at(
            &value.span(),
            "`target` is a string, such as \"asset.assetDetail.userAssetClass.name\"",
        );
        return None;
    };
    match TargetPath::parse(text) {
        Ok(target) => Some((target, value.span())),
        Err(reason) => {
            report.at(&value.span(), format!("target `{text}` {reason}"));
            None
        }
    }
}

fn known_form(report: &mut MistakeReport<'_>, value: &TomlValue<'_>) -> Option<Form> {
    let name = value.get_ref().as_str();
    let form = name.and_then(Form::from_name);
    if form.is_none() {
        let forms = Form::ALL.map(Form::name);
        match name {
            Some(name) => report.at_with(
                &value.span(),
                format!("unknown form `{name}`"),
                suggestion(name, forms),
            ),
            None => report.at(&value.span(), format!("`form` is one of {}", forms.join(", "))),
        }
    }
    form
}

fn attributes(names: Vec<String>, form: Option<Form>) -> RowOrigin {
    let attribute = |name: String| RowSource {
        form: form.unwrap_or_else(|| Form::natural(&name)),
        name,
    };
    RowOrigin::Sources(names.into_iter().map(attribute).collect())
}

/// Reports a source from which the form of its row cannot be read, and returns `false` for one.
fn readable(
    report: &mut MistakeReport<'_>,
    place: Range<usize>,
    names: &[String],
    form: Option<Form>,
) -> bool {
    let Some(form) = form.filter(|form| !form.reads().is_empty()) else {
        return true;
    };
    let other = names
        .iter()
        .find(|name| !form.reads().iter().any(|read| read.eq_ignore_ascii_case(name)));
    if let Some(other) = other {
        let reads = form.reads();
        report.at(
            &place,
            format!(
                "the form `{}` cannot be read from `{other}`: it reads {}; write source = \"{}\"",
                form.name(),
                reads.join(", "),
                reads.first().unwrap_or(&"")
            ),
        );
    }
    other.is_none()
}

/// Returns the mistake of a source that begins with `@`, in rows of `kind`.
fn unknown_pseudo(kind: Kind, name: &str) -> Option<String> {
    match computed_source::named(name) {
        Some(pseudo) if pseudo.kinds.contains(&kind) => None,
        Some(pseudo) => {
            let kinds: Vec<String> = pseudo.kinds.iter().map(|kind| format!("`[[{kind}]]`")).collect();
            Some(format!(
                "source `{name}` is for rows of {}, not of `[[{kind}]]`",
                kinds.join(" and ")
            ))
        }
        None => {
            let known = PSEUDO.iter().map(|pseudo| pseudo.name);
            Some(format!("unknown source `{name}`; {}", suggestion(name, known)))
        }
    }
}

/// Returns the attribute names of `source`, a name or a list of names.
fn sources(report: &mut MistakeReport<'_>, kind: Kind, value: &TomlValue<'_>) -> Option<Vec<String>> {
    let one = std::slice::from_ref(value);
    let listed: Vec<&TomlValue<'_>> = match value.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => one.iter().collect(),
    };
    if listed.is_empty() {
        report.at(
            &value.span(),
            "`source` is empty: name an attribute, such as \"mail\"",
        );
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let mut sound = true;
    for item in listed {
        let reason = match item.get_ref().as_str() {
            None => "`source` is the name of an attribute, or a list of names".to_owned(),
            Some("") => "`source` is empty: name an attribute, such as \"mail\"".to_owned(),
            Some(name)
                if name.starts_with('@')
                    && let Some(reason) = unknown_pseudo(kind, name) =>
            {
                reason
            }
            // RFC 4512 section 2.5: a name or a dotted number. Options after `;` are added by the
            // reader (R11).
            Some(name)
                if computed_source::named(name).is_none()
                    && !name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') =>
            {
                format!(
                    "source `{name}` is not the name of an attribute: letters, digits and hyphens, such as `mail`"
                )
            }
            Some(name) if names.iter().any(|other| other.eq_ignore_ascii_case(name)) => {
                format!("source `{name}` is named twice")
            }
            Some(name) => {
                names.push(name.to_owned());
                continue;
            }
        };
        report.at(&item.span(), reason);
        sound = false;
    }
    sound.then_some(names)
}

fn literal(report: &mut MistakeReport<'_>, key: &str, value: &TomlValue<'_>) -> Option<Literal> {
    let literal = match value.get_ref() {
        DeValue::String(text) => Some(Literal::Text(text.clone().into_owned())),
        DeValue::Boolean(boolean) => Some(Literal::Boolean(*boolean)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(Literal::Integer),
        _ => None,
    };
    if literal.is_none() {
        let found = value.get_ref().type_str();
        report.at(
            &value.span(),
            format!("`{key}` is a string, an integer of 64 bits, true or false; this is {found}"),
        );
    }
    literal
}

/// Reports a default of another type than the row gives otherwise.
fn fitting(report: &mut MistakeReport<'_>, place: Range<usize>, default: &Literal, sources: &[RowSource]) {
    for RowSource { form, .. } in sources {
        if form.output() != default.output() {
            let (name, wanted) = (form.name(), form.output());
            report.at(
                &place,
                format!(
                    "the default is {}, but the form `{name}` gives {wanted}",
                    default.output()
                ),
            );
            return;
        }
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
