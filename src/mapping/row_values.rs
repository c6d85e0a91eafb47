//! Values of the keys of a row, with every mistake reported at its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::computed_source::{self, PSEUDO};
use super::errors::{MistakeReport, suggestion};
use super::form::Form;
use super::row::{Literal, RowOrigin, RowSource, TargetPath};
use crate::identity::Kind;

/// Value in the file, with its place.
pub(super) type TomlValue<'i> = Spanned<DeValue<'i>>;

/// Returns the target of a row, with its place.
pub(super) fn target(
    report: &mut MistakeReport<'_>,
    value: &TomlValue<'_>,
) -> Option<(TargetPath, Range<usize>)> {
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

/// Returns the form that a row names.
pub(super) fn known_form(report: &mut MistakeReport<'_>, value: &TomlValue<'_>) -> Option<Form> {
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

/// Returns the sources of a row, each with its form.
pub(super) fn attributes(names: Vec<String>, form: Option<Form>) -> RowOrigin {
    let attribute = |name: String| RowSource {
        form: form.unwrap_or_else(|| Form::natural(&name)),
        name,
    };
    RowOrigin::Sources(names.into_iter().map(attribute).collect())
}

/// Reports a source from which the form of its row cannot be read, and returns `false` for one.
pub(super) fn readable(
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
pub(super) fn sources(
    report: &mut MistakeReport<'_>,
    kind: Kind,
    value: &TomlValue<'_>,
) -> Option<Vec<String>> {
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

/// Returns a constant or a default.
pub(super) fn literal(report: &mut MistakeReport<'_>, key: &str, value: &TomlValue<'_>) -> Option<Literal> {
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
pub(super) fn fitting(
    report: &mut MistakeReport<'_>,
    place: Range<usize>,
    default: &Literal,
    sources: &[RowSource],
) {
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
