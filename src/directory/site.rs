//! Order of the controllers of a domain: near ones before far ones, and those that answer before
//! those that do not.
//!
//! Each controller is asked by the netlogon ping, a few at a time. The answers name the site of
//! this computer; the SRV records of that site name the controllers that serve it.
//!
//! INVARIANT: an answer over UDP may be forged. It changes the order of names that DNS gave, and
//! nothing else: no name is added or left out because of one, so that a forger gains nothing but a
//! far controller. The site that an answer names is looked up in DNS to know which of the names
//! serve it; only a site that the settings name, or that a controller named over its session, may
//! add names.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::netlogon::NetlogonAnswer;
use super::netlogon_ping::ping;
use super::srv::{self, NamedController};
use crate::clock;
use crate::config::{self, SitePolicy};

/// Longest time for all pings together, and for the look-up of a site among them.
const LIMIT: Duration = Duration::from_secs(2);

/// Controllers of a batch. To ask all at once would make every controller of a company answer.
const BATCH: usize = 5;

/// Times at which the second batch and the rest are asked, where the controllers before did not
/// all answer sooner.
const BATCH_TIMES: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(600)];

/// Controllers that are asked, at most: each takes a socket for up to [`LIMIT`].
const MOST_PINGS: usize = 100;

/// Time for further answers after a near controller answered: others of the site may be as near,
/// and better for another reason.
const GRACE: Duration = Duration::from_millis(100);

/// Sites that answers name and that are looked up, at most: all answers should name the same one.
const MOST_SITES: usize = 2;

/// Controller of the domain that has no place in the order yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteCandidate {
    pub named: NamedController,
    /// The SRV records of the site name it.
    pub serves_site: bool,
    /// The SRV records of the domain name it. Those of a site alone may be read-only controllers,
    /// or such that are to serve nobody else.
    pub serves_domain: bool,
}

/// Reason for the place of a controller in the order; the earlier, the sooner it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerChoice {
    /// `AD_HOST` names it.
    Listed,
    /// The order of the SRV records: `AD_SITE` is `off`.
    DnsOrder,
    /// No other one is known, or left.
    OnlyOne,
    /// It was read before.
    ReadBefore,
    /// It dropped the state of a search before, and no other controller is left.
    Again,
    /// It answered, and is in the site or serves it.
    SameSite,
    /// It answered, and is in the site that is nearest to that of this computer.
    NextClosestSite,
    /// It answered.
    Answered,
    /// It did not answer, and DNS says that it serves the site.
    SilentInSite,
    /// It did not answer.
    Silent,
    /// Its SRV records are of the site alone, and it did not answer as a writable controller.
    SiteAlone,
    /// It answered that it is paused, read-only or no controller of a domain.
    LastResort,
}

impl fmt::Display for ControllerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed => "AD_HOST names it",
            Self::DnsOrder => "the order of the SRV records",
            Self::OnlyOne => "no other controller is known, or left",
            Self::ReadBefore => "it was read before, so changes alone can be read there",
            Self::Again => "it broke off a search before, and no other controller is left",
            Self::SameSite => "it answered the netlogon ping, and is in the site or serves it",
            Self::NextClosestSite => "it answered the netlogon ping, and is in the next closest site",
            Self::Answered => "it answered the netlogon ping",
            Self::SilentInSite => "no answer to the netlogon ping; DNS names it for the site",
            Self::Silent => "no answer to the netlogon ping; the order of the SRV records",
            Self::SiteAlone => "DNS names it for the site alone, and no other controller could be used",
            Self::LastResort => {
                "it answered that it is paused or read-only, and no other controller could be used"
            }
        })
    }
}

/// Returns the hosts of `candidates` in the order in which they are to be tried, with the reason.
/// Takes at most [`LIMIT`]. `site` is the site of this computer, where it is known.
pub async fn order(
    candidates: Vec<SiteCandidate>,
    site: Option<String>,
    domain: &config::DomainSettings,
    settings: &config::DirectorySettings,
) -> Vec<(String, ControllerChoice)> {
    if let [only] = candidates.as_slice() {
        return vec![(only.named.host.clone(), ControllerChoice::OnlyOne)];
    }
    let mut discovery = Discovery::new(candidates, site, domain, settings);
    discovery.run().await;
    let site = discovery.site.as_deref();
    ordered(&discovery.candidates, &discovery.answers, site, &domain.site)
}

