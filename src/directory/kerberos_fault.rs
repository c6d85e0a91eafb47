//! Faults of Kerberos, as sentences with a next step.

use std::fmt;

use super::fault_of::{FaultOf, refuses_password};
use super::result_code::{self, LdapResult, ResultMeaning};

/// Reason why Kerberos could not prove the account to the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KerberosFault {
    problem: KerberosProblem,
    said: String,
}

/// Kind of the fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KerberosProblem {
    /// Neither a keytab nor a credential cache that can be used.
    NoCredentials,
    /// The ticket in the cache, or the account, is past its end.
    Expired,
    /// The key does not fit the account's password.
    WrongKey,
    /// The account is not known in the realm.
    UnknownAccount,
    /// The account is disabled, locked or expired.
    Revoked,
    /// The password must be changed.
    PasswordExpired,
    /// The realm knows no LDAP service on that host.
    UnknownService,
    /// The clocks differ too much.
    Skew,
    /// No key distribution center answers.
    Unreachable,
    /// The realm's key distribution centers are not known.
    UnknownRealm,
    /// `krb5.conf` cannot be used.
    Configuration,
    /// No kind of key in common.
    Encryption,
    /// The exchange gave less protection than is needed.
    Weak,
    /// The controller refused the bind.
    Refused(LdapResult),
    /// Anything else.
    Other,
}

/// `GSS_S_NO_CRED` and `GSS_S_CREDENTIALS_EXPIRED` (RFC 2744 section 3.9.1) with the bits of
/// routine errors around them.
const ROUTINE_ERRORS: u32 = 0x00FF_0000;
const NO_CRED: u32 = 7 << 16;
const CREDENTIALS_EXPIRED: u32 = 11 << 16;

/// First of the error numbers of MIT Kerberos (`ERROR_TABLE_BASE_krb5` of `krb5.h`). Up to 127 they
/// are those of the protocol (RFC 4120 section 7.5.9).
const BASE: i32 = -1_765_328_384;

impl KerberosProblem {
    /// Returns the kind of fault by the two status numbers of the library.
    #[must_use]
    pub fn of(major: u32, minor: i32) -> Self {
        match (minor.wrapping_sub(BASE), major & ROUTINE_ERRORS) {
            // KDC_ERR_C_PRINCIPAL_UNKNOWN
            (6, _) => Self::UnknownAccount,
            // KDC_ERR_S_PRINCIPAL_UNKNOWN
            (7, _) => Self::UnknownService,
            // KDC_ERR_ETYPE_NOSUPP; KRB5_CONFIG_ETYPE_NOSUPP
            (14 | 237, _) => Self::Encryption,
            // KDC_ERR_CLIENT_REVOKED
            (18, _) => Self::Revoked,
            // KDC_ERR_KEY_EXPIRED
            (23, _) => Self::PasswordExpired,
            // KDC_ERR_PREAUTH_FAILED, KRB_AP_ERR_BAD_INTEGRITY; KRB5_PREAUTH_FAILED
            (24 | 31 | 210, _) => Self::WrongKey,
            // KRB_AP_ERR_SKEW; KRB_AP_ERR_TKT_NYV; KRB5_KDCREP_SKEW
            (33 | 37 | 148, _) => Self::Skew,
            // KRB5_REALM_UNKNOWN, KRB5_REALM_CANT_RESOLVE
            (154 | 220, _) => Self::UnknownRealm,
            // KRB5_KDC_UNREACH
            (156, _) => Self::Unreachable,
            // KRB5_CONFIG_CANTOPEN, KRB5_CONFIG_BADFORMAT, KRB5_CONFIG_NODEFREALM
            (135 | 136 | 224, _) => Self::Configuration,
            // KDC_ERR_NAME_EXP, KRB_AP_ERR_TKT_EXPIRED
            (1 | 32, _) | (_, CREDENTIALS_EXPIRED) => Self::Expired,
            // KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE, KRB5_KT_NOTFOUND
            (141 | 195 | 181, _) | (_, NO_CRED) => Self::NoCredentials,
            _ => Self::Other,
        }
    }
}

