//! One row of the mapping table.

use std::fmt;

use super::computed_source;
use super::form::{Form, JsonType};

/// The pseudo-source for the distinguished name of the object, which is no attribute.
const DN: &str = "dn";

/// One row: where a value comes from and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Where the value goes.
    pub target: TargetPath,
    /// Where it comes from.
    pub origin: RowOrigin,
    /// Whether an object without this value is rejected (R15).
    pub required: bool,
    /// What stands in when the sources give no value.
    pub default: Option<Literal>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOrigin {
    /// The first of these that gives a value. Never empty.
    Sources(Vec<RowSource>),
    /// The same value for every object.
    Constant(Literal),
}

impl TableRow {
    /// The sources, in the order in which they are asked; none for a constant.
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
    /// The name as written in the file; compared without case.
    pub name: String,
    /// How its values become JSON.
    pub form: Form,
}

impl RowSource {
    /// Whether this is `dn`, the distinguished name of the object, rather than an attribute to ask the directory for.
    #[must_use]
    pub fn is_dn(&self) -> bool {
        self.name.eq_ignore_ascii_case(DN)
    }

    /// The attributes that the directory has to be asked for.
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
    /// What sort of JSON value it is.
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
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", serde_json::Value::from(self))
    }
}

/// A path of keys in the asset, beginning with `asset`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetPath(Vec<String>);

/// How two targets stand in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetClash {
    /// Both are the same.
    Same,
    /// The other one would have to be a value and an object at once.
    OtherHoldsThis,
    /// This one would have to be a value and an object at once.
    ThisHoldsOther,
}

impl TargetPath {
    /// Where ETM expects the identity of an asset.
    pub const EXTERNAL_ID: &str = "asset.assetHeader.externalAssetId";

    /// The most keys a path has. JSON readers stop at some depth (`serde_json` at 128), and no asset is near this.
    const MAX_DEPTH: usize = 32;

    /// The path in `text`.
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

    /// The keys from the outermost, `asset`, to the innermost.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether this is where the identity goes.
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
