//! RootDSE: the attributes by which a controller describes itself (MS-ADTS 3.1.1.3.2).

use super::entry::Entry;
use super::result_code::without;
use crate::config::Secret;
use crate::text::printable;

/// Attributes that are read.
pub const ATTRIBUTES: &[&str] = &[
    "configurationNamingContext",
    "currentTime",
    "defaultNamingContext",
    "dnsHostName",
    "domainControllerFunctionality",
    "dsServiceName",
    "highestCommittedUSN",
    "isGlobalCatalogReady",
    "isSynchronized",
    "namingContexts",
    "rootDomainNamingContext",
    "supportedCapabilities",
    "supportedControl",
];

/// Description of a controller by itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDse {
    /// Root of the domain.
    pub default_naming_context: String,
    /// Root of the forest's first domain; the domain itself where the server does not say.
    pub root_domain_naming_context: String,
    /// Root of the configuration, the same in the whole forest.
    pub configuration_naming_context: Option<String>,
    /// Everything that the controller holds.
    pub naming_contexts: Vec<String>,
    /// The controller's own name.
    pub dns_host_name: Option<String>,
    /// DN of the controller's "NTDS Settings" object, which holds the invocationId.
    pub ds_service_name: String,
    /// The USN of the last committed change on this controller: the watermark of a read that begins
    /// now (R1).
    pub highest_committed_usn: u64,
    /// The controller's clock, generalized time as written (`20261122021034.0Z`).
    pub current_time: Option<String>,
    /// `true` when the initial synchronisation with other controllers is done.
    pub is_synchronized: Option<bool>,
    /// OIDs of controls.
    pub supported_controls: Vec<String>,
    /// OIDs of capabilities; `1.2.840.113556.1.4.800` is Active Directory.
    pub supported_capabilities: Vec<String>,
}

/// Reason why a controller that answers cannot be read now (R39).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControllerDefect {
    /// rootDSE lacks this attribute.
    #[error("rootDSE shows no {0}, so this is no Active Directory controller, or it is not ready")]
    Missing(&'static str),
    /// highestCommittedUSN in rootDSE cannot be read.
    #[error("rootDSE shows a highestCommittedUSN that is no number")]
    MalformedUsn,
    /// isSynchronized in rootDSE is FALSE (MS-ADTS 3.1.1.3.2.15).
    #[error(
        "rootDSE shows isSynchronized FALSE: the controller has not received everything from the others yet"
    )]
    NotSynchronized,
    /// The controller is read-only, and `AD_ALLOW_RODC` is not set.
    #[error(
        "rootDSE shows a read-only controller, which lacks some attributes, so what is missing there would look like a change (AD_ALLOW_RODC is not set)"
    )]
    ReadOnly,
    /// The object that `dsServiceName` names does not exist.
    #[error("the controller has no object \"{}\", which its rootDSE names as its own", printable(.0))]
    NoNtdsSettings(String),
    /// The object that `dsServiceName` names has no `invocationId` that can be read.
    #[error("\"{}\" shows no invocationId to the account", printable(.0))]
    NoInvocationId(String),
}

impl ControllerDefect {
    /// Returns the defect without the password, should the controller repeat it (R27).
    #[must_use]
    pub(super) fn hiding(self, secret: &Secret) -> Self {
        match self {
            Self::NoNtdsSettings(name) => Self::NoNtdsSettings(without(&name, secret)),
            Self::NoInvocationId(name) => Self::NoInvocationId(without(&name, secret)),
            other => other,
        }
    }

    /// Returns the next step.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::MalformedUsn => {
                "check that AD_HOST is an Active Directory controller, not a global catalog or a proxy, and that it has started"
            }
            Self::NotSynchronized => {
                "wait until the controller is synchronized (repadmin /showrepl shows what it waits for), or name another one in AD_HOST"
            }
            Self::ReadOnly => {
                "make a writable controller of the domain reachable, or set AD_ALLOW_RODC=true where the mapping reads no attribute of the filtered set"
            }
            Self::NoNtdsSettings(_) => {
                "check whether the controller was demoted or renamed (dcdiag), or name another one in AD_HOST"
            }
            Self::NoInvocationId(_) => {
                "grant the account Read Property on the NTDS Settings object of the controller, or name another one in AD_HOST"
            }
        }
    }
}

/// Capability of a controller that holds a read-only copy
/// (LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID, MS-ADTS 3.1.1.3.4.3).
const PARTIAL_SECRETS: &str = "1.2.840.113556.1.4.1920";