impl KerberosFault {
    /// Returns the fault with the text that the library or the controller gave for it.
    #[must_use]
    pub fn new(problem: KerberosProblem, said: &str) -> Self {
        Self {
            problem,
            said: crate::text::printable(said),
        }
    }

    /// Returns the fault of a bind that the controller refused.
    #[must_use]
    pub fn refused(outcome: LdapResult) -> Self {
        let said = outcome.to_string();
        Self {
            problem: KerberosProblem::Refused(outcome),
            said,
        }
    }

    /// Returns the kind of the fault.
    #[must_use]
    pub const fn problem(&self) -> &KerberosProblem {
        &self.problem
    }

    /// Returns where the fault lies. A controller has a name and a load of its own; the account,
    /// the realm and this computer are the same for all of them.
    #[must_use]
    pub fn fault_of(&self) -> FaultOf {
        match &self.problem {
            KerberosProblem::NoCredentials
            | KerberosProblem::Expired
            | KerberosProblem::WrongKey
            | KerberosProblem::UnknownAccount
            | KerberosProblem::Revoked
            | KerberosProblem::PasswordExpired => FaultOf::Account,
            KerberosProblem::UnknownService => FaultOf::Controller,
            KerberosProblem::Refused(outcome) => FaultOf::of_bind(outcome),
            KerberosProblem::Skew
            | KerberosProblem::Unreachable
            | KerberosProblem::UnknownRealm
            | KerberosProblem::Configuration
            | KerberosProblem::Encryption
            | KerberosProblem::Weak
            | KerberosProblem::Other => FaultOf::Request,
        }
    }

    /// Reports whether a key distribution center or the controller refused the key of the account,
    /// which is made from its password, or the account in a state in which further attempts lock it
    /// out (R40).
    #[must_use]
    pub fn refuses_password(&self) -> bool {
        match &self.problem {
            KerberosProblem::WrongKey | KerberosProblem::Revoked | KerberosProblem::PasswordExpired => true,
            // A ticket holds no password: only what the controller says of the account counts.
            KerberosProblem::Refused(outcome) => outcome.sub_code().is_some() && refuses_password(outcome),
            _ => false,
        }
    }

