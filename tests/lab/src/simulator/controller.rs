//! A controller: which of the domain's servers a simulator plays. It has USNs and an invocation ID of its own.

use super::directory::Domain;

/// One domain controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Host name without domain: `DC1`.
    pub name: String,
    /// Identity of its database (MS-ADTS 1.1, "invocationId"), bytes on the wire; a restored database gets another one.
    pub invocation_id: [u8; 16],
    /// Its USN of a change is the change's number in the directory plus this.
    pub usn_offset: i64,
}

impl Controller {
    /// The domain's `number`th controller: its invocation ID and USNs differ from every other number's.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        let mut invocation_id = *b"invocation-id-00";
        invocation_id[15] = number;
        Self {
            name: format!("DC{number}"),
            invocation_id,
            usn_offset: 12_288 - 1_013 * i64::from(number),
        }
    }

    /// The USN it gives to the change with this number.
    #[must_use]
    pub fn usn(&self, sequence: u64) -> i64 {
        i64::try_from(sequence)
            .unwrap_or(i64::MAX)
            .saturating_add(self.usn_offset)
    }

    /// Its DNS name: `dc1.corp.example`.
    #[must_use]
    pub fn host(&self, domain: &Domain) -> String {
        format!("{}.{}", self.name.to_lowercase(), domain.dns)
    }

    /// The distinguished name of its `NTDS Settings` object.
    #[must_use]
    pub fn settings_dn(&self, domain: &Domain) -> String {
        let site = "CN=Default-First-Site-Name,CN=Sites";
        format!(
            "CN=NTDS Settings,CN={},CN=Servers,{site},{}",
            self.name,
            domain.configuration()
        )
    }
}
