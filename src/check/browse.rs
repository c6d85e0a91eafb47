//! The containers of a directory, for the choice of a base context, and how many objects a profile
//! would read.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::config::{self, DirectorySettings, SearchScope};
use crate::directory::{BindGuard, Entry, KnownControllers, LdapSearch, RootDse, Session};
use crate::exit_code::{UNAVAILABLE, USAGE};
use crate::identity::{DistinguishedName, Kind};
use crate::mapping::Mapping;
use crate::sync::ReadScope;
use crate::text::printable;

use super::connecting::connect;
use super::failure::StepFailure;

/// Containers of one answer, at most.
const MOST_CONTAINERS: usize = 1000;

/// Objects of a page, at most: the search can end only after a page.
const PAGE_SIZE: u32 = 1000;

/// Pages of one kind that are counted, at most.
const MOST_PAGES: usize = 20;

/// Time for the count of all kinds.
const COUNT_WITHIN: Duration = Duration::from_secs(5);

/// Longest distinguished name that is asked for, in octets.
const LONGEST_DN: usize = 4096;

/// Classes of the objects that hold others, as a base context may.
const CONTAINERS: &str = "(|(objectClass=domainDNS)(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain))";

/// Containers one level below an object, and the objects that the profile would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowsedContainers {
    /// The object whose containers these are.
    pub dn: String,
    /// By name, case aside.
    pub containers: Vec<DirectoryContainer>,
    /// `false` where there are more.
    pub is_complete: bool,
    /// Objects that the profile would read below its own base context, by kind.
    pub counts: Vec<KindCount>,
}

/// An object that may be a base context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryContainer {
    /// Its distinguished name, as the controller sent it.
    pub dn: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ContainerKind,
}

/// Kind of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// The root of a domain.
    Domain,
    /// An organizational unit.
    OrganizationalUnit,
    /// Any other one, `CN=Builtin` included.
    Container,
}

impl ContainerKind {
    /// Returns the name that the API shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::OrganizationalUnit => "organizationalUnit",
            Self::Container => "container",
        }
    }

    fn of(entry: &Entry) -> Self {
        let has = |class: &str| {
            let mut classes = entry.values("objectClass");
            classes.any(|value| value.eq_ignore_ascii_case(class.as_bytes()))
        };
        if has("domainDNS") {
            Self::Domain
        } else if has("organizationalUnit") {
            Self::OrganizationalUnit
        } else {
            Self::Container
        }
    }
}

/// Objects of one kind that the profile would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindCount {
    /// The kind.
    pub kind: Kind,
    /// Objects that were counted.
    pub count: u64,
    /// `false` where there may be more (R36): the count was ended by its limits, or failed.
    pub is_complete: bool,
    /// Reason why the count failed, where it did.
    pub failure: Option<StepFailure>,
}

/// Lists the containers one level below `dn`, or below the root of the domain, and counts the
/// objects that the profile of `connection` would read. Its mapping does not matter.
///
/// # Errors
/// When the directory cannot be read, or `dn` is none. A count that fails is no error.
pub async fn browse(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    dn: Option<&str>,
) -> Result<BrowsedContainers, StepFailure> {
    if let Some(dn) = dn {
        check_dn(dn)?;
    }
    let settings = DirectorySettings {
        page_size: connection.directory.page_size.min(PAGE_SIZE),
        ..connection.directory.clone()
    };
    let mut session = connect(&settings, bind_guard, &KnownControllers::default()).await?;
    let root = session.root_dse().await?;
    let dn = dn.unwrap_or(&root.default_naming_context).to_owned();
    let (containers, is_complete) = list_containers(&mut session, &dn).await?;
    let counts = count(&session, &connection.profile, &root).await;
    session.close().await;
    Ok(BrowsedContainers {
        dn,
        containers,
        is_complete,
        counts,
    })
}

fn check_dn(dn: &str) -> Result<(), StepFailure> {
    let fault = |cause: String| {
        let advice = "give a distinguished name such as OU=Staff,DC=corp,DC=example,DC=com";
        StepFailure::new(USAGE, cause, advice)
    };
    if dn.is_empty() || dn.len() > LONGEST_DN {
        return Err(fault(format!(
            "a distinguished name has 1 to {LONGEST_DN} octets"
        )));
    }
    match DistinguishedName::parse(dn) {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(format!("the text is no distinguished name: {error}"))),
    }
}

/// Returns the containers below `dn`, and whether these are all.
async fn list_containers(
    session: &mut Session,
    dn: &str,
) -> Result<(Vec<DirectoryContainer>, bool), StepFailure> {
    let mut pages = session.search(LdapSearch {
        base: dn.to_owned(),
        scope: SearchScope::OneLevel,
        filter: CONTAINERS.to_owned(),
        attributes: ["name", "objectClass"].map(str::to_owned).to_vec(),
        show_deleted: false,
    });
    let (mut containers, mut is_complete) = (Vec::new(), true);
    loop {
        match pages.next().await {
            Ok(Some(entries)) => {
                for entry in &entries {
                    // A name that is no text cannot be asked for either.
                    match entry.unfit() {
                        None => containers.push(container(entry)),
                        Some(_) => is_complete = false,
                    }
                }
                // The session is used again, so the page is read to its end.
                if containers.len() > MOST_CONTAINERS && !pages.is_within_page() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) if error.is_base_missing() => {
                return Err(StepFailure::new(
                    UNAVAILABLE,
                    format_args!("{} does not exist, or the account may not see it", printable(dn)),
                    "choose another container; grant the account List Contents and Read Property there",
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    is_complete &= containers.len() <= MOST_CONTAINERS && !pages.has_more();
    containers.truncate(MOST_CONTAINERS);
    containers.sort_by_cached_key(|container| (container.name.to_lowercase(), container.dn.clone()));
    Ok((containers, is_complete))
}

fn container(entry: &Entry) -> DirectoryContainer {
    DirectoryContainer {
        name: entry.text("name").unwrap_or(&entry.dn).to_owned(),
        kind: ContainerKind::of(entry),
        dn: entry.dn.clone(),
    }
}

/// Counts the objects of each kind that the profile asks for, within [`COUNT_WITHIN`] in all.
async fn count(session: &Session, profile: &config::ProfileSettings, root: &RootDse) -> Vec<KindCount> {
    // No row, so that no attribute but the GUID is read.
    let scope = ReadScope::new(profile, &Mapping::default(), root);
    let until = clock::timer_instant() + COUNT_WITHIN;
    let mut counts = Vec::new();
    for (kind, _) in &profile.assets {
        counts.push(count_kind(session, &scope, *kind, until).await);
    }
    counts
}

async fn count_kind(session: &Session, scope: &ReadScope, kind: Kind, until: Instant) -> KindCount {
    let mut counted = KindCount {
        kind,
        count: 0,
        is_complete: false,
        failure: None,
    };
    let Some(search) = scope.everything(kind) else {
        return counted;
    };
    let (mut pages, mut read) = (session.search(search), 0);
    while read < MOST_PAGES && clock::timer_instant() < until {
        // A page that is cut off here ends the session; the kinds after it are not counted.
        match timeout_at(until, pages.next()).await {
            Ok(Ok(Some(entries))) => {
                counted.count += u64::try_from(entries.len()).unwrap_or(u64::MAX);
                read += usize::from(!pages.is_within_page());
            }
            Ok(Ok(None)) => {
                counted.is_complete = true;
                break;
            }
            Ok(Err(error)) => {
                counted.failure = Some(error.into());
                break;
            }
            Err(_) => break,
        }
    }
    counted.is_complete |= read == MOST_PAGES && !pages.has_more();
    counted
}
