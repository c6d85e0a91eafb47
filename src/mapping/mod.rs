//! Mapping: an editable table that turns an object of the directory into an asset.
//!
//! A [`Mapping`] is read once ([`Mapping::load`], every mistake reported in one pass), compiled to
//! a tree in the shape of the asset, and applied to any [`ObjectSource`]. The same object and the
//! same mapping give the same bytes (R16), so a comparison of bytes shows whether there is anything
//! to send (R17).

mod asset_writer;
mod check;
mod computed_source;
mod draft;
mod errors;
mod evaluate;
mod explain;
mod form;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/mapping.rs"]
pub mod fuzzing;
mod links;
mod natural_form;
mod parse;
mod removal;
mod row;
mod row_values;
mod source;
#[cfg(test)]
mod tests;
mod untracked;

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use computed_source::{GROUPS, MEMBER_COUNT, MEMBERS};
pub use errors::{MappingError, MappingErrors};
pub use evaluate::{Unmappable, UnmappableCause};
pub use explain::{RawSource, RowExplanation, RowOutcome};
pub use form::{DecodeFault, Form, JsonType};
pub use links::{LinkAttribute, ShownName};
pub use row::{Literal, RowOrigin, RowSource, TableRow, TargetPath};
pub use source::ObjectSource;

use crate::identity::Kind;

/// Asset of one object, as ETM receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Value at [`TargetPath::EXTERNAL_ID`].
    pub external_id: String,
    /// One element of `assetData`, `{"asset":{…}}`: compact, on one line, keys in the order of the
    /// table.
    pub json: String,
}

/// A mapping table, checked and ready to apply.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    tables: BTreeMap<Kind, CompiledTable>,
    removed: Vec<(TargetPath, Literal)>,
}

/// Rows of one kind, as written and as a tree.
#[derive(Debug, Clone)]
struct CompiledTable {
    rows: Vec<TableRow>,
    tree: Vec<asset_writer::AssetNode>,
}

/// Default table, and the name under which its mistakes would be reported.
const BUILTIN: (&str, &str) = ("config/mapping.toml", include_str!("../../config/mapping.toml"));

impl Mapping {
    /// Returns the default table, `config/mapping.toml` as it was when the program was built.
    #[must_use]
    pub fn builtin() -> Self {
        // A test parses the file, so the empty mapping is never used here.
        Self::parse(BUILTIN.0, BUILTIN.1).unwrap_or_default()
    }

    /// Returns the text of the default table, comments included: a user may start from it.
    #[must_use]
    pub const fn builtin_text() -> &'static str {
        BUILTIN.1
    }

    /// Reads the file at `path` (`MAPPING_FILE`).
    ///
    /// # Errors
    /// The file cannot be read, or holds mistakes: all of them, each with its line.
    pub fn load(path: &Path) -> Result<Self, MappingErrors> {
        let name = path.display().to_string();
        let mut report = errors::MistakeReport::new(&name, "");
        match std::fs::read(path) {
            Err(error) => report.whole(format!(
                "the mapping file cannot be read: {error}; MAPPING_FILE names it, and without MAPPING_FILE the \
                 built-in table is used"
            )),
            Ok(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => return Self::parse(&name, text),
                Err(error) => {
                    let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
                    report.whole(format!("line {line} is not UTF-8 text; save the file as UTF-8"));
                }
            },
        }
        report.finish(Self::default())
    }

    /// Reads `text`, the contents of a mapping file, reporting mistakes under `file_name`.
    ///
    /// # Errors
    /// The text holds mistakes: all of them, each with its line.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, MappingErrors> {
        let table = parse::read(file_name, text)?;
        let compile = |(kind, rows): (Kind, Vec<TableRow>)| {
            (
                kind,
                CompiledTable {
                    tree: asset_writer::compile(&rows),
                    rows,
                },
            )
        };
        Ok(Self {
            tables: table.kinds.into_iter().map(compile).collect(),
            removed: table.removed,
        })
    }

    /// Returns `true` when there are rows for this kind. A kind without rows cannot become assets.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.tables.contains_key(&kind)
    }

    /// Returns the rows of a kind, in the order of the file; none when the kind has no table.
    #[must_use]
    pub fn rows(&self, kind: Kind) -> &[TableRow] {
        self.tables.get(&kind).map_or(&[], |table| table.rows.as_slice())
    }

    /// Returns `true` when a row of the kind has this source, in any case.
    #[must_use]
    pub fn reads(&self, kind: Kind, source: &str) -> bool {
        let mut sources = self.rows(kind).iter().flat_map(TableRow::sources);
        sources.any(|attribute| attribute.name.eq_ignore_ascii_case(source))
    }

    /// Returns the attributes to request from the directory: sorted without case, each once; for a
    /// pseudo-source those from which it is computed.
    #[must_use]
    pub fn attributes(&self, kind: Kind) -> Vec<String> {
        let sources = self.rows(kind).iter().flat_map(TableRow::sources);
        let mut names = BTreeMap::new();
        for name in sources.flat_map(RowSource::asks_for) {
            names
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| name.to_owned());
        }
        names.into_values().collect()
    }

    /// Returns the constants that `REMOVED_OBJECTS=send` adds to the last asset of a removed
    /// object, in the order of the file.
    #[must_use]
    pub fn removed(&self) -> &[(TargetPath, Literal)] {
        &self.removed
    }

    /// Returns SHA-256 of the meaning of the mapping for `kinds`: rows with their order, forms,
    /// constants. Comments, spacing and the case of attribute names do not change it, and neither
    /// do the rows of other kinds. Part of the scope digest (R2).
    #[must_use]
    pub fn digest(&self, kinds: &[Kind]) -> [u8; 32] {
        // Arrays throughout, so that the text is the same whatever map type serde_json was built
        // with.
        let rows = |rows: &[TableRow]| rows.iter().map(meaning).collect::<serde_json::Value>();
        let tables = self
            .tables
            .iter()
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(kind, table)| serde_json::json!([kind.name(), rows(&table.rows)]));
        let removed = self
            .removed
            .iter()
            .map(|(target, literal)| serde_json::json!([target.keys(), serde_json::Value::from(literal)]));
        let text = serde_json::Value::Array(vec![tables.collect(), removed.collect()]).to_string();
        Sha256::digest(text).into()
    }

    /// Returns the asset that the mapping makes of an object.
    ///
    /// # Errors
    /// A required value is missing or cannot be decoded (R15), or the kind has no rows.
    pub fn apply<S: ObjectSource>(&self, kind: Kind, source: &S) -> Result<Asset, Unmappable> {
        let table = self.tables.get(&kind).ok_or_else(|| Unmappable::no_rows(kind))?;
        asset_writer::write(&table.tree, &table.rows, source)
    }

    /// Explains each row for an object, in the order of the file; also for an object that
    /// [`Self::apply`] rejects.
    #[must_use]
    pub fn explain<S: ObjectSource>(&self, kind: Kind, source: &S) -> Vec<RowExplanation> {
        self.rows(kind)
            .iter()
            .map(|row| explain::explain(row, source))
            .collect()
    }
}

/// Returns a row without the parts that make no difference.
fn meaning(row: &TableRow) -> serde_json::Value {
    let origin: serde_json::Value = match &row.origin {
        RowOrigin::Constant(literal) => literal.into(),
        RowOrigin::Sources(sources) => sources
            .iter()
            .map(|source| [source.name.to_ascii_lowercase(), source.form.name().to_owned()].to_vec())
            .collect(),
    };
    let default = row.default.as_ref().map(serde_json::Value::from);
    serde_json::json!([row.target.keys(), origin, row.required, default])
}
