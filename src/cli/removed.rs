//! `removed`: objects gone from the directory, those held back by the threshold, and those not
//! decided.

use crate::config::RemovalSettings as Settings;
use crate::store::{ConnectionId, RemovedObject, Store, StoreAccess};
use crate::view::{self, RemovalState, time};

use super::arguments::RemovedArguments;
use super::failure::CommandFailure;
use super::output::say;
use super::setup;
use super::status::columns;

/// Objects read from the state file at a time.
const CHUNK: usize = 500;

/// Shows the lists of every chosen connection; one JSON object an object and line with `--json`.
pub(super) fn run(connection: Option<&str>, options: &RemovedArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let store = setup::store(&config, StoreAccess::ReadOnly)?;
    for chosen in setup::chosen(&config, connection)? {
        let Some(row) = store.connection(&chosen.name)? else {
            continue;
        };
        let list = RemovalLists {
            store: &store,
            connection: row.id,
        };
        if options.json {
            let held = store.held_list(row.id)?;
            list.each(options.limit as usize, |what, removal| {
                let removal = view::RemovalView::new(&chosen.name, what, held.as_deref(), removal);
                say(serde_json::to_string(&removal).map_err(CommandFailure::internal)?)
            })?;
        } else {
            say(&chosen.name)?;
            show(&list, &chosen.removal, options.limit as usize)?;
        }
    }
    Ok(0)
}

/// The lists of one connection.
pub(super) struct RemovalLists<'a> {
    pub(super) store: &'a Store,
    pub(super) connection: ConnectionId,
}

impl RemovalLists<'_> {
    /// Visits everything held back and not decided, then the last `limit` removals, newest first.
    fn each(
        &self,
        limit: usize,
        mut each: impl FnMut(RemovalState, &RemovedObject) -> Result<(), CommandFailure>,
    ) -> Result<(), CommandFailure> {
        for what in [RemovalState::Held, RemovalState::Undecided] {
            self.candidates(what, |removal| each(what, removal))?;
        }
        self.removed(limit, |removal| each(RemovalState::Removed, removal))
    }

    /// Visits everything held back, or not decided.
    pub(super) fn candidates(
        &self,
        what: RemovalState,
        mut each: impl FnMut(&RemovedObject) -> Result<(), CommandFailure>,
    ) -> Result<(), CommandFailure> {
        let mut after = None;
        loop {
            let page = self
                .store
                .undecided(self.connection, what == RemovalState::Held, after, CHUNK)?;
            page.iter().try_for_each(&mut each)?;
            match page.last() {
                Some(last) => after = Some(last.place),
                None => return Ok(()),
            }
        }
    }

    fn removed(
        &self,
        limit: usize,
        mut each: impl FnMut(&RemovedObject) -> Result<(), CommandFailure>,
    ) -> Result<(), CommandFailure> {
        let (mut before, mut left) = (None, limit);
        while left > 0 {
            let page = self
                .store
                .removed(self.connection, None, before, left.min(CHUNK))?;
            page.iter().try_for_each(&mut each)?;
            left -= page.len();
            match page.last() {
                Some(last) => before = Some(last.place),
                None => break,
            }
        }
        Ok(())
    }
}

fn show(lists: &RemovalLists<'_>, settings: &Settings, limit: usize) -> Result<(), CommandFailure> {
    if let Some(list) = lists.store.held_list(lists.connection)? {
        say(format_args!(
            "  held back, nothing of it is removed; `ad-connector approve-removals --list {list}` lets it through"
        ))?;
        show_candidates(lists, RemovalState::Held)?;
    }
    if !lists
        .store
        .undecided(lists.connection, false, None, 1)?
        .is_empty()
    {
        say("  not decided, looked up again by the next run")?;
        show_candidates(lists, RemovalState::Undecided)?;
    }
    let mut rows = Vec::new();
    lists.removed(limit, |removal| {
        rows.push(row(RemovalState::Removed, removal, settings.send));
        Ok(())
    })?;
    if rows.is_empty() {
        return say("  nothing is removed");
    }
    say("  removed")?;
    say(columns(&rows).trim_end())
}

/// Prints one list of candidates.
pub(super) fn show_candidates(lists: &RemovalLists<'_>, what: RemovalState) -> Result<(), CommandFailure> {
    let mut rows = Vec::new();
    lists.candidates(what, |removal| {
        rows.push(row(what, removal, false));
        Ok(())
    })?;
    say(columns(&rows).trim_end())
}

fn row(what: RemovalState, removal: &RemovedObject, sends: bool) -> [String; 6] {
    let told = match (what, removal.sent_at, sends) {
        (RemovalState::Removed, Some(_), _) => "sent",
        (RemovalState::Removed, None, true) => "not sent",
        _ => "",
    };
    [
        time(Some(removal.at)).unwrap_or_default(),
        removal.kind.to_string(),
        removal.guid.to_string(),
        removal.dn.clone(),
        removal.reason.clone(),
        told.to_owned(),
    ]
}
