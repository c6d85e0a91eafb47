//! Question to a controller, over its session, for the sites of both sides.

use super::chosen::ControllerLocation;
use super::error::DirectoryError;
use super::netlogon::{self, NetlogonAnswer};
use super::operation::SearchOperation;
use super::session::Session;
use super::session_line::SessionLine;
use super::site::ControllerChoice;
use crate::config::{self, SitePolicy};

impl Session {
    /// Records why the controller was chosen. Where its domain is known by name, also asks it for
    /// the sites of both sides.
    ///
    /// # Errors
    /// As any operation, after which the session is over; an answer without sites is none.
    pub(super) async fn locate(
        &mut self,
        settings: &config::DirectorySettings,
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
