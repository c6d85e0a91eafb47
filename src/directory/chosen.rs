//! The controller that a session is with: why it was chosen, and where it is.
//!
//! The controller is asked over the session, so the answer is its own, and proved by what protects
//! the session. Only such an answer is remembered for later runs ([`super::site`] has those over
//! UDP).

use super::netlogon::NetlogonAnswer;
use super::site::ControllerChoice;
use crate::config::SitePolicy;
use crate::text::printable;

/// Reason for the choice of a controller, and its location.
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
    pub(super) fn new(answer: &NetlogonAnswer, policy: &SitePolicy) -> Self {
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