    /// Returns the next step.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.meaning().advice
    }

    fn meaning(&self) -> ResultMeaning {
        let (cause, advice) = match &self.problem {
            KerberosProblem::NoCredentials => (
                "there are no Kerberos credentials that can be used",
                "set KRB5_CLIENT_KTNAME to a keytab of the account that this user may read, or KRB5CCNAME to a credential cache; \
                 where AD_BIND_DN is set, it must name an entry of it (klist -k FILE shows them)",
            ),
            KerberosProblem::Expired => (
                "the Kerberos ticket or the account has expired",
                "renew the ticket (kinit), or set KRB5_CLIENT_KTNAME to a keytab, from which tickets are renewed by themselves; check \
                 the account's expiry date",
            ),
            KerberosProblem::WrongKey => (
                "the keytab's key is not that of the account's present password",
                "make the keytab anew: it is void once the password was changed, and the salt must be that of the account",
            ),
            KerberosProblem::UnknownAccount => (
                "the realm does not know the account",
                "check AD_BIND_DN and the name in the keytab (klist -k FILE): user@REALM with the sAMAccountName, the realm in capitals",
            ),
            KerberosProblem::Revoked => (
                "the account is disabled, locked out or expired",
                "enable or unlock it in Active Directory, and look for another place that uses an old password",
            ),
            KerberosProblem::PasswordExpired => (
                "the account's password has expired or must be changed",
                "set a new password in Active Directory and make the keytab anew; a service account is best exempt from expiry",
            ),
            KerberosProblem::UnknownService => (
                "the realm knows no LDAP service under this name of the controller",
                "write the controller's full DNS name in AD_HOST, no alias; `setspn -L CONTROLLER` lists its names (ldap/…)",
            ),
            KerberosProblem::Skew => (
                "the clocks of this computer and of the controller differ too much",
                "set this computer's clock by NTP: Kerberos allows five minutes",
            ),
            KerberosProblem::Unreachable => (
                "no key distribution center of the realm answers",
                "check that firewalls let this computer reach port 88 (TCP and UDP) of the controllers, and what krb5.conf names as kdc",
            ),
            KerberosProblem::UnknownRealm => (
                "the key distribution centers of the realm are not known",
                "name the realm with its kdc in krb5.conf, or let this computer's DNS find the domain (_kerberos._udp.DOMAIN); the \
                 realm is the domain's name in capitals",
            ),
            KerberosProblem::Configuration => (
                "the Kerberos configuration cannot be used",
                "check the file that KRB5_CONFIG names (/etc/krb5.conf otherwise), and that this user may read it",
            ),
            KerberosProblem::Encryption => (
                "the account, this computer and the controller have no kind of key in common",
                "allow AES for the account (msDS-SupportedEncryptionTypes), set its password once more, and make the keytab anew \
                 with AES keys",
            ),
            KerberosProblem::Weak => (
                "the controller does not offer the protection that is needed",
                "set AD_TRANSPORT=ldaps or starttls, and check that AD_HOST is an Active Directory controller",
            ),
            KerberosProblem::Refused(outcome) => return refusal(outcome),
            KerberosProblem::Other => (
                "Kerberos failed",
                "try the same by hand: kinit -k -t KEYTAB ACCOUNT, then kvno ldap/CONTROLLER; KRB5_TRACE=/dev/stderr shows each step",
            ),
        };
        ResultMeaning { cause, advice }
    }
}

/// Returns the meaning of a refused SASL bind.
fn refusal(outcome: &LdapResult) -> ResultMeaning {
    let (cause, advice) = match (outcome.code, outcome.sub_code().as_deref()) {
        // SEC_E_BAD_BINDINGS (MS-ERREF 2.1.1)
        (49, Some("80090346")) => (
            "the controller requires channel binding, and its certificate is not the one that this computer was shown",
            "let nothing end TLS in between: a proxy or load balancer with a certificate of its own; connect to the controller itself",
        ),
        (49, Some("533" | "701" | "775" | "530" | "531" | "532" | "569" | "773")) => {
            return result_code::bind_meaning(outcome);
        }
        (49, _) => (
            "the controller refused the Kerberos ticket",
            "check that AD_HOST names the controller itself, no alias of another one; its security log (event 4625) says why",
        ),
        (7, _) => (
            "the controller does not offer Kerberos (SASL mechanism GSSAPI)",
            "check that AD_HOST is an Active Directory controller",
        ),
        (8 | 13, _) => (
            "the controller wants Kerberos to sign or seal, also inside TLS",
            "set AD_TRANSPORT=ldap, which Kerberos seals; or let Samba trust TLS: `ldap server require strong auth = \
             allow_sasl_over_tls`",
        ),
        _ => return result_code::bind_meaning(outcome),
    };
    ResultMeaning { cause, advice }
}

