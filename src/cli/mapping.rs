//! `mapping show` and `mapping check`.

use std::path::PathBuf;

use crate::config;
use crate::identity::Kind;
use crate::mapping::Mapping as Table;

use super::arguments::Mapping;
use super::failure::Failure;

/// Works without the rest of the configuration: a table can be written before there is a connection.
pub(super) fn run(options: &Mapping) -> Result<u8, Failure> {
    match options {
        Mapping::Show => show(&load(config::mapping_file()?)?),
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
        println!("{kind}");
        let rows: Vec<[String; 4]> = table
            .rows(kind)
            .map(|row| [row.source(), row.target(), row.form(), if row.required() { "required".to_owned() } else { String::new() }])
            .collect();
        print!("{}", super::status::columns(&rows));
    }
    Ok(0)
}

fn check(file: Option<PathBuf>) -> Result<u8, Failure> {
    let file = match file {
        Some(file) => Some(file),
        None => config::mapping_file()?,
    };
    let name = file.as_ref().map_or_else(|| "built-in table".to_owned(), |path| path.display().to_string());
    let table = load(file)?;
    let kinds: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|kind| table.has(*kind))
        .map(|kind| format!("{} {} rows", table.rows(kind).count(), kind))
        .collect();
    println!("{name}: good, {}", kinds.join(", "));
    Ok(0)
}
