//! The step of `check` that says whether the account may read Deleted Objects, and how to grant
//! that.

use crate::config::{DirectoryAuth, DirectorySettings, SearchScope};
use crate::directory::{DirectoryError, LdapSearch, RootDse, Session};

use super::failure::StepFailure;

/// `noSuchObject` and `insufficientAccessRights` (RFC 4511 appendix A.1): two ways to be refused
/// the container.
const REFUSALS: [u32; 2] = [32, 50];

/// Describes in a sentence what the account sees below `CN=Deleted Objects` of the domain, with the
/// commands that grant the right, a line each, where it is missing. A missing right is no failure:
/// deletions are found without it too, but later.
pub(super) async fn step(
    settings: &DirectorySettings,
    root: &RootDse,
    session: &mut Session,
) -> Result<(String, Vec<String>), StepFailure> {
    let container = format!("CN=Deleted Objects,{}", root.default_naming_context);
    if readable(&container, session).await? {
        let told = "the account may read them: deletions are noticed by the next sync";
        return Ok((told.to_owned(), Vec::new()));
    }
    let account = account(settings, root, session).await?;
    let told = "the account sees none: unless there are none, deletions are noticed only by the next baseline (BASELINE_CRON) that begins \
                after them";
    let details = vec![
        "to notice them at once, let a domain administrator run on a controller:".to_owned(),
        format!("  dsacls \"{container}\" /takeownership"),
        format!("  dsacls \"{container}\" /G \"{account}:LCRP\""),
    ];
    Ok((told.to_owned(), details))
}

/// Reports whether the server shows any deleted object. The container itself counts as deleted, but
/// proves nothing: some servers show it to everybody, and its contents to administrators alone.
async fn readable(container: &str, session: &mut Session) -> Result<bool, StepFailure> {
    let mut pages = session.search(LdapSearch {
        base: container.to_owned(),
        scope: SearchScope::OneLevel,
        filter: "(isDeleted=TRUE)".to_owned(),
        attributes: vec!["isDeleted".to_owned()],
        show_deleted: true,
    });
    loop {
        match pages.next().await {
            // The session is used again, so the page is read to its end.
            Ok(Some(_)) if pages.is_within_page() => {}
            Ok(page) => return Ok(page.is_some()),
            Err(DirectoryError::Search { outcome, .. }) if REFUSALS.contains(&outcome.code) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the account in a form that dsacls takes: `DOMAIN\account` or `account@domain`. A DN is
/// translated.
async fn account(
    settings: &DirectorySettings,
    root: &RootDse,
    session: &mut Session,
) -> Result<String, StepFailure> {
    let name = match &settings.auth {
        DirectoryAuth::Simple { name, .. } => name,
        DirectoryAuth::Kerberos { principal, .. } => {
            return Ok(principal.clone().unwrap_or_else(|| "ACCOUNT".to_owned()));
        }
    };
    if !name.contains('=') {
        return Ok(name.clone());
    }
    let entry = session.lookup(name, &["sAMAccountName"], false).await?;
    let account = entry
        .as_ref()
        .and_then(|entry| entry.text("sAMAccountName"))
        .unwrap_or("ACCOUNT");
    let domain = root
        .default_naming_context
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(_, label)| label)
        .collect::<Vec<_>>()
        .join(".");
    Ok(format!("{domain}\\{account}"))
}
