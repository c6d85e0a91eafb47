//! Which controllers there are, and in what order they are tried.

use super::error::DirectoryError;
use super::session::{Session, reach};
use super::srv;
use crate::config;

/// Controllers that may break off in one run, at most: where a fourth does, it is not the controllers.
const MOST_BROKEN: usize = 4;

/// The controllers that are left to be tried, in order.
#[derive(Debug)]
pub struct Controllers {
    hosts: Vec<String>,
    /// Why others are not tried any more.
    broken: Vec<DirectoryError>,
}

impl Controllers {
    /// The controllers that `settings` names, or those of the domain that it names.
    ///
    /// # Errors
    /// When DNS knows none of the domain.
    pub async fn find(settings: &config::Directory) -> Result<Self, DirectoryError> {
        let hosts = match &settings.domain {
            Some(domain) if settings.hosts.is_empty() => {
                srv::controllers(domain, settings, &mut fastrand::Rng::new()).await?
            }
            _ => settings.hosts.clone(),
        };
        Ok(Self {
            hosts,
            broken: Vec::new(),
        })
    }

    /// Puts those in `known` before the others. Among themselves both stay in order.
    pub fn prefer(&mut self, known: &[String]) {
        self.hosts.sort_by_key(|host| !known.contains(host));
    }

    /// Connects and binds to the first that can be used.
    ///
    /// # Errors
    /// When none can; [`DirectoryError::AllFailed`] names each with its cause. Refused credentials end the attempt at once:
    /// trying them on every controller would lock the account.
    pub async fn connect(&self, settings: &config::Directory) -> Result<Session, DirectoryError> {
        let mut causes = self.broken.clone();
        let mut hosts = self.hosts.iter().peekable();
        while let Some(host) = hosts.next() {
            match reach(host, settings).await {
                Ok(session) => return Ok(session),
                Err(error) if !error.lets_others_try() => return Err(error),
                Err(error) => {
                    if hosts.peek().is_some() {
                        let advice = error.advice();
                        tracing::warn!(controller = %host, %error, advice, "This controller cannot be used; the next one is tried.");
                    }
                    causes.push(error);
                }
            }
        }
        Err(all(causes))
    }

    /// Leaves out `host`, which broke off with `error`. When no other is left, or enough of them broke off, gives what became of each.
    pub fn leave(&mut self, host: &str, error: DirectoryError) -> Option<DirectoryError> {
        self.hosts.retain(|other| other != host);
        self.broken.push(error);
        if self.hosts.is_empty() || self.broken.len() >= MOST_BROKEN {
            return Some(all(std::mem::take(&mut self.broken)));
        }
        None
    }
}

/// One error for all of them.
fn all(mut causes: Vec<DirectoryError>) -> DirectoryError {
    match (causes.pop(), causes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            causes.extend(last);
            DirectoryError::AllFailed { causes }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controllers(hosts: &[&str]) -> Controllers {
        Controllers {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            broken: Vec::new(),
        }
    }

    fn gone(host: &str) -> DirectoryError {
        DirectoryError::Gone {
            host: host.to_owned(),
        }
    }

    #[test]
    fn r02_controllers_that_are_known_come_first_and_else_the_order_holds() {
        for (known, order) in [
            (&[][..], ["a", "b", "c"]),
            (&["c", "b"], ["b", "c", "a"]),
            (&["a", "b", "c"], ["a", "b", "c"]),
            (&["x", "C"], ["a", "b", "c"]),
        ] {
            let mut controllers = controllers(&["a", "b", "c"]);
            let known: Vec<String> = known.iter().map(|&host: &&str| host.to_owned()).collect();
            controllers.prefer(&known);
            assert_eq!(controllers.hosts, order);
        }
    }

    #[test]
    fn r05_each_controller_breaks_off_once_and_not_too_many_do() {
        let mut two = controllers(&["a", "b"]);
        assert_eq!(two.leave("a", gone("a")), None);
        let both = two.leave("b", gone("b")).unwrap().to_string();
        assert!(both.contains("a: ") && both.contains("b: "), "{both}");
        let only = controllers(&["a"]).leave("a", gone("a"));
        assert_eq!(only, Some(gone("a")), "as it was");
        let mut many = controllers(&["a", "b", "c", "d", "e"]);
        let ended = ["a", "b", "c", "d"].map(|host| many.leave(host, gone(host)).is_some());
        assert_eq!(ended, [false, false, false, true]);
    }
}
