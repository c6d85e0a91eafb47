//! `mapping show` and `mapping check`.

use std::path::PathBuf;

use crate::config;
use crate::identity::Kind;
use crate::mapping::{Attribute, Mapping as Table, Origin, Row};

use super::arguments::Mapping;
use super::failure::Failure;
use super::output::say;

/// Works without the rest of the configuration: a table can be written before there is a connection.
pub(super) fn run(options: &Mapping) -> Result<u8, Failure> {
    match options {
        Mapping::Show => show(&load(config::load_mapping_file()?)?),
        Mapping::Check { file } => check(file.clone()),
    }
}

fn load(file: Option<PathBuf>) -> Result<Table, Failure> {
    Ok(match file {
        Some(path) => Table::load(&path)?,
        None => Table::builtin(),
    })
}

fn show(table: &Table) -> Result<u8, Failure> {
    for kind in Kind::ALL.into_iter().filter(|kind| table.has(*kind)) {
        say(kind)?;
        let rows: Vec<[String; 4]> = table.rows(kind).iter().map(cells).collect();
        say(super::status::columns(&rows).trim_end())?;
    }
    Ok(0)
}

/// Source, target, form and what else the row says.
fn cells(row: &Row) -> [String; 4] {
    let joined =
        |part: fn(&Attribute) -> String| row.sources().iter().map(part).collect::<Vec<_>>().join(", ");
    let (source, form) = match &row.origin {
        Origin::Sources(_) => (
            joined(|source| source.name.clone()),
            joined(|source| source.form.name().to_owned()),
        ),
        Origin::Constant(literal) => (literal.to_string(), "constant".to_owned()),
    };
    let mut more = Vec::new();
    if row.required {
        more.push("required".to_owned());
    }
    if let Some(default) = &row.default {
        more.push(format!("default {default}"));
    }
    [source, row.target.to_string(), form, more.join(", ")]
}

fn check(file: Option<PathBuf>) -> Result<u8, Failure> {
    let file = match file {
        Some(file) => Some(file),
        None => config::load_mapping_file()?,
    };
    let name = file
        .as_ref()
        .map_or_else(|| "built-in table".to_owned(), |path| path.display().to_string());
    let table = load(file)?;
    let kinds: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|kind| table.has(*kind))
        .map(|kind| format!("{} {} rows", table.rows(kind).len(), kind))
        .collect();
    say(format_args!("{name}: good, {}", kinds.join(", ")))?;
    Ok(0)
}