/// The pings under way.
struct Discovery {
    candidates: Vec<SiteCandidate>,
    /// Answer of each candidate.
    answers: Vec<Option<NetlogonAnswer>>,
    /// Candidates that were not asked yet, the next one first.
    unasked: VecDeque<usize>,
    tasks: JoinSet<PingEvent>,
    site: Option<String>,
    /// Sites that answers named and that were looked up.
    looked_up: Vec<String>,
    /// Time after which no answer is waited for any longer.
    until: Instant,
    /// Time at which every ping is over.
    deadline: Instant,
    domain: config::DomainSettings,
    settings: config::DirectorySettings,
}

enum PingEvent {
    /// The ping of this candidate ended.
    Answer(usize, Option<NetlogonAnswer>),
    /// DNS names these for the site.
    Site(String, Vec<NamedController>),
}

impl Discovery {
    fn new(
        candidates: Vec<SiteCandidate>,
        site: Option<String>,
        domain: &config::DomainSettings,
        settings: &config::DirectorySettings,
    ) -> Self {
        let mut unasked: Vec<usize> = (0..candidates.len()).collect();
        unasked.sort_by_key(|&at| candidates.get(at).is_none_or(|one| !one.serves_site));
        unasked.truncate(MOST_PINGS);
        let deadline = clock::timer_instant() + LIMIT;
        Self {
            answers: candidates.iter().map(|_| None).collect(),
            candidates,
            unasked: unasked.into(),
            tasks: JoinSet::new(),
            site,
            looked_up: Vec::new(),
            until: deadline,
            deadline,
            domain: domain.clone(),
            settings: settings.clone(),
        }
    }

    async fn run(&mut self) {
        let started = clock::timer_instant();
        self.ask(BATCH);
        let mut times = BATCH_TIMES.iter().map(|after| started + *after);
        let mut next_batch = times.next();
        loop {
            let batch_at = match (self.unasked.is_empty(), self.tasks.is_empty()) {
                (true, true) => return,
                (true, false) => None,
                // Every controller that was asked has answered or refuses.
                (false, true) => Some(clock::timer_instant()),
                (false, false) => next_batch,
            };
            tokio::select! {
                Some(ended) = self.tasks.join_next() => {
                    // A task that panicked is a controller that did not answer.
                    if let Ok(event) = ended {
                        self.on_event(event);
                    }
                }
                () = sleep_until(batch_at.unwrap_or(self.until)), if batch_at.is_some() => {
                    next_batch = times.next();
                    self.ask(if next_batch.is_some() { BATCH } else { MOST_PINGS });
                }
                () = sleep_until(self.until) => return,
            }
        }
    }

    /// Asks the next `count` controllers.
    fn ask(&mut self, count: usize) {
        for _ in 0..count {
            let Some(at) = self.unasked.pop_front() else {
                return;
            };
            self.ping(at);
        }
    }

    fn ping(&mut self, at: usize) {
        let Some(candidate) = self.candidates.get(at) else {
            return;
        };
        let (named, domain, until) = (candidate.named.clone(), self.domain.name.clone(), self.deadline);
        let reach = self.settings.reach.clone();
        self.tasks
            .spawn(async move { PingEvent::Answer(at, ping(named, &domain, &reach, until).await) });
    }

    fn on_event(&mut self, event: PingEvent) {
        match event {
            PingEvent::Answer(_, None) => {}
            PingEvent::Answer(at, Some(answer)) => {
                if self.is_elsewhere(&answer) {
                    self.look_up(&answer.client_site);
                } else if self.is_good(at, &answer) {
                    self.until = self.until.min(clock::timer_instant() + GRACE);
                }
                if let Some(place) = self.answers.get_mut(at) {
                    *place = Some(answer);
                }
            }
            PingEvent::Site(site, named) => self.on_site(site, &named),
        }
    }

    /// Reports whether the answer says that this computer is in another site than is supposed, and
    /// that the controller is far.
    fn is_elsewhere(&self, answer: &NetlogonAnswer) -> bool {
        self.domain.site == SitePolicy::Auto
            && !answer.is_closest()
            && !answer.client_site.is_empty()
            && !self
                .site
                .as_deref()
                .is_some_and(|site| site.eq_ignore_ascii_case(&answer.client_site))
    }

