//! `preview`: one object, its source attributes beside the asset that the mapping makes of it.

use crate::check::{self, PreviewedObject};
use crate::directory::{self, BindGuard};
use crate::exit_code::REJECTED;
use crate::mapping::RawSource;
use crate::sync::ReadScope;

use super::arguments::PreviewArguments;
use super::failure::CommandFailure;
use super::output::{indented, one_line, say};
use super::{setup, status};

/// Shows the objects that `options.name` names, at most [`MOST`].
pub(super) fn run(connection: Option<&str>, options: &PreviewArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let connection = setup::one(&config, connection)?;
    let mapping = setup::mapping(connection)?;
    let known = setup::known_controllers(&config, connection);
    setup::runtime()?.block_on(async {
        let mut session = directory::connect(&connection.directory, &BindGuard::default(), &known).await?;
        let root = session.root_dse().await?;
        let scope = ReadScope::new(&connection.profile, &mapping, &root);
        let found = check::find_objects(&session, &scope, &mapping, &options.name, MOST).await?;
        session.close().await;
        if found.entries.is_empty() {
            return Err(check::not_in_scope(&scope, &options.name).into());
        }
        let mut code = 0;
        for (kind, entry) in &found.entries {
            code = code.max(show(&PreviewedObject::new(&mapping, *kind, entry))?);
        }
        if found.more > 0 {
            say(format_args!(
                "{} more objects match; give a name that only one has",
                found.more
            ))?;
        }
        Ok(code)
    })
}

/// Objects shown at most.
const MOST: usize = 5;

/// Returns a source attribute and what the directory gave for it.
fn source(raw: &RawSource) -> (String, String) {
    let values = if raw.values.is_empty() {
        "(absent)".to_owned()
    } else {
        raw.values.join(" | ")
    };
    (raw.attribute.clone(), values)
}

fn show(object: &PreviewedObject) -> Result<u8, CommandFailure> {
    say(format_args!("{}  {}", object.kind, one_line(&object.dn)))?;
    let rows: Vec<[String; 4]> = object
        .rows
        .iter()
        .map(|row| {
            let (names, values): (Vec<_>, Vec<_>) = row.sources.iter().map(source).unzip();
            [
                names.join(", "),
                values.join(", "),
                format!("→ {}", row.target),
                row.outcome.to_string(),
            ]
        })
        .collect();
    say(status::columns(&rows).trim_end())?;
    match &object.asset {
        Ok(asset) => {
            say(format_args!("{}\n", indented(&asset.json)))?;
            Ok(0)
        }
        Err(unmappable) => {
            say(format_args!("  this object cannot be mapped: {unmappable}\n"))?;
            Ok(REJECTED)
        }
    }
}
