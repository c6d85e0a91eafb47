//! A second controller, joined to the domain for one test: changes replicate between the two within some seconds.
//!
//! Afterwards the second one is gone, and the domain is as it was filled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::place::{DNS_DOMAIN, Place, REALM};
use super::{Domain, change::Change, ldap, process, provision, python};

/// How long a change may take to the other controller. It takes some two seconds.
const REPLICATION_LIMIT: Duration = Duration::from_secs(90);

/// Two controllers of one domain, held by one test.
#[derive(Debug)]
pub struct Pair {
    domain: Domain,
    second: Place,
    /// The distinguished names of their NTDS Settings, the first one's first.
    settings: [String; 2],
}

/// Further attempts to join the second controller.
const JOIN_RETRIES: usize = 5;

/// Bit of the attribute `options` of NTDS Settings: changes of other controllers are not taken over
/// (NTDSDSA_OPT_DISABLE_INBOUND_REPL, MS-ADTS 6.1.1.2.2.1.2.1.1).
const DISABLE_INBOUND_REPL: &str = "2";

/// The domain with a second controller, or `None` after recording a skip where Samba cannot run.
///
/// # Panics
/// As [`super::domain`], and when the second controller cannot be joined.
pub fn pair() -> Option<Pair> {
    let domain = super::domain()?;
    let second = domain.place().second();
    process::stop_processes(&second);
    let mut pair = Pair {
        domain,
        second,
        settings: Default::default(),
    };
    pair.join();
    pair.name_in_hosts();
    process::start_again(&pair.second);
    // Only when it starts does it look for controllers to take changes from (Samba's KCC).
    process::kill(pair.first());
    process::start_again(pair.first());
    Some(pair)
}

impl Pair {
    /// The domain, as its first controller has it.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The first controller.
    pub fn first(&self) -> &Place {
        self.domain.place()
    }

    /// The second controller.
    pub fn second(&self) -> &Place {
        &self.second
    }

    /// Makes all `changes` on the second controller.
    pub fn apply_on_second(&self, changes: &[Change]) {
        super::change::apply(&self.second, changes);
    }

    /// Waits until `controller` shows `value` as `attribute` of the object `dn`.
    ///
    /// # Panics
    /// When it does not within a minute and a half.
    pub fn replicated(&self, controller: &Place, dn: &str, attribute: &str, value: &str) {
        let begun = Instant::now();
        let filter = format!("({attribute}={value})");
        let seen = || ldap::search(controller, &self.first().administrator(), dn, &filter, &["1.1"]);
        while !seen().is_ok_and(|found| found.starts_with("dn:")) {
            assert!(
                begun.elapsed() < REPLICATION_LIMIT,
                "{attribute} of {dn} does not arrive at {}",
                controller.host()
            );
            sleep(Duration::from_millis(250));
        }
    }

    /// Lets each controller go its own way: neither takes over what is changed on the other one.
    ///
    /// # Panics
    /// When what was changed until then does not reach both within a minute and a half.
    pub fn part(&self) {
        self.set_options(DISABLE_INBOUND_REPL);
    }

    /// Lets them replicate again, and waits until both hold the same.
    ///
    /// # Panics
    /// When they do not within a minute and a half.
    pub fn reunite(&self, unit: &str) {
        self.set_options("0");
        // A change of each that is newer than all others: replication goes by USN.
        for (number, (from, to)) in [(self.first(), &self.second), (&self.second, self.first())]
            .into_iter()
            .enumerate()
        {
            let name = format!("Last {number}");
            let last = Change::add(&format!("OU={name},{unit}"), "organizationalUnit", &[]);
            super::change::apply(from, &[last]);
            self.replicated(to, unit, "ou", &name);
        }
    }

    fn set_options(&self, options: &str) {
        for (place, settings) in [self.first(), &self.second].into_iter().zip(&self.settings) {
            super::change::apply(place, &[Change::set(settings, "options", options)]);
        }
    }

    fn join(&self) {
        let (first, second) = (self.first(), &self.second);
        let mut joined = self.try_to_join();
        // A controller that has just started answers LDAP before all of its RPC services do.
        for _ in 0..JOIN_RETRIES {
            if joined.status.success() {
                break;
            }
            sleep(Duration::from_secs(5));
            joined = self.try_to_join();
        }
        provision::must_succeed("samba-tool domain join", &joined);
        fs::write(second.smb_conf(), provision::smb_conf(second)).unwrap();
        fs::write(second.krb5_conf(), provision::krb5_conf(second, first)).unwrap();
        fs::create_dir_all(second.tls()).unwrap();
        for (from, to) in [
            ("ca.pem", "ca.pem"),
            ("second.pem", "controller.pem"),
            ("second.key", "controller.key"),
        ] {
            fs::copy(first.tls().join(from), second.tls().join(to)).unwrap();
        }
        let key = second.tls().join("controller.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn try_to_join(&self) -> Output {
        let (first, second) = (self.first(), &self.second);
        provision::remove(&second.data());
        fs::create_dir_all(second.folder()).unwrap();
        let administrator = first.administrator();
        let mut command = Command::new("samba-tool");
        command.args(["domain", "join", REALM, "DC", "--quiet", "--dns-backend=NONE"]);
        command.args(["--use-kerberos=required", "--realm", REALM]);
        command
            .arg(format!("--server={}", first.host()))
            .arg(format!("--username=administrator@{REALM}"));
        command
            .arg(format!("--password={}", administrator.password))
            .arg(format!("--targetdir={}", second.data().display()));
        command.arg(format!(
            "--option=netbios name={}",
            second.controller().to_uppercase()
        ));
        command.arg(format!("--option=interfaces={}/8", second.address()));
        command.args(["--option=bind interfaces only=yes", "--option=vfs objects="]);
        command.env("KRB5_CONFIG", first.krb5_conf());
        command.output().unwrap()
    }

    /// Controllers find each other by the GUIDs of their settings (MS-ADTS 6.1.1.2.2.1.2.1.1).
    fn name_in_hosts(&mut self) {
        provision::name_in_hosts(&self.second);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samba/settings.py");
        let told = python::run(script, &[self.second.smb_conf().to_str().unwrap()], "");
        for line in told.lines() {
            let [controller, guid, settings] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            let number = usize::from(controller.eq_ignore_ascii_case(&self.second.controller()));
            self.settings[number] = settings.to_owned();
            let place = [self.domain.place(), &self.second][number];
            provision::add_to_hosts(place, &format!("{guid}._msdcs.{DNS_DOMAIN}"));
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        process::reset(self.first());
        let _ = fs::remove_dir_all(self.second.folder());
    }
}

/// Ends what a test left of the second controller.
pub(super) fn stop_second(place: &Place) {
    let second = place.second();
    if second.folder().exists() {
        process::stop_processes(&second);
    }
}
