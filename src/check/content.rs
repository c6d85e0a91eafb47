//! The steps of the content: base context, then one page of every kind, mapped.

use crate::clock;
use crate::config;
use crate::directory::{Entry, SearchCost, Session};
use crate::exit_code::UNAVAILABLE;
use crate::identity::Kind;
use crate::mapping::Mapping;
use crate::sync::{EntrySource, ReadScope};

use super::failure::StepFailure;
use super::{ReceiverGone, StepStream};

/// Reads the base context and one page of each kind.
pub(super) async fn run(
    connection: &config::ConnectionSettings,
    scope: &ReadScope,
    session: &mut Session,
    mapping: &Mapping,
    steps: &StepStream,
) -> Result<(), ReceiverGone> {
    let base = scope.base().to_owned();
    let found = session.lookup(&base, &["distinguishedName"], false).await;
    let found = match found {
        Ok(Some(_)) => Ok(base),
        Ok(None) => Err(StepFailure::new(
            UNAVAILABLE,
            format_args!("the base context {base} does not exist, or the account may not see it"),
            "correct AD_BASE_CONTEXT, or leave it out for the whole domain; grant the account List Contents and Read Property there",
        )),
        Err(error) => Err(error.into()),
    };
    let exists = found.is_ok();
    steps.told("base context", found, Vec::new()).await?;
    if !exists {
        return Ok(());
    }
    for (kind, _) in &connection.profile.assets {
        match kind_step(*kind, scope, session, mapping).await {
            Ok((told, cost)) => steps.told(kind.plural(), Ok(told), cost).await?,
            Err(failure) => steps.told(kind.plural(), Err(failure), Vec::new()).await?,
        }
    }
    Ok(())
}

/// Returns how many objects the first page holds and can be mapped, and lines about its cost.
async fn kind_step(
    kind: Kind,
    scope: &ReadScope,
    session: &mut Session,
    mapping: &Mapping,
) -> Result<(String, Vec<String>), StepFailure> {
    let Some(mut search) = scope.everything(kind) else {
        return Ok(("not asked for".to_owned(), Vec::new()));
    };
    let filter = search.filter.clone();
    search.attributes.push(USN_CHANGED.to_owned());
    let mut pages = session.search(search).measured();
    let now = clock::unix_seconds();
    let (mut found, mut unseen, mut unmapped) = (0_usize, 0_usize, 0_usize);
    // One page, which may come in pieces.
    while let Some(piece) = pages.next().await? {
        found += piece.len();
        // A filter over an attribute that the account may not read matches nothing, and no error
        // reports that.
        unseen += piece.iter().filter(|entry| usn_changed(entry).is_none()).count();
        unmapped += piece
            .iter()
            .filter(|entry| {
                entry.unfit().is_some() || mapping.apply(kind, &EntrySource::new(entry, now)).is_err()
            })
            .count();
        if !pages.is_within_page() {
            break;
        }
    }
    if found == 0 {
        return Err(StepFailure::new(
            UNAVAILABLE,
            format_args!("nothing matches {filter} below {}", scope.base()),
            format_args!(
                "check AD_BASE_CONTEXT, AD_SEARCH_SCOPE, AD_MEMBER_OF and the extra filter, and that the account has Read Property on {}",
                kind.plural()
            ),
        ));
    }
    if unseen > 0 {
        return Err(StepFailure::new(
            UNAVAILABLE,
            format_args!(
                "{unseen} of {found} show the account no {USN_CHANGED}: a delta, and a baseline over several connections, would \
                 not find them"
            ),
            format_args!(
                "grant the account Read Property on all attributes of {}, or set AD_DELTA=off and AD_PARALLEL_READS=1",
                kind.plural()
            ),
        ));
    }
    let more = if pages.has_more() { "at least " } else { "" };
    let all = if unmapped == 0 {
        "all can be mapped".to_owned()
    } else {
        format!("{unmapped} of them cannot be mapped")
    };
    let cost = pages.cost().map(|cost| told_cost(cost, kind)).unwrap_or_default();
    Ok((format!("{more}{found} found, {all}"), cost))
}

/// Describes the cost of the page for the controller.
fn told_cost(cost: &SearchCost, kind: Kind) -> Vec<String> {
    if !cost.is_told() {
        return vec!["what that cost the controller it tells only to who may debug it".to_owned()];
    }
    let index = match cost.index.as_str() {
        "" => "no index named".to_owned(),
        index => format!("index {index}"),
    };
    let mut lines = vec![format!(
        "the controller visited {} entries to return {}, {index}, {} ms",
        cost.visited, cost.returned, cost.milliseconds
    )];
    if cost.is_inefficient() {
        lines.push(format!(
            "that is much work for little: narrow the extra filter for {} by an indexed attribute (docs/searches.md)",
            kind.plural()
        ));
    }
    lines
}

/// The attribute by which changes are found.
const USN_CHANGED: &str = "uSNChanged";

fn usn_changed(entry: &Entry) -> Option<u64> {
    entry.text(USN_CHANGED)?.parse().ok()
}
