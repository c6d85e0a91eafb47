//! LDAP result codes and Active Directory's diagnostic messages, as sentences with a next step.

use std::fmt;

use secrecy::ExposeSecret;

use crate::config::Secret;
use crate::text::printable;

/// Shortest secret that is looked for: the letters of a shorter one occur in too many other texts.
const SHORTEST_SECRET: usize = 4;

/// Returns `text`, which is printable, without `secret` (R27).
#[must_use]
pub fn without(text: &str, secret: &Secret) -> String {
    let secret = printable(secret.expose_secret());
    if secret.len() < SHORTEST_SECRET {
        return text.to_owned();
    }
    text.replace(&secret, "[hidden]")
}

/// `LDAPResult` of an answer (RFC 4511 section 4.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapResult {
    /// `resultCode`; 0 is success.
    pub code: u32,
    /// `matchedDN`: the nearest object that exists, where the named one does not.
    pub matched: String,
    /// `diagnosticMessage`, printable, without the NUL that Active Directory ends it with.
    pub diagnostic: String,
    /// Addresses at which, by the server, the answer is to be found. Never followed (R10).
    pub referrals: Vec<String>,
}

impl LdapResult {
    /// Puts the parts together and makes the texts fit for a log line.
    #[must_use]
    pub fn new(code: u32, matched: &str, diagnostic: &str, referrals: Vec<String>) -> Self {
        let referrals = referrals
            .iter()
            .take(MOST_REFERRALS)
            .map(|referral| printable(referral))
            .collect();
        Self {
            code,
            matched: printable(matched),
            diagnostic: printable(diagnostic),
            referrals,
        }
    }

    /// Returns the same without `secret`, should the server repeat it in its texts (R27).
    #[must_use]
    pub fn hiding(self, secret: &Secret) -> Self {
        Self {
            code: self.code,
            matched: without(&self.matched, secret),
            diagnostic: without(&self.diagnostic, secret),
            referrals: self
                .referrals
                .iter()
                .map(|referral| without(referral, secret))
                .collect(),
        }
    }

    /// Returns `true` when the operation was done.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.code == 0
    }

    /// Returns the Win32 error in hexadecimal that Active Directory writes as `data 52e` into the
    /// diagnostic message (MS-ADTS 3.1.1.3.1.9 names the format), lower-case; `None` where there is
    /// none, or it is 0.
    #[must_use]
    pub fn sub_code(&self) -> Option<String> {
        let lower = self.diagnostic.to_ascii_lowercase();
        let rest = lower.split("data ").nth(1)?;
        let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        let digits = digits.trim_start_matches('0');
        (!digits.is_empty()).then(|| digits.to_owned())
    }

    /// Reports whether the diagnostic message begins with this Win32 error, eight lower-case
    /// hexadecimal digits, as Active Directory writes it (MS-ADTS 3.1.1.3.1.9).
    #[must_use]
    pub fn has_error(&self, win32: &str) -> bool {
        let begin = self.diagnostic.get(..win32.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(win32))
    }

    /// Reports whether the controller takes the connection for anonymous: ERROR_NOT_AUTHENTICATED
    /// of Windows, and the texts of Windows and of Samba.
    #[must_use]
    pub fn wants_bind(&self) -> bool {
        self.code != 0
            && (self.has_error("000004dc")
                || self.diagnostic.contains("a successful bind must be completed")
                || self.diagnostic.contains("unavailable without authentication"))
    }

    /// Returns the name of the code (RFC 4511 appendix A).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.code {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            14 => "saslBindInProgress",
            16 => "noSuchAttribute",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            80 => "other",
            _ => "unknown",
        }
    }
}

impl fmt::Display for LdapResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "result {} ({})", self.code, self.name())?;
        if !self.matched.is_empty() {
            write!(f, ", nearest object \"{}\"", self.matched)?;
        }
        if !self.diagnostic.is_empty() {
            write!(f, ", \"{}\"", self.diagnostic)?;
        }
        Ok(())
    }
}

/// Most referrals that are repeated in an error.
const MOST_REFERRALS: usize = 4;

/// A cause and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultMeaning {
    /// Cause, to be read after the name of the object that it concerns.
    pub cause: &'static str,
    /// The next step.
    pub advice: &'static str,
}

/// Reports whether the base of a search lies in no naming context of the forest
/// (ERROR_DS_MISSING_SUPREF).
#[must_use]
pub fn is_base_outside(outcome: &LdapResult) -> bool {
    outcome.code != 0 && outcome.has_error("000020d6")
}

