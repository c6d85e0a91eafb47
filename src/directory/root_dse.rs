//! What a controller says about itself (MS-ADTS 3.1.1.3.2).

use super::entry::Entry;

/// What is read.
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

/// What a controller says about itself at one moment.
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
    /// The USN of the last committed change on this controller: the watermark of a read that begins now (R1).
    pub highest_committed_usn: u64,
    /// The controller's clock, generalized time as written (`20261122021034.0Z`).
    pub current_time: Option<String>,
    /// Whether the initial synchronisation with other controllers is done.
    pub is_synchronized: Option<bool>,
    /// OIDs of controls.
    pub supported_controls: Vec<String>,
    /// OIDs of capabilities; `1.2.840.113556.1.4.800` is Active Directory.
    pub supported_capabilities: Vec<String>,
}

impl RootDse {
    /// Reads the entry of the empty DN.
    ///
    /// # Errors
    /// Names the attribute that an Active Directory controller has and this server has not.
    pub(super) fn read(entry: &Entry) -> Result<Self, String> {
        let owned = |name: &str| {
            entry
                .text(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let required = |name: &str| {
            owned(name)
                .ok_or_else(|| format!("rootDSE shows no {name}, so this is no Active Directory controller"))
        };
        let list = |name: &str| {
            entry
                .values(name)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        let default_naming_context = required("defaultNamingContext")?;
        let usn = required("highestCommittedUSN")?;
        Ok(Self {
            root_domain_naming_context: owned("rootDomainNamingContext")
                .unwrap_or_else(|| default_naming_context.clone()),
            default_naming_context,
            configuration_naming_context: owned("configurationNamingContext"),
            naming_contexts: list("namingContexts"),
            dns_host_name: owned("dnsHostName"),
            ds_service_name: required("dsServiceName")?,
            highest_committed_usn: usn
                .parse()
                .map_err(|_| "rootDSE shows a highestCommittedUSN that is no number".to_owned())?,
            current_time: owned("currentTime"),
            is_synchronized: entry
                .text("isSynchronized")
                .map(|text| text.eq_ignore_ascii_case("TRUE")),
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
        let error = RootDse::read(&entry(&[("namingContexts", &["dc=example"])])).unwrap_err();
        assert!(
            error.contains("defaultNamingContext") && error.contains("Active Directory"),
            "{error}"
        );
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
