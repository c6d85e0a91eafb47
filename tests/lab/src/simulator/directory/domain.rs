//! Names and identity of a domain.

/// Names and identity of the domain.
#[derive(Debug, Clone)]
pub struct Domain {
    /// DNS name: `corp.example`.
    pub dns: String,
    /// NetBIOS name: `CORP`.
    pub netbios: String,
    /// Distinguished name: `DC=corp,DC=example`.
    pub dn: String,
    /// The three sub-authorities of the domain SID after 21.
    pub sid: [u32; 3],
}

impl Domain {
    /// The domain with this DNS name.
    #[must_use]
    pub fn new(dns: &str) -> Self {
        // No two domains have one SID. The first, whose SID tests know, has the one that
        // Microsoft's pages show.
        let third = match dns {
            "corp.example" => 30_300_820,
            other => other.bytes().fold(7, |sum: u32, byte| {
                sum.wrapping_mul(31).wrapping_add(u32::from(byte))
            }),
        };
        Self {
            dns: dns.to_owned(),
            netbios: dns.split('.').next().unwrap_or(dns).to_uppercase(),
            dn: dns
                .split('.')
                .map(|label| format!("DC={label}"))
                .collect::<Vec<_>>()
                .join(","),
            sid: [3_623_811_015, 3_361_044_348, third],
        }
    }

    /// `CN=Configuration,…`
    #[must_use]
    pub fn configuration(&self) -> String {
        format!("CN=Configuration,{}", self.dn)
    }

    /// `CN=Schema,CN=Configuration,…`
    #[must_use]
    pub fn schema(&self) -> String {
        format!("CN=Schema,{}", self.configuration())
    }

    /// The SID with this RID, as bytes (MS-DTYP 2.4.2.2); the domain's own for `None`.
    #[must_use]
    pub fn sid(&self, rid: Option<u32>) -> Vec<u8> {
        let parts: Vec<u32> = std::iter::once(21).chain(self.sid).chain(rid).collect();
        let mut bytes = vec![1, u8::try_from(parts.len()).unwrap(), 0, 0, 0, 0, 0, 5];
        bytes.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }

    /// The RID in a SID of this domain.
    pub(super) fn rid(&self, sid: &[u8]) -> Option<u32> {
        let (head, rid) = sid.split_last_chunk::<4>()?;
        let own = self.sid(None);
        (head.len() == own.len() && head[2..] == own[2..]).then(|| u32::from_le_bytes(*rid))
    }
}
