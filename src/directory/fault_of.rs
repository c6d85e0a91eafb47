//! Location of a fault behind a refused bind or a failed search (R39).

use super::result_code::{LdapResult, is_base_outside};

/// Location of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultOf {
    /// The controller, or the way to it. The next controller is tried.
    Controller,
    /// The controller, or what was asked of it: it did not complete a search. The next controller
    /// is tried, but a search that several controllers do not complete is not put to all of them.
    ControllerOrSearch,
    /// The account: the controller judged it and refused it. No other controller is tried, since
    /// every attempt counts towards the lock-out of the account (R40).
    Account,
    /// The request, the settings, the contents of the directory, or this computer. Another
    /// controller changes nothing.
    Request,
}

impl FaultOf {
    /// Returns the location of the fault behind a refused bind. Sub-codes are Win32 errors
    /// (MS-ERREF 2.2).
    #[must_use]
    pub fn of_bind(outcome: &LdapResult) -> Self {
        match outcome.code {
            // operationsError, protocolError, timeLimitExceeded, adminLimitExceeded,
            // unavailableCriticalExtension, busy, unavailable, unwillingToPerform, other
            1 | 2 | 3 | 11 | 12 | 51 | 52 | 53 | 80 => Self::Controller,
            // invalidDNSyntax, inappropriateAuthentication
            34 | 48 => Self::Account,
            49 => match outcome.sub_code().as_deref() {
                // Without a sub-code the controller says that the credentials are invalid, and
                // nothing else.
                None => Self::Account,
                Some(sub_code) if ABOUT_THE_ACCOUNT.contains(&sub_code) => Self::Account,
                Some(_) => Self::Controller,
            },
            _ => Self::Request,
        }
    }

    /// Returns the location of the fault behind a refused search.
    #[must_use]
    pub fn of_search(outcome: &LdapResult) -> Self {
        match outcome.code {
            _ if outcome.wants_bind() => Self::Controller,
            _ if is_base_outside(outcome) || outcome.has_error(NO_SUCH_ATTRIBUTE_THERE) => Self::Request,
            51 | 52 => Self::Controller,
            1 | 3 | 11 | 12 | 53 | 80 => Self::ControllerOrSearch,
            _ => Self::Request,
        }
    }
}

/// Sub-codes of result 49 by which the controller judges the account. Any other one, such as 51f
/// (no logon server is available), says that the controller could not judge it.
const ABOUT_THE_ACCOUNT: [&str; 15] = [
    "56",       // ERROR_INVALID_PASSWORD
    "525",      // ERROR_NO_SUCH_USER
    "52b",      // ERROR_WRONG_PASSWORD
    "52e",      // ERROR_LOGON_FAILURE
    "52f",      // ERROR_ACCOUNT_RESTRICTION
    "530",      // ERROR_INVALID_LOGON_HOURS
    "531",      // ERROR_INVALID_WORKSTATION
    "532",      // ERROR_PASSWORD_EXPIRED
    "533",      // ERROR_ACCOUNT_DISABLED
    "568",      // ERROR_TOO_MANY_CONTEXT_IDS
    "569",      // ERROR_LOGON_TYPE_NOT_GRANTED
    "701",      // ERROR_ACCOUNT_EXPIRED
    "773",      // ERROR_PASSWORD_MUST_CHANGE
    "775",      // ERROR_ACCOUNT_LOCKED_OUT
    "80090346", // SEC_E_BAD_BINDINGS: the credentials belong to another TLS connection
];

/// Sub-codes by which the controller refuses an account for another reason than its password, so
/// that an attempt does not count towards a lock-out.
const NOT_ABOUT_THE_PASSWORD: [&str; 7] = ["525", "52f", "530", "531", "568", "569", "80090346"];

/// The Win32 error that begins the diagnostic message of a search for attributes that make no sense
/// for the object.
const NO_SUCH_ATTRIBUTE_THERE: &str = "00002120";

/// The Win32 error ERROR_DS_CANT_RETRIEVE_CHILD: a paged search broke off on the controller.
pub(super) const PAGED_SEARCH_BROKE_OFF: &str = "000020e6";

/// Reports whether the controller refused the password of the account, or the account in a state in
/// which further attempts lock it out (R40).
#[must_use]
pub fn refuses_password(outcome: &LdapResult) -> bool {
    outcome.code == 49
        && FaultOf::of_bind(outcome) == FaultOf::Account
        && !outcome
            .sub_code()
            .is_some_and(|sub_code| NOT_ABOUT_THE_PASSWORD.contains(&sub_code.as_str()))
}
