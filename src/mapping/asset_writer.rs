//! Tree of the table in the shape of the asset, and its writer.

use std::io::Write as _;

use super::evaluate::{RowValue, Unmappable};
use super::form::FormedValue;
use super::row::{Literal, TableRow};
use super::{Asset, ObjectSource};

/// Key of the asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AssetNode {
    /// Key as JSON with its colon: `"name":`.
    label: Vec<u8>,
    content: NodeContent,
}

/// Content of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NodeContent {
    /// Value of the row at this place of the table.
    Row { row: usize, is_external_id: bool },
    /// Object; left out when all its keys are.
    Object(Vec<AssetNode>),
}

/// Capacity for a usual user: seven rows are 300 to 450 bytes.
const USUAL_BYTES: usize = 512;

/// Returns the tree of a table. An object stands where the first of its rows does.
pub(super) fn compile(rows: &[TableRow]) -> Vec<AssetNode> {
    let mut root = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let content = NodeContent::Row {
            row: at,
            is_external_id: row.target.is_external_id(),
        };
        place(&mut root, row.target.keys(), content);
    }
    root
}

fn place(nodes: &mut Vec<AssetNode>, keys: &[String], content: NodeContent) {
    let Some((key, below)) = keys.split_first() else {
        return;
    };
    let mut label = Vec::new();
    string(&mut label, key);
    label.push(b':');
    if below.is_empty() {
        nodes.push(AssetNode { label, content });
        return;
    }
    let at = nodes
        .iter()
        .position(|node| node.label == label)
        .unwrap_or_else(|| {
            nodes.push(AssetNode {
                label,
                content: NodeContent::Object(Vec::new()),
            });
            nodes.len() - 1
        });
    if let Some(AssetNode {
        content: NodeContent::Object(children),
        ..
    }) = nodes.get_mut(at)
    {
        place(children, below, content);
    }
}

/// Writes the asset that a tree makes of an object.
pub(super) fn write<S: ObjectSource>(
    tree: &[AssetNode],
    rows: &[TableRow],
    source: &S,
) -> Result<Asset, Unmappable> {
    let mut writer = AssetWriter {
        rows,
        source,
        out: Vec::with_capacity(USUAL_BYTES),
        external_id: None,
    };
    writer.object(tree)?;
    // The table is refused without a required row for the identity, so this is never missing; if it
    // were, the object would have to be rejected all the same.
    let external_id = writer.external_id.ok_or_else(Unmappable::no_identity)?;
    // Everything written comes from strings or is ASCII; the lossy path exists for lack of a proof
    // in the types.
    let json = String::from_utf8(writer.out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Asset { external_id, json })
}

struct AssetWriter<'a, S> {
    rows: &'a [TableRow],
    source: &'a S,
    out: Vec<u8>,
    external_id: Option<String>,
}

impl<S: ObjectSource> AssetWriter<'_, S> {
    /// Writes an object. Returns `true` when it has any content.
    fn object(&mut self, nodes: &[AssetNode]) -> Result<bool, Unmappable> {
        let mut filled = false;
        self.out.push(b'{');
        for node in nodes {
            let start = self.out.len();
            if filled {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&node.label);
            let written = match &node.content {
                NodeContent::Object(children) => self.object(children)?,
                NodeContent::Row { row, is_external_id } => self.row(*row, *is_external_id)?,
            };
            if written {
                filled = true;
            } else {
                self.out.truncate(start);
            }
        }
        self.out.push(b'}');
        Ok(filled)
    }

    /// Writes the value of a row. Returns `true` when there is one.
    fn row(&mut self, at: usize, is_external_id: bool) -> Result<bool, Unmappable> {
        let Some(row) = self.rows.get(at) else {
            return Ok(false);
        };
        match row.read(self.source).found {
            RowValue::Value(value) => {
                let start = self.out.len();
                value.write(&mut self.out);
                if is_external_id {
                    self.external_id = Some(match value {
                        // In the form that was written, without its quotes: it contains nothing to
                        // escape.
                        FormedValue::Sid(_) => unquoted(self.out.get(start..).unwrap_or_default()),
                        other => other.to_text(),
                    });
                }
            }
            RowValue::Constant(literal) | RowValue::Default(literal) => write_literal(&mut self.out, literal),
            RowValue::Nothing => return Ok(false),
            RowValue::Rejected(unmappable) => return Err(unmappable),
        }
        Ok(true)
    }
}

impl FormedValue<'_> {
    /// Writes the value as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => string(out, text),
            Self::Integer(number) => plain(out, format_args!("{number}")),
            Self::Boolean(boolean) => plain(out, format_args!("{boolean}")),
            Self::Sid(sid) => plain(out, format_args!("\"{sid}\"")),
            Self::Guid(guid) => plain(out, format_args!("\"{guid}\"")),
            Self::Moment(moment) => plain(out, format_args!("\"{moment}\"")),
            Self::List(texts) => {
                for (at, text) in texts.iter().enumerate() {
                    out.push(if at == 0 { b'[' } else { b',' });
                    string(out, text);
                }
                out.push(b']');
            }
        }
    }

    /// Returns the value as plain text, without quotes and escapes.
    fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone().into_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Sid(sid) => sid.to_string(),
            Self::Guid(guid) => guid.to_string(),
            Self::Moment(moment) => moment.to_string(),
            Self::List(texts) => texts.join(","),
        }
    }
}

/// Returns the text within the quotes.
fn unquoted(json: &[u8]) -> String {
    String::from_utf8_lossy(json).trim_matches('"').to_owned()
}

pub(super) fn write_literal(out: &mut Vec<u8>, literal: &Literal) {
    match literal {
        Literal::Text(text) => string(out, text),
        Literal::Integer(number) => plain(out, format_args!("{number}")),
        Literal::Boolean(boolean) => plain(out, format_args!("{boolean}")),
    }
}

/// Writes a JSON string with all its escapes. A `Vec` takes every byte, so the result is ignored.
fn string(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

/// Writes text that needs no escapes. A `Vec` takes every byte, so the result is ignored.
fn plain(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
