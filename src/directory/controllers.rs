//! Controllers of a domain, the order in which they are tried, and the faults of those that failed
//! (R39).

use std::collections::VecDeque;

use fastrand::Rng;

use super::bind_guard::BindGuard;
use super::error::DirectoryError;
use super::fault_of::FaultOf;
use super::session::{ControllerEndpoint, Session, reach};
use super::site::{self, ControllerChoice, SiteCandidate};
use super::srv::{self, NamedController};
use super::transport;
use crate::config::{self, DeltaMethod, SitePolicy};

/// Controllers that do not complete a search, at most, before no other one is asked for it. The
/// cause may be the search (a filter that takes too long), and each attempt costs a controller a
/// read.
const MOST_BROKEN_READS: usize = 4;

/// Knowledge of earlier runs of a connection about the controllers of its domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownControllers {
    /// Hosts of which changes alone can be read: they are tried before the others.
    pub read_before: Vec<String>,
    /// Site of this computer, as a controller named it over its session; empty where the directory
    /// has none for its address.
    pub site: Option<String>,
}

/// Controllers that are left to be tried, in order, and what the others answered.
#[derive(Debug)]
pub struct Controllers {
    waiting: VecDeque<WaitingController>,
    /// Controllers that are tried after those: they are put in order when it is their turn.
    unordered: Vec<SiteCandidate>,
    /// Site of this computer, where it is known.
    site: Option<String>,
    /// A controller that is tried a second time when no other one is left.
    second_attempt: SecondAttempt,
    /// Error of each controller that failed.
    failures: Vec<DirectoryError>,
    /// Controllers that did not complete a search.
    broken_reads: usize,
    guard: BindGuard,
}

/// A host, or one address of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WaitingController {
    /// The name is not resolved yet.
    Host(String, ControllerChoice),
    Address {
        endpoint: ControllerEndpoint,
        /// The name has further addresses.
        is_one_of_several: bool,
        choice: ControllerChoice,
    },
}

/// Controller that is tried after one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextController {
    /// Another one.
    Other,
    /// The same one.
    Same,
}

/// A controller dropped the state of a paged search: the read begins again there, once in a run.
#[derive(Debug, PartialEq, Eq)]
enum SecondAttempt {
    Possible,
    On(ControllerEndpoint),
    Made,
}

impl Controllers {
    /// Returns the controllers that `settings` names, or those of the domain that it names. Those
    /// in `known.read_before` come first; among themselves both stay in order.
    ///
    /// # Errors
    /// When DNS knows none of the domain, or the bind would be put off on every controller
    /// ([`BindGuard::check`]).
    pub async fn find(
        settings: &config::DirectorySettings,
        guard: &BindGuard,
        known: &KnownControllers,
    ) -> Result<Self, DirectoryError> {
        guard.check(settings)?;
        let domain = match &settings.domain {
            Some(domain) if settings.hosts.is_empty() => domain,
            _ => {
                let listed = settings.hosts.clone().into_iter();
                let listed = listed.map(|host| (host, ControllerChoice::Listed)).collect();
                return Ok(Self::of(listed, &known.read_before, guard));
            }
        };
        let site = match &domain.site {
            SitePolicy::Off => None,
            SitePolicy::Auto => known.site.clone().filter(|site| !site.is_empty()),
            SitePolicy::Named(site) => Some(site.clone()),
        };
        let of_site = async {
            match &site {
                Some(site) => srv::site_controllers(domain, site, settings, &mut Rng::new()).await,
                None => Vec::new(),
            }
        };
        let mut rng = Rng::new();
        let (of_domain, of_site) = tokio::join!(srv::controllers(domain, settings, &mut rng), of_site);
        let of_domain = of_domain?;
        if domain.site == SitePolicy::Off {
            let named = of_domain.into_iter();
            let named = named.map(|one| (one.host, ControllerChoice::DnsOrder)).collect();
            return Ok(Self::of(named, &known.read_before, guard));
        }
        let is_first = |one: &SiteCandidate| {
            // A DirSync cookie is as good on any controller, so a near one is better.
            let good = settings.delta != DeltaMethod::DirSync || site.is_none() || one.serves_site;
            good && known.read_before.contains(&one.named.host)
        };
        let (mut read_before, unordered): (Vec<_>, Vec<_>) =
            candidates(of_domain, of_site).into_iter().partition(is_first);
        read_before.sort_by_key(|one| !one.serves_site);
        let read_before = read_before.into_iter();
        let read_before = read_before.map(|one| (one.named.host, ControllerChoice::ReadBefore));
        Ok(Self {
            unordered,
            site,
            ..Self::of(read_before.collect(), &[], guard)
        })
    }

