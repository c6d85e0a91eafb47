//! Changes of the directory, many in one go.

use std::collections::BTreeMap;

use serde::Serialize;

use super::place::Place;
use super::python;

/// One change of the directory. Attribute values are text; `pwdLastSet` may have any value, `unicodePwd` is the password
/// itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// A new object.
    Add {
        /// Its name, escaped (RFC 4514).
        dn: String,
        /// With `objectClass`.
        attributes: BTreeMap<String, Vec<String>>,
    },
    /// All values of one attribute replaced.
    Set {
        /// The object.
        dn: String,
        /// The attribute's name.
        attribute: String,
        /// None: the attribute goes.
        values: Vec<String>,
    },
    /// A rename, a move, or both.
    Move {
        /// The object as it is called now.
        dn: String,
        /// Its whole new name.
        to: String,
    },
    /// An entry put before all others of the object's access control list.
    Deny {
        /// The object.
        dn: String,
        /// The entry in SDDL (MS-DTYP 2.5.1): `(D;CI;RPLC;;;AU)`.
        entry: String,
    },
    /// The entry taken away again.
    Undeny {
        /// The object.
        dn: String,
        /// The entry in SDDL.
        entry: String,
    },
    /// The object that was deleted last under this name comes back under it, with what its tombstone kept (MS-ADTS 3.1.1.5.3.7).
    Restore {
        /// Its name before and after.
        dn: String,
    },
    /// Deletion with everything below. An object that is not there is fine.
    Delete {
        /// The object.
        dn: String,
    },
}

impl Change {
    /// A new object of `class`.
    pub fn add(dn: &str, class: &str, attributes: &[(&str, &str)]) -> Change {
        let mut all = BTreeMap::from([("objectClass".to_owned(), vec![class.to_owned()])]);
        for (name, value) in attributes {
            all.entry((*name).to_owned())
                .or_default()
                .push((*value).to_owned());
        }
        Change::Add {
            dn: dn.to_owned(),
            attributes: all,
        }
    }

    /// A new user in `unit`, with a mail address. `account` (sAMAccountName, up to 20 characters) must be new in the domain.
    pub fn user(unit: &str, name: &str, account: &str) -> Change {
        let mail = format!("{account}@corp.example");
        // Without a password an enabled account needs PASSWD_NOTREQD (MS-ADTS 2.2.16): 0x200 + 0x20.
        let attributes = [
            ("sAMAccountName", account),
            ("userAccountControl", "544"),
            ("mail", &mail),
        ];
        Change::add(&format!("CN={name},{unit}"), "user", &attributes)
    }

    /// A new global security group in `unit`. `account` must be new in the domain.
    pub fn group(unit: &str, name: &str, account: &str) -> Change {
        Change::add(
            &format!("CN={name},{unit}"),
            "group",
            &[("sAMAccountName", account)],
        )
    }

    /// `attribute` of `dn` becomes `value`.
    pub fn set(dn: &str, attribute: &str, value: &str) -> Change {
        Change::Set {
            dn: dn.to_owned(),
            attribute: attribute.to_owned(),
            values: vec![value.to_owned()],
        }
    }

    /// `attribute` of `dn` goes.
    pub fn clear(dn: &str, attribute: &str) -> Change {
        Change::Set {
            dn: dn.to_owned(),
            attribute: attribute.to_owned(),
            values: Vec::new(),
        }
    }

    /// `dn` is called `to` from now on.
    pub fn rename(dn: &str, to: &str) -> Change {
        Change::Move {
            dn: dn.to_owned(),
            to: to.to_owned(),
        }
    }

    /// The rights that `entry` (SDDL) denies are denied on `dn`.
    pub fn deny(dn: &str, entry: &str) -> Change {
        Change::Deny {
            dn: dn.to_owned(),
            entry: entry.to_owned(),
        }
    }

    /// They are not denied any more.
    pub fn undeny(dn: &str, entry: &str) -> Change {
        Change::Undeny {
            dn: dn.to_owned(),
            entry: entry.to_owned(),
        }
    }

    /// `dn`, which was deleted, is back.
    pub fn restore(dn: &str) -> Change {
        Change::Restore { dn: dn.to_owned() }
    }

    /// `dn` and everything below is deleted.
    pub fn delete(dn: &str) -> Change {
        Change::Delete { dn: dn.to_owned() }
    }
}

/// See [`Domain::apply`](super::Domain::apply).
pub fn apply(place: &Place, changes: &[Change]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samba/change.py");
    let input = serde_json::to_string(changes).unwrap();
    python::run(script, &[place.smb_conf().to_str().unwrap()], &input);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_written_as_the_script_reads_it() {
        let changes = [
            Change::group("OU=A", "G", "g1"),
            Change::clear("CN=U,OU=A", "mail"),
            Change::rename("CN=U,OU=A", "CN=V,OU=B"),
        ];
        assert_eq!(
            serde_json::to_value(changes).unwrap(),
            serde_json::json!([
                {"change": "add", "dn": "CN=G,OU=A", "attributes": {"objectClass": ["group"], "sAMAccountName": ["g1"]}},
                {"change": "set", "dn": "CN=U,OU=A", "attribute": "mail", "values": []},
                {"change": "move", "dn": "CN=U,OU=A", "to": "CN=V,OU=B"},
            ])
        );
    }

    #[test]
    fn values_of_one_attribute_are_collected() {
        let Change::Add { attributes, .. } =
            Change::add("CN=G", "group", &[("member", "CN=A"), ("member", "CN=B")])
        else {
            unreachable!()
        };
        assert_eq!(attributes["member"], ["CN=A", "CN=B"]);
    }
}
