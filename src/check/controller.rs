//! Lines about the controller that was reached: why it was chosen, and where it is.

use crate::directory::ChosenController;

/// Returns why the controller was chosen, its site and roles, and the site of this computer.
pub(super) fn describe(chosen: &ChosenController) -> Vec<String> {
    let choice = chosen.choice.map(|choice| format!("why this one: {choice}"));
    let location = chosen.location.as_ref().map(|location| {
        let own = match location.client_site.as_str() {
            "" => {
                "no subnet of the directory holds the address of this computer: add one in Active Directory Sites and \
                 Services, or name the site in AD_SITE"
                    .to_owned()
            }
            site => format!("this computer is in site {site}"),
        };
        let (site, roles) = (&location.controller_site, location.roles.join(", "));
        format!("site {site} ({roles}); {own}")
    });
    choice.into_iter().chain(location).collect()
}