impl RootDse {
    /// Reports whether the controller holds a read-only copy (RODC), without the attributes of the
    /// filtered set (MS-ADTS 3.1.1.2.3).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.supported_capabilities
            .iter()
            .any(|oid| oid == PARTIAL_SECRETS)
    }

    /// Reads the entry of the empty DN.
    ///
    /// # Errors
    /// When an attribute is missing that an Active Directory controller shows, or the controller
    /// says that it is not synchronized: it lacks objects that others have, so nothing is concluded
    /// from it (R22).
    pub(super) fn read(entry: &Entry) -> Result<Self, ControllerDefect> {
        let owned = |name: &str| {
            entry
                .text(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let required = |name: &'static str| owned(name).ok_or(ControllerDefect::Missing(name));
        let list = |name: &str| {
            entry
                .values(name)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        let default_naming_context = required("defaultNamingContext")?;
        let usn = required("highestCommittedUSN")?;
        let is_synchronized = entry
            .text("isSynchronized")
            .map(|text| text.eq_ignore_ascii_case("TRUE"));
        if is_synchronized == Some(false) {
            return Err(ControllerDefect::NotSynchronized);
        }
        Ok(Self {
            root_domain_naming_context: owned("rootDomainNamingContext")
                .unwrap_or_else(|| default_naming_context.clone()),
            default_naming_context,
            configuration_naming_context: owned("configurationNamingContext"),
            naming_contexts: list("namingContexts"),
            dns_host_name: owned("dnsHostName"),
            ds_service_name: required("dsServiceName")?,
            highest_committed_usn: usn.parse().map_err(|_| ControllerDefect::MalformedUsn)?,
            current_time: owned("currentTime"),
            is_synchronized,
            supported_controls: list("supportedControl"),
            supported_capabilities: list("supportedCapabilities"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| {
                (
                    (*name).to_owned(),
                    values.iter().map(|value| value.as_bytes().to_vec()).collect(),
                )
            })
            .collect();
        Entry::new("", attributes)
    }

    #[test]
    fn a_controller_is_read_whatever_case_it_writes_names_in() {
        let root = RootDse::read(&entry(&[
            ("defaultnamingcontext", &["DC=corp,DC=example"]),
            ("highestCommittedUSN", &["8036"]),
            ("dsServiceName", &["CN=NTDS Settings,CN=DC1"]),
            ("supportedControl", &["1.2", "1.3"]),
            ("isSynchronized", &["TRUE"]),
        ]))
        .unwrap();
        assert_eq!(root.highest_committed_usn, 8036);
        assert_eq!(root.root_domain_naming_context, "DC=corp,DC=example");
        assert_eq!(root.supported_controls, ["1.2", "1.3"]);
        assert_eq!((root.is_synchronized, root.dns_host_name), (Some(true), None));
    }

    #[test]
    fn another_directory_server_is_told_by_what_it_lacks() {
        let error = RootDse::read(&entry(&[("namingContexts", &["dc=example"])]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("defaultNamingContext") && error.contains("Active Directory"),
            "{error}"
        );
    }

    #[test]
    fn r39_a_controller_that_is_not_ready_is_recognised_by_its_root_dse() {
        let complete = [
            ("defaultNamingContext", "DC=x"),
            ("dsServiceName", "CN=y"),
            ("highestCommittedUSN", "7"),
            ("isSynchronized", "TRUE"),
        ];
        let read = |without: &str, synchronized: &'static str| {
            let given: Vec<(&str, Vec<&str>)> = complete
                .iter()
                .filter(|(name, _)| *name != without)
                .map(|&(name, value)| match name {
                    "isSynchronized" => (name, vec![synchronized]),
                    _ => (name, vec![value]),
                })
                .collect();
            let given: Vec<(&str, &[&str])> = given
                .iter()
                .map(|(name, values)| (*name, values.as_slice()))
                .collect();
            RootDse::read(&entry(&given)).map(|root| root.is_synchronized)
        };
        for name in ["defaultNamingContext", "dsServiceName", "highestCommittedUSN"] {
            assert_eq!(read(name, "TRUE"), Err(ControllerDefect::Missing(name)));
        }
        assert_eq!(read("", "FALSE"), Err(ControllerDefect::NotSynchronized));
        assert_eq!(read("", "false"), Err(ControllerDefect::NotSynchronized));
        assert_eq!(read("", "TRUE"), Ok(Some(true)));
        assert_eq!(read("isSynchronized", "TRUE"), Ok(None), "absent counts as TRUE");
    }

    #[test]
    fn r12_a_usn_that_is_no_number_is_an_error() {
        for usn in ["", "-1", "1e3", "99999999999999999999999"] {
            let wrong = entry(&[
                ("defaultNamingContext", &["DC=x"]),
                ("dsServiceName", &["CN=y"]),
                ("highestCommittedUSN", &[usn]),
            ]);
            assert!(RootDse::read(&wrong).is_err(), "{usn}");
        }
    }
}
