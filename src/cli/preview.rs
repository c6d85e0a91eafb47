//! `preview`: one object, its source attributes beside the asset that the mapping makes of it.

use chrono::Utc;

use crate::directory::{self, BindGuard, Entry, Session};
use crate::exit_code::{REJECTED, UNAVAILABLE};
use crate::identity::Kind;
use crate::mapping::{Mapping, RawSource};
use crate::sync::{self, EntrySource, ReadScope};

use super::arguments::PreviewArguments;
use super::failure::CommandFailure;
use super::output::{indented, one_line, say};
use super::{setup, status};

/// Shows the objects that `options.name` names, at most [`MOST`].
pub(super) fn run(connection: Option<&str>, options: &PreviewArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let connection = setup::one(&config, connection)?;
    let mapping = setup::mapping(connection)?;
    setup::runtime()?.block_on(async {
        let mut session = directory::connect(&connection.directory, &BindGuard::default()).await?;
        let root = session.root_dse().await?;
        let scope = ReadScope::new(&connection.profile, &mapping, &root);
        let (mut found, more) = find(&mut session, &scope, &options.name).await?;
        for (kind, entry) in &mut found {
            sync::complete(&session, &scope, &mapping, *kind, entry).await?;
        }
        session.close().await;
        if found.is_empty() {
            return Err(CommandFailure::new(
                UNAVAILABLE,
                format_args!("no object in scope has the account name, name, mail address, DN, SID or GUID `{}`", options.name),
                format_args!("base context is {}; check AD_BASE_CONTEXT, AD_SEARCH_SCOPE, AD_ASSETS and the extra filters", scope.base()),
            ));
        }
        let mut code = 0;
        for (kind, entry) in &found {
            code = code.max(show(&mapping, *kind, entry)?);
        }
        if more > 0 {
            say(format_args!("{more} more objects match; give a name that only one has"))?;
        }
        Ok(code)
    })
}

/// Objects shown at most.
const MOST: usize = 5;

/// Returns the first [`MOST`] objects with this name, and how many more there are.
async fn find(
    session: &mut Session,
    scope: &ReadScope,
    name: &str,
) -> Result<(Vec<(Kind, Entry)>, usize), CommandFailure> {
    let (mut found, mut more) = (Vec::new(), 0);
    let kinds: Vec<Kind> = scope.kinds().collect();
    for kind in kinds {
        let Some(search) = scope.matching(kind, &sync::filter_by_name(name)) else {
            continue;
        };
        let mut pages = session.search(search);
        while let Some(page) = pages.next().await? {
            let room = MOST - found.len();
            found.extend(page.iter().take(room).map(|entry| (kind, entry.copied())));
            more += page.len().saturating_sub(room);
        }
    }
    Ok((found, more))
}

/// Returns a source attribute and what the directory gave for it.
fn source(raw: &RawSource) -> (String, String) {
    let values = if raw.values.is_empty() {
        "(absent)".to_owned()
    } else {
        raw.values.join(" | ")
    };
    (raw.attribute.clone(), values)
}

fn show(mapping: &Mapping, kind: Kind, entry: &Entry) -> Result<u8, CommandFailure> {
    say(format_args!("{kind}  {}", one_line(&entry.dn)))?;
    let seen = EntrySource::new(entry, Utc::now().timestamp());
    let rows: Vec<[String; 4]> = mapping
        .explain(kind, &seen)
        .into_iter()
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
    let asset = match entry.unfit() {
        Some(reason) => Err(reason.to_owned()),
        None => mapping
            .apply(kind, &seen)
            .map_err(|unmappable| unmappable.to_string()),
    };
    match asset {
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
