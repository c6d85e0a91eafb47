//! Explanation of each row for one object (`preview`).

use std::fmt;

use super::evaluate::RowValue;
use super::row::{Literal, RowOrigin, RowSource, TableRow};
use super::source::ObjectSource;

/// Most bytes of a raw value that are shown; a photo in the directory has 100,000.
const SHOWN_BYTES: usize = 256;

/// Explanation of one row for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowExplanation {
    /// Sources with their raw values, in the order of the row; empty for a constant.
    pub sources: Vec<RawSource>,
    /// Form that was applied: that of the source that gave the value, else of the first; `constant`
    /// for a constant.
    pub form: &'static str,
    /// Path in the asset.
    pub target: String,
    /// `true` when the object is rejected without this value.
    pub required: bool,
    /// Outcome of the row.
    pub outcome: RowOutcome,
    /// Sources that had a value which could not be decoded: name and cause.
    pub faults: Vec<(String, String)>,
}

/// One source attribute as the directory returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSource {
    /// Name as the mapping writes it.
    pub attribute: String,
    /// Values as text, or in hexadecimal (`0x…`) when they are binary; long ones are cut.
    pub values: Vec<String>,
    /// `true` when this source gave the value.
    pub used: bool,
}

/// Outcome of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOutcome {
    /// A source gave the value; as JSON.
    Value(String),
    /// Constant of the row; as JSON.
    Constant(String),
    /// Default of the row, since no source gave a value; as JSON.
    Default(String),
    /// The key is left out, because no source has a value.
    Absent,
    /// The key is left out, because the values of the sources cannot be decoded.
    Undecodable,
    /// The object is rejected; with the reason.
    Rejected(String),
}

impl RowOutcome {
    /// Returns the JSON in the asset, if there is any.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Value(json) | Self::Constant(json) | Self::Default(json) => Some(json),
            Self::Absent | Self::Undecodable | Self::Rejected(_) => None,
        }
    }
}

impl fmt::Display for RowOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(json) | Self::Constant(json) => f.write_str(json),
            Self::Default(json) => write!(f, "{json} (default)"),
            Self::Absent => f.write_str("left out: absent"),
            Self::Undecodable => f.write_str("left out: cannot be decoded"),
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
        }
    }
}

pub(super) fn explain<S: ObjectSource>(row: &TableRow, source: &S) -> RowExplanation {
    let reading = row.read(source);
    let raw = |attribute: &RowSource| RawSource {
        attribute: attribute.name.clone(),
        values: if attribute.is_dn() {
            vec![shown(source.dn().as_bytes(), false)]
        } else {
            source
                .values(&attribute.name)
                .map(|value| shown(value, attribute.form.is_binary()))
                .collect()
        },
        used: reading.from == Some(attribute),
    };
    let form = match &row.origin {
        RowOrigin::Constant(_) => "constant",
        RowOrigin::Sources(sources) => reading
            .from
            .or(sources.first())
            .map_or("", |attribute| attribute.form.name()),
    };
    let faults: Vec<_> = reading
        .faults
        .iter()
        .map(|(at, cause)| (at.name.clone(), cause.to_string()))
        .collect();
    let outcome = match &reading.found {
        RowValue::Value(value) => {
            let mut json = Vec::new();
            value.write(&mut json);
            RowOutcome::Value(String::from_utf8_lossy(&json).into_owned())
        }
        RowValue::Constant(literal) => RowOutcome::Constant(Literal::to_string(literal)),
        RowValue::Default(literal) => RowOutcome::Default(Literal::to_string(literal)),
        RowValue::Nothing if faults.is_empty() => RowOutcome::Absent,
        RowValue::Nothing => RowOutcome::Undecodable,
        RowValue::Rejected(unmappable) => RowOutcome::Rejected(unmappable.to_string()),
    };
    let mut sources: Vec<RawSource> = row.sources().iter().map(raw).collect();
    for attribute in row.sources() {
        for name in attribute.form.reads() {
            if sources.iter().any(|raw| raw.attribute.eq_ignore_ascii_case(name)) {
                continue;
            }
            sources.push(RawSource {
                attribute: (*name).to_owned(),
                values: source.values(name).map(|value| shown(value, false)).collect(),
                used: reading.from == Some(attribute),
            });
        }
    }
    RowExplanation {
        sources,
        form,
        target: row.target.to_string(),
        required: row.required,
        outcome,
        faults,
    }
}

/// Formats a raw value for display: text where it is text, else hexadecimal.
fn shown(value: &[u8], binary: bool) -> String {
    let text = std::str::from_utf8(value).ok();
    // Some SIDs are valid UTF-8, but none without control characters: the first byte is 1.
    let text = text.filter(|text| !binary && !text.chars().any(char::is_control));
    let mut shown: String = match text {
        Some(text) => {
            let ends = text
                .char_indices()
                .map(|(at, character)| at + character.len_utf8());
            let end = ends.take_while(|end| *end <= SHOWN_BYTES).last().unwrap_or(0);
            text.get(..end).unwrap_or(text).to_owned()
        }
        None => {
            let hex = value.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}"));
            std::iter::once("0x".to_owned()).chain(hex).collect()
        }
    };
    if value.len() > SHOWN_BYTES {
        shown.push_str(&format!("… ({} bytes)", value.len()));
    }
    shown
}