/// Returns the meaning of a refused bind. Sub-codes: Win32 errors (MS-ERREF 2.2) that AD gives with
/// result code 49.
#[must_use]
pub fn bind_meaning(outcome: &LdapResult) -> ResultMeaning {
    let (cause, advice) = match (outcome.code, outcome.sub_code().as_deref()) {
        (49, Some("525")) => (
            "the account does not exist",
            "check AD_BIND_DN: a DN, user@domain or DOMAIN\\user of an existing account",
        ),
        (49, Some("52e" | "52b" | "56")) => (
            "the account name or the password is wrong",
            "check AD_PASSWORD, and that AD_BIND_DN is a DN, user@domain or DOMAIN\\user",
        ),
        (49, Some("52f")) => (
            "a restriction of the account forbids this logon",
            "check the account's logon restrictions, and that it is not in Protected Users",
        ),
        (49, Some("530")) => (
            "the account may not log on at this time",
            "widen the account's logon hours to cover every scheduled run",
        ),
        (49, Some("531")) => (
            "the account may not log on from this computer",
            "remove the account's list of permitted workstations, or add the controllers to it",
        ),
        (49, Some("532")) => (
            "the password has expired",
            "set a new password in Active Directory and in AD_PASSWORD; a service account is best exempt from expiry",
        ),
        (49, Some("533")) => (
            "the account is disabled",
            "enable the account in Active Directory",
        ),
        (49, Some("568")) => (
            "the account is in too many groups for one logon",
            "use a service account with few group memberships (1010 is the limit)",
        ),
        (49, Some("569")) => (
            "the account lacks the right to log on to the controllers",
            "grant it \"access this computer from the network\" on the domain controllers",
        ),
        (49, Some("701")) => (
            "the account has expired",
            "move or clear the account's expiry date",
        ),
        (49, Some("773")) => (
            "the password must be changed before the first logon",
            "clear \"user must change password at next logon\", or change the password once",
        ),
        (49, Some("775")) => (
            "the account is locked out",
            "unlock it in Active Directory, and look for another place that uses an old password",
        ),
        (49, Some("80090346")) => (
            "the controller requires channel binding",
            "use AD_AUTH=simple with AD_TRANSPORT=ldaps",
        ),
        (49, Some("51f")) => (
            "the controller reaches no controller that can judge the account",
            "check the controller's connections to the others of the account's domain (nltest /sc_query), or name another one in AD_HOST",
        ),
        (49, Some("78f")) => (
            "the trust between the domains does not let the account log on to this controller",
            "grant the account \"allowed to authenticate\" on the controllers, or use an account of their domain",
        ),
        (49, Some(_)) => (
            "the controller could not judge the credentials",
            "look up the hexadecimal number after `data` (Win32 error), and the controller's security log (event 4625)",
        ),
        (49, None) => (
            "the controller refused the credentials",
            "check AD_BIND_DN and AD_PASSWORD; the controller's security log (event 4625) says why",
        ),
        (8, _) => (
            "the controller requires signing and refuses a simple bind without TLS",
            "set AD_TRANSPORT=ldaps or starttls",
        ),
        (13, _) => (
            "the controller refuses a simple bind without TLS",
            "set AD_TRANSPORT=ldaps or starttls",
        ),
        (34, _) => (
            "the controller does not understand the account name",
            "write AD_BIND_DN as a DN, user@domain or DOMAIN\\user",
        ),
        (48, _) => (
            "the controller does not accept this way of logging on for the account",
            "check that AD_BIND_DN names a user account with a password",
        ),
        (7, _) => (
            "the controller does not offer a simple bind",
            "allow LDAP simple binds over TLS on the controller",
        ),
        (51 | 52, _) => (
            "the controller cannot serve now",
            "wait, or name another controller in AD_HOST; the next run tries again",
        ),
        (53, _) => (
            "the controller is unwilling to let this account log on",
            "check that AD_PASSWORD is not empty and that the account may log on",
        ),
        (1 | 2 | 3 | 11 | 12, _) => (
            "the controller could not work on the bind",
            "check the controller's directory service log, or name another controller in AD_HOST",
        ),
        (80, _) => (
            "the controller met an internal error and did not judge the credentials",
            "check the controller's directory service log, or name another controller in AD_HOST",
        ),
        _ => (
            "the bind failed",
            "look the result code up in the controller's directory service log",
        ),
    };
    ResultMeaning { cause, advice }
}

