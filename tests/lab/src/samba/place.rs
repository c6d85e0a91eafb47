//! Where the domain is and what it is called.

use std::fs::{File, OpenOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// The Kerberos realm, which is the DNS domain in capitals.
pub const REALM: &str = "CORP.EXAMPLE";
/// The DNS domain.
pub const DNS_DOMAIN: &str = "corp.example";
/// The domain's old, short name: the left part of `CORP\user`.
pub const SHORT_NAME: &str = "CORP";
/// DN of the domain root.
pub const ROOT: &str = "DC=corp,DC=example";

/// Where the controller listens when nothing else is asked for.
const DEFAULT_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 21);

/// Passwords of a domain that lives on loopback and holds nothing. Distinct texts, so that a leak can be searched for.
const ADMINISTRATOR_PASSWORD: &str = "Zu-Wissen-4-Admin";
/// As above, of the connector's account; with what a shell, a URL and a header have to escape.
const CONNECTOR_PASSWORD: &str = "Kn0chen'Mehl & \"Pi%lz\" $ü";

/// A domain's folder, address and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    address: Ipv4Addr,
}

/// An account that can bind, in the three forms that AD takes as name of a simple bind (MS-ADTS 5.1.1.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The distinguished name.
    pub dn: String,
    /// `user@domain`.
    pub principal: String,
    /// `DOMAIN\user`.
    pub down_level: String,
    /// The password.
    pub password: &'static str,
}

impl Place {
    /// As `LAB_DIR` and `LAB_ADDRESS` say.
    ///
    /// # Panics
    /// When `LAB_ADDRESS` is no IPv4 address of the loopback network.
    pub fn from_environment() -> Place {
        let folder = std::env::var_os("LAB_DIR").map_or_else(default_folder, PathBuf::from);
        let address = std::env::var("LAB_ADDRESS").map_or(DEFAULT_ADDRESS, |text| text.parse().unwrap());
        Place::new(std::path::absolute(folder).unwrap(), address)
    }

    /// The domain in `folder`, an absolute path, listening at `address`.
    pub fn new(folder: PathBuf, address: Ipv4Addr) -> Place {
        assert!(
            address.is_loopback(),
            "{address} is not a loopback address (127.0.0.0/8)"
        );
        Place { folder, address }
    }

    /// The loopback address that the controller listens at.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A further controller of the same domain: at the next address, in a folder within this one.
    pub fn second(&self) -> Place {
        Place::new(
            self.folder.join("second"),
            Ipv4Addr::from(u32::from(self.address) + 1),
        )
    }

    /// The controller's short name: `dc1`, or `dcN` at another address than the usual one, whose last number N is.
    pub fn controller(&self) -> String {
        if self.address == DEFAULT_ADDRESS {
            "dc1".to_owned()
        } else {
            format!("dc{}", self.address.octets()[3])
        }
    }

    /// The controller's full name, which its certificate carries and `/etc/hosts` knows.
    pub fn host(&self) -> String {
        format!("{}.{DNS_DOMAIN}", self.controller())
    }

    /// The folder that holds everything of this domain.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The controller's own folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("dc")
    }

    /// A copy of the controller's folder as it was after filling.
    pub fn filled(&self) -> PathBuf {
        self.folder.join("filled")
    }

    /// Certificates and keys.
    pub fn tls(&self) -> PathBuf {
        self.data().join("tls")
    }

    /// The controller's configuration.
    pub fn smb_conf(&self) -> PathBuf {
        self.data().join("etc/smb.conf")
    }

    /// A client's Kerberos configuration (`KRB5_CONFIG`).
    pub fn krb5_conf(&self) -> PathBuf {
        self.data().join("etc/krb5.conf")
    }

    /// What the controller says.
    pub fn log(&self) -> PathBuf {
        self.folder.join("controller.log")
    }

    /// Holds the process group of the running controller.
    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("controller.pid")
    }

    /// Touched at every use: an idle controller ends.
    pub fn last_used(&self) -> PathBuf {
        self.folder.join("last-used")
    }

    /// The domain's administrator.
    pub fn administrator(&self) -> Account {
        account("Administrator", "Users", "CN", ADMINISTRATOR_PASSWORD)
    }

    /// A plain account without any right beyond those of every user: what the product is run with.
    pub fn connector(&self) -> Account {
        account("svc-connector", "Service Accounts", "OU", CONNECTOR_PASSWORD)
    }

    /// The file `name` of the folder, locked against other processes and other calls until it is closed.
    pub fn lock(&self, name: &str) -> File {
        std::fs::create_dir_all(&self.folder).unwrap();
        let path = self.folder.join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.lock()
            .unwrap_or_else(|error| panic!("cannot lock {}: {error}", path.display()));
        file
    }
}

fn account(name: &str, container: &str, container_type: &str, password: &'static str) -> Account {
    Account {
        dn: format!("CN={name},{container_type}={container},{ROOT}"),
        principal: format!("{name}@{DNS_DOMAIN}"),
        down_level: format!("{SHORT_NAME}\\{name}"),
        password,
    }
}

/// `samba-lab` in the workspace's `target`.
fn default_folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    target.join("samba-lab")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_address_has_the_usual_name_and_another_one_its_own() {
        let place = |last| Place::new("/x".into(), Ipv4Addr::new(127, 0, 0, last));
        assert_eq!(place(21).host(), "dc1.corp.example");
        assert_eq!(place(35).host(), "dc35.corp.example");
        assert_eq!(place(21).second().host(), "dc22.corp.example");
    }

    #[test]
    #[should_panic(expected = "192.0.2.1 is not a loopback address")]
    fn a_domain_never_listens_beyond_loopback() {
        Place::new("/x".into(), Ipv4Addr::new(192, 0, 2, 1));
    }

    #[test]
    fn an_account_has_three_names() {
        let account = Place::new("/x".into(), DEFAULT_ADDRESS).connector();
        assert_eq!(
            account.dn,
            "CN=svc-connector,OU=Service Accounts,DC=corp,DC=example"
        );
        assert_eq!(account.principal, "svc-connector@corp.example");
        assert_eq!(account.down_level, "CORP\\svc-connector");
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().to_owned(), DEFAULT_ADDRESS);
        let held = place.lock("use.lock");
        let other = File::open(folder.path().join("use.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
