//! A domain, a receiver, and a connector with a keytab.

use std::path::PathBuf;

use lab::receiver::{Options, Receiver};
use lab::samba::{Domain, kerberos};

use crate::support::Connector;

/// The account's name in the realm.
pub const ACCOUNT: &str = "svc-connector";

pub struct World {
    pub domain: Domain,
    pub receiver: Receiver,
    /// The account's keytab.
    pub keytab: PathBuf,
    /// For keytabs, caches and configurations of a test.
    pub folder: tempfile::TempDir,
}

/// Nothing where no domain can run.
pub async fn world() -> Option<World> {
    let domain = lab::samba::domain()?;
    let receiver = Receiver::start(Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let keytab = folder.path().join("account.keytab");
    kerberos::export_keytab(domain.place(), ACCOUNT, &keytab);
    Some(World {
        domain,
        receiver,
        keytab,
        folder,
    })
}

impl World {
    /// A connector that has nothing of the account but its keytab.
    pub fn connector(&self, transport: &str) -> Connector {
        let krb5_conf = self.domain.place().krb5_conf();
        Connector::new(&self.domain, &self.receiver)
            .without("AD_BIND_DN")
            .without("AD_PASSWORD")
            .with("AD_TRANSPORT", transport)
            .with("AD_AUTH", "kerberos")
            .with("KRB5_CONFIG", krb5_conf.to_str().unwrap())
            .with("KRB5_CLIENT_KTNAME", self.keytab.to_str().unwrap())
            .with("KRB5CCNAME", "MEMORY:")
    }

    /// A file of this test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of this test, and gives its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let file = self.file(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }
}
