//! The STATS control (LDAP_SERVER_GET_STATS_OID, MS-ADTS 3.1.1.3.4.1.6): what a search cost the controller.

use super::ber::{INTEGER, OCTETS, SEQUENCE, Writer};
use super::message::{GET_STATS, Request};

/// How a controller answers the control.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stats {
    /// It does not know it: rootDSE does not name it, and a search that asks goes on without.
    #[default]
    Unknown,
    /// With figures, as to an account that may debug the controller.
    Told,
    /// With zeros and without texts, as to any other account.
    Withheld,
    /// By refusing the search, as a controller might that lets only some accounts send it.
    Refused,
    /// With these octets.
    Raw(Vec<u8>),
}

/// The statistics of one page.
pub(super) struct Page {
    pub(super) visited: u64,
    pub(super) returned: usize,
    /// The index that led to the candidates.
    pub(super) index: &'static str,
    pub(super) filter: String,
}

impl Stats {
    /// Whether rootDSE names the control.
    pub(super) fn is_offered(&self) -> bool {
        *self != Self::Unknown
    }

    /// Whether `request` is refused for asking.
    pub(super) fn refuses(&self, request: &Request) -> bool {
        *self == Self::Refused && request.control(GET_STATS).is_some()
    }

    /// The response control, OID and value, for a request that asks for it.
    pub(super) fn answer(&self, request: &Request, page: &Page) -> Option<(&'static str, Vec<u8>)> {
        request.control(GET_STATS)?;
        let value = match self {
            Self::Unknown | Self::Refused => return None,
            Self::Told => {
                let index = format!("{}:{}:N;\0", page.index, page.visited);
                let returned = i64::try_from(page.returned).unwrap_or(i64::MAX);
                let visited = i64::try_from(page.visited).unwrap_or(i64::MAX);
                encoded(returned, visited, &format!(" {} \0", page.filter), &index)
            }
            Self::Withheld => encoded(0, 0, "\0", "\0"),
            Self::Raw(octets) => octets.clone(),
        };
        Some((GET_STATS, value))
    }
}

/// `StatsResponseValueV3`, which Windows Server 2008 and later give to a request without a value: pairs of tag and value, of
/// which the first six are those of Windows Server 2003.
fn encoded(returned: i64, visited: i64, filter: &str, index: &str) -> Vec<u8> {
    let mut out = Writer::default();
    let all = out.open(SEQUENCE);
    for (tag, value) in [(1, 1), (3, 0), (5, returned), (6, visited)] {
        out.integer(INTEGER, tag);
        out.integer(INTEGER, value);
    }
    for (tag, value) in [(7, filter), (8, index)] {
        out.integer(INTEGER, tag);
        out.octets(OCTETS, value.as_bytes());
    }
    for tag in 9..=15 {
        out.integer(INTEGER, tag);
        out.integer(INTEGER, 0);
    }
    out.close(all);
    out.take()
}
