//! What one row finds in one object.

use std::fmt;

use super::form::{self, Form, Undecodable, Value};
use super::row::{Attribute, Literal, Origin, Row, Target};
use super::source::Source;
use crate::identity::Kind;

/// Why an object cannot become an asset (R15).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unmappable {
    /// The attributes that were asked for the value, in the order of the row. Empty with [`Cause::NoRows`].
    pub attributes: Vec<String>,
    /// Where the value should have gone.
    pub target: String,
    /// What is wrong.
    pub cause: Cause,
}

/// What makes an object unmappable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The mapping has no rows for this kind.
    NoRows(Kind),
    /// A required value is absent.
    Missing,
    /// A required value is there, but is not what the form needs; says which attribute.
    Undecodable(String, Undecodable),
}

impl Unmappable {
    pub(super) const fn no_rows(kind: Kind) -> Self {
        Self {
            attributes: Vec::new(),
            target: String::new(),
            cause: Cause::NoRows(kind),
        }
    }

    pub(super) fn no_identity() -> Self {
        Self {
            attributes: Vec::new(),
            target: Target::EXTERNAL_ID.to_owned(),
            cause: Cause::Missing,
        }
    }

    fn of(row: &Row, target: &Target, faults: Vec<(&Attribute, Undecodable)>) -> Self {
        let fault = faults.into_iter().next();
        Self {
            attributes: row.sources().iter().map(|source| source.name.clone()).collect(),
            target: target.to_string(),
            cause: fault.map_or(Cause::Missing, |(source, cause)| {
                Cause::Undecodable(source.name.clone(), cause)
            }),
        }
    }
}

impl fmt::Display for Unmappable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::NoRows(kind) => write!(
                f,
                "the mapping has no rows for the kind {kind}; add `[[{kind}]]` tables to it"
            ),
            Cause::Missing => write!(
                f,
                "{} is missing, but {} requires it; set it in the directory, or let the account read it",
                self.attributes.join(" or "),
                self.target
            ),
            Cause::Undecodable(attribute, cause) => {
                write!(
                    f,
                    "{attribute} cannot be decoded, but {} requires it: {cause}",
                    self.target
                )
            }
        }
    }
}

/// What a row gives for an object.
pub(super) enum Found<'a> {
    /// The value of a source.
    Value(Value<'a>),
    /// The row's constant.
    Constant(&'a Literal),
    /// The row's default.
    Default(&'a Literal),
    /// Nothing: the key is left out.
    Nothing,
    /// The object is rejected.
    Rejected(Unmappable),
}

/// A row's answer with what led to it.
pub(super) struct Reading<'a> {
    pub(super) found: Found<'a>,
    /// The source that gave the value.
    pub(super) from: Option<&'a Attribute>,
    /// Sources that had something which could not be decoded. Only kept where the value is not required.
    pub(super) faults: Vec<(&'a Attribute, Undecodable)>,
}

impl Row {
    /// Asks the sources one after the other; the first that gives a value is taken.
    pub(super) fn read<'a, S: Source>(&'a self, source: &'a S) -> Reading<'a> {
        let sources = match &self.origin {
            Origin::Constant(literal) => {
                return Reading {
                    found: Found::Constant(literal),
                    from: None,
                    faults: Vec::new(),
                };
            }
            Origin::Sources(sources) => sources,
        };
        let mut faults = Vec::new();
        for attribute in sources {
            match attribute.read(source) {
                Ok(Some(value)) => {
                    return Reading {
                        found: Found::Value(value),
                        from: Some(attribute),
                        faults,
                    };
                }
                Ok(None) => {}
                Err(cause) => faults.push((attribute, cause)),
            }
        }
        // A value that is there but cannot be read is no reason for the default to stand in where one is required.
        let found = match &self.default {
            Some(default) if !self.required || faults.is_empty() => Found::Default(default),
            _ if self.required => {
                Found::Rejected(Unmappable::of(self, &self.target, std::mem::take(&mut faults)))
            }
            _ => Found::Nothing,
        };
        Reading {
            found,
            from: None,
            faults,
        }
    }
}

impl Attribute {
    fn read<'a, S: Source>(&self, source: &'a S) -> Result<Option<Value<'a>>, Undecodable> {
        if self.form == Form::AccountStatus {
            form::account_status(source)
        } else if self.is_dn() {
            self.form.decode(std::iter::once(source.dn().as_bytes()))
        } else {
            self.form.decode(source.values(&self.name))
        }
    }
}
