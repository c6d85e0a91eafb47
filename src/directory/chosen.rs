//! The controller that a session is with: why it was chosen, and where it is.
//!
//! The controller is asked over the session, so the answer is its own, and proved by what protects
//! the session. Only such an answer is remembered for later runs ([`super::site`] has those over
//! UDP).

use super::error::DirectoryError;
use super::netlogon::{self, NetlogonAnswer};
use super::operation::SearchOperation;
use super::session::{Session, SessionLine};
use super::site::ControllerChoice;
use crate::config::{self, SitePolicy};
use crate::text::printable;

/// Why a controller was chosen, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenController {
    /// Reason for its place among the controllers.
    pub choice: Option<ControllerChoice>,
    /// Its site and that of this computer, where it answers the question for them.
    pub location: Option<ControllerLocation>,
}

/// Sites of a controller and of this computer, as the controller names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerLocation {
    /// Site of the controller.
    pub controller_site: String,
    /// Site of this computer; empty where no subnet of the directory holds its address.
    pub client_site: String,
    /// The controller is in the site whose controllers are tried first, or serves it.
    pub is_in_site: bool,
    /// Roles of the controller, in words.
    pub roles: Vec<&'static str>,
}

impl ControllerLocation {
    fn new(answer: &NetlogonAnswer, policy: &SitePolicy) -> Self {
        let wanted = match policy {
            SitePolicy::Named(site) => site,
            SitePolicy::Auto | SitePolicy::Off => &answer.client_site,
        };
        let serves = *policy == SitePolicy::Auto && answer.is_closest();
        Self {
            controller_site: printable(&answer.controller_site),
            client_site: printable(&answer.client_site),
            is_in_site: serves || answer.controller_site.eq_ignore_ascii_case(wanted),
            roles: answer.roles(),
        }
    }
}

impl Session {
    /// Records why the controller was chosen. Where its domain is known by name, also asks it for
    /// the sites of both sides.
    ///
    /// # Errors
    /// As any operation, after which the session is over; an answer without sites is none.
    pub(super) async fn locate(
        &mut self,
        settings: &config::Directory,
        choice: ControllerChoice,
    ) -> Result<(), DirectoryError> {
        self.chosen.choice = Some(choice);
        if let Some(domain) = &settings.domain
            && domain.site != SitePolicy::Off
        {
            let answer = self.line.netlogon(&domain.name).await?;
            self.chosen.location = answer.map(|answer| ControllerLocation::new(&answer, &domain.site));
        }
        Ok(())
    }
}

impl SessionLine {
    /// Asks for the sites of the controller and of this computer; none where the server has no such
    /// answer.
    ///
    /// # Errors
    /// As any operation, but not for a result that is no success.
    async fn netlogon(&self, domain: &str) -> Result<Option<NetlogonAnswer>, DirectoryError> {
        let question = SearchOperation {
            base: "",
            scope: config::SearchScope::Base,
            filter: &netlogon::filter(domain),
            attributes: vec![netlogon::ATTRIBUTE.to_owned()],
            controls: Vec::new(),
            most: 1,
        };
        let (_, entry) = self.one(question).await?;
        let value = entry.as_ref().and_then(|entry| entry.first(netlogon::ATTRIBUTE));
        let answer = value.map(netlogon::decode).transpose();
        Ok(answer.unwrap_or_else(|error| {
            tracing::debug!(controller = self.host, %error, "The answer about sites is malformed.");
            None
        }))
    }
}