impl fmt::Display for KerberosFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.meaning().cause, self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u32, said: &str) -> KerberosFault {
        KerberosFault::refused(LdapResult::new(code, "", said, vec![]))
    }

    /// Checks the numbers of `krb5.h` as they stand there.
    #[test]
    fn the_librarys_numbers_are_told_apart() {
        for (minor, problem) in [
            (-1_765_328_378, KerberosProblem::UnknownAccount),
            (-1_765_328_377, KerberosProblem::UnknownService),
            (-1_765_328_370, KerberosProblem::Encryption),
            (-1_765_328_366, KerberosProblem::Revoked),
            (-1_765_328_361, KerberosProblem::PasswordExpired),
            (-1_765_328_360, KerberosProblem::WrongKey),
            (-1_765_328_353, KerberosProblem::WrongKey),
            (-1_765_328_352, KerberosProblem::Expired),
            (-1_765_328_347, KerberosProblem::Skew),
            (-1_765_328_243, KerberosProblem::NoCredentials),
            (-1_765_328_249, KerberosProblem::Configuration),
            (-1_765_328_230, KerberosProblem::UnknownRealm),
            (-1_765_328_228, KerberosProblem::Unreachable),
            (-1_765_328_174, KerberosProblem::WrongKey),
            (-1_765_328_164, KerberosProblem::UnknownRealm),
            (-1_765_328_160, KerberosProblem::Configuration),
            (0, KerberosProblem::Other),
            (i32::MIN, KerberosProblem::Other),
            (i32::MAX, KerberosProblem::Other),
        ] {
            // GSS_S_FAILURE
            assert_eq!(KerberosProblem::of(13 << 16, minor), problem, "{minor}");
        }
        assert_eq!(KerberosProblem::of(7 << 16, 0), KerberosProblem::NoCredentials);
        assert_eq!(KerberosProblem::of(11 << 16, 100_005), KerberosProblem::Expired);
        // The key distribution center's answer says more than the class of the error.
        assert_eq!(
            KerberosProblem::of(7 << 16, -1_765_328_228),
            KerberosProblem::Unreachable
        );
    }

    #[test]
    fn r39_r40_only_what_is_about_the_account_is_final_and_only_what_may_lock_it_is_put_off() {
        for (problem, fault, refuses_password) in [
            (KerberosProblem::NoCredentials, FaultOf::Account, false),
            (KerberosProblem::Expired, FaultOf::Account, false),
            (KerberosProblem::UnknownAccount, FaultOf::Account, false),
            (KerberosProblem::WrongKey, FaultOf::Account, true),
            (KerberosProblem::Revoked, FaultOf::Account, true),
            (KerberosProblem::PasswordExpired, FaultOf::Account, true),
            (KerberosProblem::UnknownService, FaultOf::Controller, false),
            (KerberosProblem::Skew, FaultOf::Request, false),
            (KerberosProblem::Unreachable, FaultOf::Request, false),
            (KerberosProblem::Weak, FaultOf::Request, false),
            (KerberosProblem::Other, FaultOf::Request, false),
        ] {
            let found = KerberosFault::new(problem.clone(), "");
            assert_eq!(
                (found.fault_of(), found.refuses_password()),
                (fault, refuses_password),
                "{problem:?}"
            );
        }
        for (code, said, fault, refuses_password) in [
            (49, "", FaultOf::Account, false),
            (49, "data 80090346", FaultOf::Account, false),
            (49, "data 533", FaultOf::Account, true),
            (49, "data 51f", FaultOf::Controller, false),
            (51, "", FaultOf::Controller, false),
            (53, "", FaultOf::Controller, false),
            (8, "", FaultOf::Request, false),
        ] {
            let found = refused(code, said);
            assert_eq!(
                (found.fault_of(), found.refuses_password()),
                (fault, refuses_password),
                "{code} {said}"
            );
        }
    }

    #[test]
    fn a_refused_bind_says_why() {
        let message =
            "80090346: LdapErr: DSID-0C090711, comment: AcceptSecurityContext error, data 80090346, v4563";
        assert!(refused(49, message).to_string().contains("channel binding"));
        assert!(
            refused(49, "data 533")
                .to_string()
                .contains("the account is disabled")
        );
        assert!(
            refused(49, "")
                .to_string()
                .contains("refused the Kerberos ticket")
        );
        assert!(refused(8, "").advice().contains("allow_sasl_over_tls"));
        assert!(refused(52, "").to_string().contains("cannot serve now"));
    }
}
