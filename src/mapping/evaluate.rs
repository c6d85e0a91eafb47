//! Evaluation of one row for one object.

use std::fmt;

use super::form::{self, DecodeFault, Form, FormedValue};
use super::row::{Literal, RowOrigin, RowSource, TableRow, TargetPath};
use super::source::ObjectSource;
use crate::identity::Kind;

/// Reason for which an object cannot become an asset (R15).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unmappable {
    /// Attributes that were read for the value, in the order of the row. Empty with
    /// [`UnmappableCause::NoRows`].
    pub attributes: Vec<String>,
    /// Target of the value.
    pub target: String,
    /// Cause.
    pub cause: UnmappableCause,
}

/// Cause that makes an object unmappable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnmappableCause {
    /// The mapping has no rows for this kind.
    NoRows(Kind),
    /// A required value is absent.
    Missing,
    /// A required value is present, but the form cannot decode it; with the name of the attribute.
    Undecodable(String, DecodeFault),
}

impl Unmappable {
    pub(super) const fn no_rows(kind: Kind) -> Self {
        Self {
            attributes: Vec::new(),
            target: String::new(),
            cause: UnmappableCause::NoRows(kind),
        }
    }

    pub(super) fn no_identity() -> Self {
        Self {
            attributes: Vec::new(),
            target: TargetPath::EXTERNAL_ID.to_owned(),
            cause: UnmappableCause::Missing,
        }
    }

    fn of(row: &TableRow, target: &TargetPath, faults: Vec<(&RowSource, DecodeFault)>) -> Self {
        let fault = faults.into_iter().next();
        Self {
            attributes: row.sources().iter().map(|source| source.name.clone()).collect(),
            target: target.to_string(),
            cause: fault.map_or(UnmappableCause::Missing, |(source, cause)| {
                UnmappableCause::Undecodable(source.name.clone(), cause)
            }),
        }
    }
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            UnmappableCause::NoRows(kind) => write!(
                f,
                "the mapping has no rows for the kind {kind}; add `[[{kind}]]` tables to it"
            ),
            UnmappableCause::Missing => write!(
                f,
                "{} is missing, but {} requires it; set it in the directory, or let the account read it",
                self.attributes.join(" or "),
                self.target
            ),
            UnmappableCause::Undecodable(attribute, cause) => {
                write!(
                    f,
                    "{attribute} cannot be decoded, but {} requires it: {cause}",
                    self.target
                )
            }
        }
    }
}

/// Value of a row for an object.
pub(super) enum RowValue<'a> {
    /// The value of a source.
    Value(FormedValue<'a>),
    /// The row's constant.
    Constant(&'a Literal),
    /// The row's default.
    Default(&'a Literal),
    /// No value: the key is left out.
    Nothing,
    /// The object is rejected.
    Rejected(Unmappable),
}

/// Value of a row with its origin.
pub(super) struct RowReading<'a> {
    pub(super) found: RowValue<'a>,
    /// Source that gave the value.
    pub(super) from: Option<&'a RowSource>,
    /// Sources with a value that could not be decoded. Only kept where the value is not required.
    pub(super) faults: Vec<(&'a RowSource, DecodeFault)>,
}

impl TableRow {
    /// Reads the sources one after the other; the first that gives a value is used.
    pub(super) fn read<'a, S: ObjectSource>(&'a self, source: &'a S) -> RowReading<'a> {
        let sources = match &self.origin {
            RowOrigin::Constant(literal) => {
                return RowReading {
                    found: RowValue::Constant(literal),
                    from: None,
                    faults: Vec::new(),
                };
            }
            RowOrigin::Sources(sources) => sources,
        };
        let mut faults = Vec::new();
        for attribute in sources {
            match attribute.read(source) {
                Ok(Some(value)) => {
                    return RowReading {
                        found: RowValue::Value(value),
                        from: Some(attribute),
                        faults,
                    };
                }
                Ok(None) => {}
                Err(cause) => faults.push((attribute, cause)),
            }
        }
        // A value that is present but cannot be decoded is not replaced by the default where one is
        // required.
        let found = match &self.default {
            Some(default) if !self.required || faults.is_empty() => RowValue::Default(default),
            _ if self.required => {
                RowValue::Rejected(Unmappable::of(self, &self.target, std::mem::take(&mut faults)))
            }
            _ => RowValue::Nothing,
        };
        RowReading {
            found,
            from: None,
            faults,
        }
    }
}

impl RowSource {
    fn read<'a, S: ObjectSource>(&self, source: &'a S) -> Result<Option<FormedValue<'a>>, DecodeFault> {
        if self.form == Form::AccountStatus {
            form::account_status(source)
        } else if self.is_dn() {
            self.form.decode(std::iter::once(source.dn().as_bytes()))
        } else {
            self.form.decode(source.values(&self.name))
        }
    }
}
