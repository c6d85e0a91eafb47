//! One row of the mapping table.

use std::fmt;

use super::computed_source;
use super::form::{Form, JsonType};

/// Pseudo-source for the distinguished name of the object, which is no attribute.
const DN: &str = "dn";

/// Row of the mapping: the origin of a value and its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Target of the value.
    pub target: TargetPath,
    /// Origin of the value.
    pub origin: RowOrigin,
    /// `true` when an object without this value is rejected (R15).
    pub required: bool,
    /// Value that is used when the sources give none.
    pub default: Option<Literal>,
}

/// Origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOrigin {
    /// Sources, the first of which that gives a value is used. Never empty.
    Sources(Vec<RowSource>),
    /// Constant, the same for every object.
    Constant(Literal),
}

impl TableRow {
    /// Returns the sources, in the order in which they are read; none for a constant.
    #[must_use]
    pub fn sources(&self) -> &[RowSource] {
        match &self.origin {
            RowOrigin::Sources(sources) => sources,
            RowOrigin::Constant(_) => &[],
        }
    }
}

/// A source attribute and the form in which it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSource {
    /// Name as written in the file; compared without case.
    pub name: String,
    /// Form of its values.
    pub form: Form,
}

impl RowSource {
    /// Returns `true` for `dn`, the distinguished name of the object, which is no attribute to
    /// request from the directory.
    #[must_use]
    pub fn is_dn(&self) -> bool {
        self.name.eq_ignore_ascii_case(DN)
    }

    /// Returns the attributes to request from the directory.
    pub(super) fn asks_for(&self) -> impl Iterator<Item = &str> {
        let pseudo = computed_source::named(&self.name);
        let itself = (!self.is_dn() && pseudo.is_none()).then_some(self.name.as_str());
        let needed = pseudo.map_or(&[][..], |pseudo| pseudo.needs);
        itself
            .into_iter()
            .chain(needed.iter().chain(self.form.reads()).copied())
    }
}

/// A value written in the mapping file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
}

impl Literal {
    /// Returns the type of the JSON value.
    #[must_use]
    pub const fn output(&self) -> JsonType {
        match self {
            Self::Text(_) => JsonType::Text,
            Self::Integer(_) => JsonType::Integer,
            Self::Boolean(_) => JsonType::Boolean,
        }
    }
}

impl From<&Literal> for serde_json::Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Text(text) => Self::from(text.as_str()),
            Literal::Integer(number) => Self::from(*number),
            Literal::Boolean(boolean) => Self::from(*boolean),
        }
    }
}

impl fmt::Display for Literal {
    /// Writes the value as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", serde_json::Value::from(self))
    }
}

/// A path of keys in the asset, beginning with `asset`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetPath(Vec<String>);

/// Conflict between two targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetClash {
    /// Both targets are the same.
    Same,
    /// The other target would have to be a value and an object at once.
    OtherHoldsThis,
    /// This target would have to be a value and an object at once.
    ThisHoldsOther,
}

impl TargetPath {
    /// Path at which ETM expects the identity of an asset.
    pub const EXTERNAL_ID: &str = "asset.assetHeader.externalAssetId";

    /// Most keys of a path. JSON readers stop at some depth (`serde_json` at 128), and no asset is
    /// near this.
    const MAX_DEPTH: usize = 32;

    /// Parses the path in `text`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
        if keys.first().is_none_or(|key| key != "asset") || keys.len() < 2 {
            return Err("must begin with `asset.`, such as asset.assetDetail.userAssetClass.name");
        }
        if keys.len() > Self::MAX_DEPTH {
            return Err("has more than 32 keys");
        }
        if keys.iter().any(String::is_empty) {
            return Err("has an empty key: two dots in a row, or one at the end");
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']');
        if keys.iter().any(|key| key.contains(odd)) {
            return Err(
                "has a space or a bracket in it: keys are joined by dots alone, and places in a list cannot be named \
                        (the form `list` makes a list)",
            );
        }
        Ok(Self(keys))
    }

    /// Returns the keys from the outermost, `asset`, to the innermost.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Returns `true` for the path of the identity.
    #[must_use]
    pub fn is_external_id(&self) -> bool {
        self.0.iter().map(String::as_str).eq(Self::EXTERNAL_ID.split('.'))
    }

    pub(super) fn clash(&self, other: &Self) -> Option<TargetClash> {
        let shared = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count();
        match (shared == self.0.len(), shared == other.0.len()) {
            (true, true) => Some(TargetClash::Same),
            (false, true) => Some(TargetClash::OtherHoldsThis),
            (true, false) => Some(TargetClash::ThisHoldsOther),
            (false, false) => None,
        }
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