    fn of(hosts: Vec<(String, ControllerChoice)>, read_before: &[String], guard: &BindGuard) -> Self {
        let (first, then): (Vec<_>, Vec<_>) = hosts
            .into_iter()
            .partition(|(host, _)| read_before.contains(host));
        let first = first
            .into_iter()
            .map(|(host, _)| WaitingController::Host(host, ControllerChoice::ReadBefore));
        let then = then
            .into_iter()
            .map(|(host, choice)| WaitingController::Host(host, choice));
        Self {
            waiting: first.chain(then).collect(),
            unordered: Vec::new(),
            site: None,
            second_attempt: SecondAttempt::Possible,
            failures: Vec::new(),
            broken_reads: 0,
            guard: guard.clone(),
        }
    }

    /// Puts those in order that have no place yet, when no other one is left.
    async fn order_rest(&mut self, settings: &config::DirectorySettings) {
        let Some(domain) = &settings.domain else {
            return;
        };
        if self.waiting.is_empty() && !self.unordered.is_empty() {
            let unordered = std::mem::take(&mut self.unordered);
            let ordered = site::order(unordered, self.site.clone(), domain, settings).await;
            tracing::debug!(hosts = ?ordered, site = self.site, "The controllers were put in order.");
            let ordered = ordered.into_iter();
            self.waiting
                .extend(ordered.map(|(host, choice)| WaitingController::Host(host, choice)));
        }
    }

    /// Controllers that were not tried yet.
    fn untried(&self) -> usize {
        self.waiting.len() + self.unordered.len()
    }

    /// Connects and binds to the next controller that can be used. Of a host with several addresses
    /// each is a controller.
    ///
    /// # Errors
    /// When none is left; [`DirectoryError::AllFailed`] names each with its cause. An error that is
    /// not of the controller ends the attempt at once: a refused account would be locked by further
    /// attempts (R40).
    pub async fn connect(&mut self, settings: &config::DirectorySettings) -> Result<Session, DirectoryError> {
        loop {
            self.order_rest(settings).await;
            let (endpoint, is_one_of_several, choice) = match self.next() {
                None => return Err(self.all_failed()),
                Some(WaitingController::Host(host, choice)) => {
                    match transport::resolve(&host, settings).await {
                        Ok(addresses) => self.put_first(&host, addresses, choice),
                        Err(error) => self.pass_over(&host, error),
                    }
                    continue;
                }
                Some(WaitingController::Address {
                    endpoint,
                    is_one_of_several,
                    choice,
                }) => (endpoint, is_one_of_several, choice),
            };
            match reach(&endpoint, settings, &self.guard).await {
                Ok(mut session) => match session.locate(settings, choice).await {
                    Ok(()) => return Ok(session),
                    // The session ended with that, wherever the fault lies.
                    Err(error) => {
                        let error = located(error, &endpoint, is_one_of_several);
                        self.pass_over(&endpoint.host, error);
                    }
                },
                Err(error) => match error.fault_of() {
                    FaultOf::Controller | FaultOf::ControllerOrSearch => {
                        let error = located(error, &endpoint, is_one_of_several);
                        self.pass_over(&endpoint.host, error);
                    }
                    FaultOf::Account | FaultOf::Request => return Err(error),
                },
            }
        }
    }

    /// Records that the controller at `endpoint`, which was connected, failed with `error`. Returns
    /// what [`Self::connect`] tries next: another controller, or the same one where it dropped the
    /// state of a search and no other one is left.
    ///
    /// # Errors
    /// When none is left, or the search rather than the controllers seems to be the cause: the
    /// error of each controller.
    pub fn leave(
        &mut self,
        endpoint: &ControllerEndpoint,
        error: DirectoryError,
    ) -> Result<NextController, Box<DirectoryError>> {
        if error.is_dropped_paging_state() && self.second_attempt == SecondAttempt::Possible {
            self.second_attempt = SecondAttempt::On(endpoint.clone());
        }
        self.broken_reads += usize::from(error.fault_of() == FaultOf::ControllerOrSearch);
        self.record(error);
        if self.broken_reads >= MOST_BROKEN_READS {
            return Err(Box::new(self.all_failed()));
        }
        match (self.untried(), &self.second_attempt) {
            (1.., _) => Ok(NextController::Other),
            (0, SecondAttempt::On(again)) if again == endpoint => Ok(NextController::Same),
            (0, SecondAttempt::On(_)) => Ok(NextController::Other),
            (0, SecondAttempt::Possible | SecondAttempt::Made) => Err(Box::new(self.all_failed())),
        }
    }

