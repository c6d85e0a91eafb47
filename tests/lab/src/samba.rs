//! A real Active Directory for the tests: Samba's domain controller on a loopback address, filled with 2,000 users and
//! 250 groups of all shapes.
//!
//! One domain serves all test binaries of a run. [`domain`] starts it when needed (some 12 seconds the first
//! time, one later) and gives it to one test at a time: a file lock, across processes, lasts as long as the
//! [`Domain`] lives, so no test sees another's changes while it works. It keeps running afterwards; `cargo run -p lab --bin
//! samba -- stop` ends it, and it ends by itself when the process in `LAB_OWNER` is gone or nobody used it for an hour.
//!
//! `LAB_DIR` is its folder (default `target/samba-lab`), `LAB_ADDRESS` its loopback address (default 127.0.0.21): two
//! domains side by side need both.
//!
//! [`pair`](fn@pair) joins a second controller for one test, at the next address (127.0.0.22), which ends with that test.
//!
//! The way of it: [`place`] says where things are, [`provision`](mod@provision) makes the folder, [`process`] runs the
//! controller, [`change`] alters the directory, [`ldap`] asks it, [`expected`](Domain::expected) says what must arrive.

pub mod change;
pub mod kerberos;
pub mod ldap;
pub mod pair;
pub mod place;
pub mod process;
pub mod provision;
pub mod python;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

pub use change::Change;
pub use pair::{Pair, pair};
pub use place::{Account, Place};

/// The domain, running and filled, held by one test. Dropping it lets the next test in.
#[derive(Debug)]
pub struct Domain {
    place: Place,
    /// Locked until the file is closed.
    _held: File,
}

/// The domain for the calling test alone, or `None` after recording a skip (see [`crate::skip`]) where Samba cannot run.
///
/// Blocks until other tests are done with it and the controller answers.
///
/// # Panics
/// When everything needed is there and the domain does not start: with the end of the controller's log. And with
/// `CI=true` instead of a skip.
pub fn domain() -> Option<Domain> {
    let place = Place::from_environment();
    let missing = process::missing(&place);
    if !missing.is_empty() {
        crate::skip::record(&format!("no Samba domain: {}", missing.join("; ")));
        return None;
    }
    let held = place.lock("use.lock");
    process::start(&place);
    Some(Domain { place, _held: held })
}

impl Domain {
    /// Where it is and what it is called.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// DN of the domain root.
    pub fn root(&self) -> String {
        place::ROOT.to_owned()
    }

    /// DN of an OU with a comma in its name; users and groups with awkward names are in it and below it.
    pub fn odd_unit(&self) -> String {
        format!("OU=Odd\\, Names,{}", place::ROOT)
    }

    /// Path of the test authority's certificate, PEM.
    pub fn authority(&self) -> PathBuf {
        self.place.tls().join("ca.pem")
    }

    /// An empty OU for the calling test, `OU=Test NAME` below the root. What a former run left there is deleted.
    pub fn fresh_unit(&self, name: &str) -> String {
        let dn = format!("OU=Test {name},{}", place::ROOT);
        self.apply(&[Change::delete(&dn), Change::add(&dn, "organizationalUnit", &[])]);
        dn
    }

    /// Brings the controller back from a copy of the time when it was filled, as a restoration from backup does: with another
    /// invocationId. What was changed since is lost.
    pub fn restore_from_backup(&self) {
        process::restore_from_backup(&self.place);
    }

    /// Makes all `changes` in one transaction of the controller's database, as the system.
    ///
    /// # Panics
    /// When the directory refuses one of them; then none is made.
    pub fn apply(&self, changes: &[Change]) {
        change::apply(&self.place, changes);
    }

    /// What the connector must deliver for users and groups of `base` and below with the built-in mapping:
    /// externalAssetId to `assetData` element. Worked out by `tests/expectation.py` from the database file.
    pub fn expected(&self, base: &str) -> BTreeMap<String, serde_json::Value> {
        expected(&self.place, base, "subtree")
    }
}

/// As [`Domain::expected`], for a scope: `subtree`, `onelevel` or `base`.
pub fn expected(place: &Place, base: &str, scope: &str) -> BTreeMap<String, serde_json::Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../expectation.py");
    let json = python::run(script, &[place.smb_conf().to_str().unwrap(), base, scope], "");
    serde_json::from_str(&json).unwrap()
}