/// Returns the meaning of a failed search.
#[must_use]
pub fn search_meaning(outcome: &LdapResult) -> ResultMeaning {
    let (cause, advice) = match outcome.code {
        _ if outcome.wants_bind() => (
            "the controller wants a bind before a search: it lost the session of the account",
            "run again; if it stays, check AD_BIND_DN: the controller treats the account as anonymous",
        ),
        _ if is_base_outside(outcome) => (
            "the base context lies in no naming context of the forest",
            "correct AD_BASE_CONTEXT, or leave it out to read the whole domain",
        ),
        1 if outcome.has_error("00002120") => (
            "the controller says that an attribute of the search makes no sense for the object",
            "check the attribute names of the mapping and the filters",
        ),
        1 if outcome.has_error("000020e6") => (
            "a search in pages broke off on the controller",
            "the read begins again by itself; if it stays, check the controller's directory service log",
        ),
        1 => (
            "the controller could not work on the search",
            "run again; if it stays, check the controller's directory service log",
        ),
        2 if outcome.has_error("0000203d") => (
            "the controller does not take the DirSync cookie, which may be of another controller",
            "run again; if it stays, `ad-connector sync --baseline` begins without a cookie",
        ),
        2 => (
            "the controller takes the search for malformed",
            "check that AD_HOST is an Active Directory controller and that nothing alters its traffic",
        ),
        3 => (
            "the controller gave up after its time limit for one search",
            "lower AD_PAGE_SIZE, narrow AD_BASE_CONTEXT, or raise MaxQueryDuration on the controller",
        ),
        4 => (
            "the controller stopped at its size limit",
            "lower AD_PAGE_SIZE to the controller's MaxPageSize (1000 unless changed) or less",
        ),
        10 => (
            "the base context belongs to another domain",
            "set AD_BASE_CONTEXT to a DN of this controller's domain, or AD_HOST to a controller of that domain",
        ),
        11 => (
            "the search exceeds an administrative limit of the controller",
            "lower AD_PAGE_SIZE, or simplify the filters",
        ),
        12 => (
            "the controller dropped the state of a search in pages, or lacks a control that the search needs",
            "the read begins again by itself; if it stays, raise MaxResultSetSize on the controller, and check that AD_HOST is an \
             Active Directory controller",
        ),
        16 => (
            "the controller says that an attribute of the search is unknown",
            "check the attribute names of the mapping and the filters",
        ),
        32 => (
            "the base context does not exist, or the account may not see it",
            "correct AD_BASE_CONTEXT, or leave it out to read the whole domain",
        ),
        34 => ("the base context is not a valid DN", "correct AD_BASE_CONTEXT"),
        50 if outcome.has_error("00002105") => (
            "the account lacks the right to replicate the directory",
            "set AD_DELTA=usn, or grant the account \"Replicating Directory Changes\"",
        ),
        50 => (
            "the account lacks the right to read this",
            "grant the account read access to the base context",
        ),
        51 | 52 => (
            "the controller cannot serve now",
            "wait, or name another controller in AD_HOST; the next run tries again",
        ),
        53 => (
            "the controller is unwilling to do this search",
            "check the filters and AD_PAGE_SIZE; the controller's directory service log says why",
        ),
        80 => (
            "the controller met an internal error",
            "check the controller's directory service log, or name another controller in AD_HOST",
        ),
        _ => (
            "the search failed",
            "look the result code up in the controller's directory service log",
        ),
    };
    ResultMeaning { cause, advice }
}

/// Returns the meaning of a refused StartTLS (RFC 4511 section 4.14.1).
#[must_use]
pub fn start_tls_meaning(outcome: &LdapResult) -> ResultMeaning {
    let (cause, advice) = match outcome.code {
        2 => (
            "the server does not know StartTLS",
            "set AD_TRANSPORT=ldaps (port 636), or check that AD_HOST is a domain controller",
        ),
        52 => (
            "the controller has no usable server certificate",
            "install a server certificate on the controller (its event log, source Schannel, says what is missing)",
        ),
        _ => (
            "the controller refused StartTLS",
            "set AD_TRANSPORT=ldaps (port 636)",
        ),
    };
    ResultMeaning { cause, advice }
}

#[cfg(test)]
mod tests;