    fn next(&mut self) -> Option<WaitingController> {
        if let Some(next) = self.waiting.pop_front() {
            return Some(next);
        }
        match std::mem::replace(&mut self.second_attempt, SecondAttempt::Made) {
            SecondAttempt::On(endpoint) => Some(WaitingController::Address {
                endpoint,
                is_one_of_several: false,
                choice: ControllerChoice::Again,
            }),
            SecondAttempt::Possible | SecondAttempt::Made => None,
        }
    }

    fn put_first(&mut self, host: &str, addresses: Vec<std::net::SocketAddr>, choice: ControllerChoice) {
        let is_one_of_several = addresses.len() > 1;
        for address in addresses.into_iter().rev() {
            let host = host.to_owned();
            self.waiting.push_front(WaitingController::Address {
                endpoint: ControllerEndpoint { host, address },
                is_one_of_several,
                choice,
            });
        }
    }

    /// Records `error` of a controller that could not be used, and logs it where another one is
    /// tried.
    fn pass_over(&mut self, host: &str, error: DirectoryError) {
        if self.untried() > 0 {
            let advice = error.advice();
            tracing::warn!(controller = host, %error, advice, "This controller cannot be used; the next one is tried.");
        }
        self.record(error);
    }

    /// Adds `error` to the failures: one entry for all addresses of a host that accept no
    /// connection, and one for a controller that failed in the same way twice.
    fn record(&mut self, error: DirectoryError) {
        if let (Some(DirectoryError::Connect { host, causes, .. }), DirectoryError::AtAddress { error, .. }) =
            (self.failures.last_mut().map(without_address), &error)
            && let DirectoryError::Connect {
                host: same,
                causes: more,
                ..
            } = error.as_ref()
            && same == host
        {
            causes.extend(more.iter().cloned());
            return;
        }
        if !self.failures.contains(&error) {
            self.failures.push(error);
        }
    }

    /// Returns one error for all that failed.
    fn all_failed(&mut self) -> DirectoryError {
        let untried = self.untried();
        let mut causes = std::mem::take(&mut self.failures);
        match (causes.pop(), causes.is_empty()) {
            (Some(only), true) if untried == 0 => only,
            (last, _) => {
                causes.extend(last);
                DirectoryError::AllFailed { causes, untried }
            }
        }
    }
}

/// Connects and binds to the first controller of `settings` that can be used, with what is `known`
/// of them. `guard` decides whether a bind may be tried now.
///
/// # Errors
/// As [`Controllers::find`] and [`Controllers::connect`].
pub async fn connect(
    settings: &config::DirectorySettings,
    guard: &BindGuard,
    known: &KnownControllers,
) -> Result<Session, DirectoryError> {
    let mut controllers = Controllers::find(settings, guard, known).await?;
    controllers.connect(settings).await
}

/// Returns the controllers of the domain with what the records of its site say of them. Those that
/// serve the site alone come last.
fn candidates(domain: Vec<NamedController>, site: Vec<NamedController>) -> Vec<SiteCandidate> {
    let serves_site = |named: &NamedController| site.iter().any(|one| one.host == named.host);
    let mut candidates: Vec<SiteCandidate> = domain
        .into_iter()
        .map(|named| SiteCandidate {
            serves_site: serves_site(&named),
            serves_domain: true,
            named,
        })
        .collect();
    for named in site {
        if !candidates.iter().any(|one| one.named.host == named.host) {
            candidates.push(SiteCandidate {
                named,
                serves_site: true,
                serves_domain: false,
            });
        }
    }
    candidates
}

/// Returns `error` with the address that it is of, where the host has several. The error of a
/// connection names it itself.
fn located(error: DirectoryError, endpoint: &ControllerEndpoint, is_one_of_several: bool) -> DirectoryError {
    if is_one_of_several {
        DirectoryError::AtAddress {
            address: endpoint.address,
            error: Box::new(error),
        }
    } else {
        error
    }
}

fn without_address(error: &mut DirectoryError) -> &mut DirectoryError {
    match error {
        DirectoryError::AtAddress { error, .. } => error,
        error => error,
    }
}

#[cfg(test)]
mod tests;