    /// Reports whether the controller is near and can be read, so that no other one is waited for.
    fn is_good(&self, at: usize, answer: &NetlogonAnswer) -> bool {
        let candidate = self.candidates.get(at);
        let near = candidate.is_some_and(|one| is_near(one, answer, self.site.as_deref(), &self.domain.site));
        near && !must_wait(answer)
    }

    /// Begins to look up the controllers of a site that an answer named.
    fn look_up(&mut self, site: &str) {
        let mut known = self.looked_up.iter();
        if known.len() >= MOST_SITES || known.any(|known| known.eq_ignore_ascii_case(site)) {
            return;
        }
        self.looked_up.push(site.to_owned());
        let (site, domain, settings) = (site.to_owned(), self.domain.clone(), self.settings.clone());
        self.tasks.spawn(async move {
            let named = srv::site_controllers(&domain, &site, &settings, &mut Rng::new()).await;
            PingEvent::Site(site, named)
        });
    }

    /// Takes the names that serve a site which an answer named: those of the domain are asked now.
    /// Others are left out, since the answer may be forged.
    fn on_site(&mut self, site: String, named: &[NamedController]) {
        if named.is_empty() {
            return;
        }
        for candidate in &mut self.candidates {
            candidate.serves_site = named.iter().any(|one| one.host == candidate.named.host);
        }
        self.site = Some(site);
        let candidates = &self.candidates;
        let (near, far) = self
            .unasked
            .drain(..)
            .partition::<Vec<usize>, _>(|&at| candidates.get(at).is_some_and(|one| one.serves_site));
        self.unasked = far.into();
        for at in near {
            self.ping(at);
        }
        // A controller that answered before may be near by the records of DNS.
        let good = self.answers.iter().enumerate();
        let mut good = good.filter_map(|(at, answer)| Some((at, answer.as_ref()?)));
        if good.any(|(at, answer)| self.is_good(at, answer)) {
            self.until = self.until.min(clock::timer_instant() + GRACE);
        }
    }
}

/// Reports whether the controller is in the site or serves it, by what it or DNS says.
fn is_near(
    candidate: &SiteCandidate,
    answer: &NetlogonAnswer,
    site: Option<&str>,
    policy: &SitePolicy,
) -> bool {
    candidate.serves_site || is_in(answer, site) || (*policy == SitePolicy::Auto && answer.is_closest())
}

/// Reports whether the controller is one to be tried only where no other one is left.
const fn must_wait(answer: &NetlogonAnswer) -> bool {
    answer.is_paused || answer.is_read_only() || answer.is_non_domain()
}

/// Returns all hosts in order: by reason, within a reason the emulator of the primary domain
/// controller last, since every change of a password goes to it, else in the order of DNS.
fn ordered(
    candidates: &[SiteCandidate],
    answers: &[Option<NetlogonAnswer>],
    site: Option<&str>,
    policy: &SitePolicy,
) -> Vec<(String, ControllerChoice)> {
    let next_closest = answers
        .iter()
        .flatten()
        .find_map(|answer| answer.next_closest_site.as_deref());
    let mut ranked: Vec<_> = candidates
        .iter()
        .zip(answers)
        .map(|(candidate, answer)| {
            let choice = match answer {
                None => silent(candidate),
                Some(answer) if must_wait(answer) => ControllerChoice::LastResort,
                Some(answer) if is_near(candidate, answer, site, policy) => ControllerChoice::SameSite,
                Some(answer) if is_in(answer, next_closest) => ControllerChoice::NextClosestSite,
                Some(_) => ControllerChoice::Answered,
            };
            let is_pdc = answer.as_ref().is_some_and(NetlogonAnswer::is_pdc);
            (choice, is_pdc, &candidate.named.host)
        })
        .collect();
    ranked.sort_by_key(|(choice, is_pdc, _)| (*choice, *is_pdc));
    ranked
        .into_iter()
        .map(|(choice, _, host)| (host.clone(), choice))
        .collect()
}

fn is_in(answer: &NetlogonAnswer, site: Option<&str>) -> bool {
    site.is_some_and(|site| answer.controller_site.eq_ignore_ascii_case(site))
}

/// Returns the place of a controller that did not answer. It may be there all the same, since UDP
/// may be filtered.
const fn silent(candidate: &SiteCandidate) -> ControllerChoice {
    if !candidate.serves_domain {
        ControllerChoice::SiteAlone
    } else if candidate.serves_site {
        ControllerChoice::SilentInSite
    } else {
        ControllerChoice::Silent
    }
}

#[cfg(test)]
mod tests;
