//! Accounts that may bind, and how a domain controller refuses the others.

use super::directory::Domain;
use super::message::{Outcome, code};

/// Name of the account that [`Account::reader`] makes.
pub const READER: &str = "svc-reader";
/// Password of the accounts that [`Account::reader`] and [`Account::administrator`] make.
pub const PASSWORD: &str = "Correct-Horse-7";

/// Why a domain controller refuses a log-on, as the sub-code in its diagnostic message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 52e: wrong name or password.
    WrongPassword,
    /// 530: not at this hour.
    Hours,
    /// 532: the password has expired.
    PasswordExpired,
    /// 533: the account is disabled.
    Disabled,
    /// 701: the account has expired.
    Expired,
    /// 773: the password must be changed first.
    MustChange,
    /// 775: the account is locked out.
    LockedOut,
}

/// An account of the domain. It is no object of the directory, so that tests count what they created.
#[derive(Debug, Clone)]
pub struct Account {
    /// Log-on name without domain; it binds as `DOMAIN\name`, `name@domain` and `CN=name,CN=Users,…`.
    pub name: String,
    /// The password.
    pub password: String,
    /// Refused in spite of the right password.
    pub refused: Option<Refusal>,
    /// Whether it sees deleted objects with the show-deleted control.
    pub reads_deleted: bool,
}

impl Account {
    /// [`READER`] with [`PASSWORD`]: a plain account, which does not see deleted objects.
    #[must_use]
    pub fn reader() -> Self {
        Self {
            name: READER.to_owned(),
            password: PASSWORD.to_owned(),
            refused: None,
            reads_deleted: false,
        }
    }

    /// `administrator` with [`PASSWORD`]: sees deleted objects too.
    #[must_use]
    pub fn administrator() -> Self {
        Self {
            name: "administrator".to_owned(),
            reads_deleted: true,
            ..Self::reader()
        }
    }

    /// `name` with [`PASSWORD`], which is always refused.
    #[must_use]
    pub fn refused(name: &str, refusal: Refusal) -> Self {
        Self {
            name: name.to_owned(),
            refused: Some(refusal),
            ..Self::reader()
        }
    }

    /// The distinguished name under which it may bind.
    #[must_use]
    pub fn dn(&self, domain: &Domain) -> String {
        format!("CN={},CN=Users,{}", self.name, domain.dn)
    }

    /// Whether `name` means this account.
    fn is(&self, name: &str, domain: &Domain) -> bool {
        let forms = [
            self.dn(domain),
            format!("{}@{}", self.name, domain.dns),
            format!("{}\\{}", domain.netbios, self.name),
            format!("{}\\{}", domain.dns, self.name),
        ];
        forms
            .iter()
            .any(|form| form.to_lowercase() == name.to_lowercase())
    }
}

/// The account that `name` and `password` open.
///
/// # Errors
/// The outcome with which a domain controller refuses them.
pub(super) fn authenticate<'a>(
    accounts: &'a [Account],
    domain: &Domain,
    name: &str,
    password: &[u8],
) -> Result<&'a Account, Outcome> {
    let account = accounts
        .iter()
        .find(|account| account.is(name, domain) && account.password.as_bytes() == password);
    match account {
        None => Err(refusal(Refusal::WrongPassword)),
        Some(Account {
            refused: Some(reason),
            ..
        }) => Err(refusal(*reason)),
        Some(account) => Ok(account),
    }
}

fn refusal(reason: Refusal) -> Outcome {
    let data = match reason {
        Refusal::WrongPassword => "52e",
        Refusal::Hours => "530",
        Refusal::PasswordExpired => "532",
        Refusal::Disabled => "533",
        Refusal::Expired => "701",
        Refusal::MustChange => "773",
        Refusal::LockedOut => "775",
    };
    let message = format!(
        "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580\0"
    );
    Outcome::error(code::INVALID_CREDENTIALS, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_opens_with_each_form_of_its_name() {
        let domain = Domain::new("corp.example");
        let accounts = [Account::reader()];
        let forms = [
            "svc-reader@corp.example",
            "CORP\\svc-reader",
            "cn=SVC-reader,CN=Users,DC=corp,DC=example",
        ];
        for form in forms {
            assert!(
                authenticate(&accounts, &domain, form, PASSWORD.as_bytes()).is_ok(),
                "{form}"
            );
        }
        for (name, password) in [
            (forms[0], "wrong"),
            ("svc-reader", PASSWORD),
            ("nobody@corp.example", PASSWORD),
        ] {
            let outcome = authenticate(&accounts, &domain, name, password.as_bytes()).unwrap_err();
            assert_eq!(outcome.code, 49);
            assert!(outcome.message.contains("data 52e,"), "{}", outcome.message);
        }
    }

    #[test]
    fn the_sub_code_says_why() {
        let domain = Domain::new("corp.example");
        let accounts = [Account::refused("old", Refusal::Disabled)];
        let outcome = authenticate(&accounts, &domain, "old@corp.example", PASSWORD.as_bytes()).unwrap_err();
        assert!(outcome.message.contains("data 533,"), "{}", outcome.message);
    }
}
