//! Several directories in one service: two simulated forests, and a third that cannot be reached.

use lab::simulator::{self, Directory, People, Simulator};

use super::simulated::Simulated;
use super::{Assets, expected};

/// The way from end to end, with a file of connections in the place where the program looks for it.
pub struct Forests {
    /// `emea`, the receiver, and the program.
    pub lab: Simulated,
    /// `apac`, of other people, without TLS.
    pub apac: Simulator,
}

/// Nothing listens on port 1 (tcpmux, RFC 1078).
pub const CLOSED: u16 = 1;

impl Forests {
    /// Connections `emea`, `apac` and `lost`, each with further keys.
    pub async fn new(more: [&str; 3]) -> Forests {
        let mut lab = Simulated::new().await;
        let people = People {
            seed: 8,
            users: 40,
            groups: 5,
            computers: 0,
        };
        let apac = Simulator::start(simulator::Options {
            directory: Directory::new("apac.example", people),
            ..Default::default()
        });
        for name in ["AD_HOST", "AD_PORT", "AD_BIND_DN", "AD_PASSWORD"] {
            lab.unset(name);
        }
        lab.set("PASSWORD_OF_ALL", simulator::PASSWORD);
        let reader = simulator::READER;
        let ports = [lab.simulator.addr().port(), apac.addr().port(), CLOSED];
        let own = [
            format!("ad_bind_dn = \"{reader}@corp.example\"\ndescription = \"Europe\""),
            format!(
                "ad_bind_dn = \"{reader}@apac.example\"\nad_transport = \"ldap\"\nad_allow_plaintext = true"
            ),
            "ad_bind_dn = \"nobody\"".to_owned(),
        ];
        let tables: String = ["emea", "apac", "lost"]
            .iter()
            .zip(ports)
            .zip(own)
            .zip(more)
            .map(|(((name, port), own), more)| {
                format!(
                    "[[connection]]\nname = \"{name}\"\nad_host = [\"127.0.0.1\"]\nad_port = {port}\n\
                     ad_password = \"${{PASSWORD_OF_ALL}}\"\n{own}\n{more}\n\n"
                )
            })
            .collect();
        let forests = Forests { lab, apac };
        forests.write(&tables);
        forests
    }

    /// Writes the file of connections.
    pub fn write(&self, text: &str) {
        let folder = self.lab.connector.folder().join("config");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("connections.toml"), text).unwrap();
    }

    /// What the file says.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.lab.connector.folder().join("config/connections.toml")).unwrap()
    }

    /// What both forests hold.
    pub fn expected(&self) -> Assets {
        let mut all = self.lab.expected();
        let more = expected::assets(self.apac.directory());
        let (one, other) = (all.len(), more.len());
        all.extend(more);
        assert_eq!(all.len(), one + other, "no object is in both");
        all
    }
}
