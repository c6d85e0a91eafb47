//! `mapping show` and `mapping check`.

use std::path::PathBuf;

use crate::config;
use crate::identity::Kind;
use crate::mapping::{Attribute, Mapping as Table, Origin, Row};

use super::arguments::Mapping;
use super::failure::{Failure, USAGE};
use super::output::say;
use super::setup;

/// Works without the rest of the configuration: a table can be written before there is a connection.
pub(super) fn run(connection: Option<&str>, options: &Mapping) -> Result<u8, Failure> {
    match options {
        Mapping::Show => show(&load(configured(connection)?)?),
        Mapping::Check { file: Some(file) } => check(Some(file.clone())),
        Mapping::Check { file: None } => check(configured(connection)?),
    }
}

/// The file of the connection named. Without a name, the one that all connections have.
fn configured(connection: Option<&str>) -> Result<Option<PathBuf>, Failure> {
    let files = config::load_mapping_files()?;
    let names = || {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    if let Some(wanted) = connection {
        return match files.iter().find(|(name, _)| name == wanted) {
            Some((_, file)) => Ok(file.clone()),
            None => Err(setup::unknown(wanted, &names())),
        };
    }
    let mut different = files.iter().map(|(_, file)| file);
    match different.next() {
        Some(first) if different.all(|file| file == first) => Ok(first.clone()),
        _ => Err(Failure::new(
            USAGE,
            "the connections have several mapping files",
            format_args!("name one of them with --connection: {}", names()),
        )),
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
