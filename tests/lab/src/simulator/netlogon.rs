//! The netlogon ping (MS-ADTS 6.3.3): answered over UDP, where it may be delayed, lost or forged,
//! and over a session.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Shared;
use super::ber::{INTEGER, OCTETS, SEQUENCE, Writer};
use super::filter::{Comparison, Filter};
use super::message::{Operation, Outcome, Request, Search};
use super::schema::Attribute;
use super::search::write_values;
use super::statistics::Statistics;

/// The attribute.
const NETLOGON: &str = "netlogon";

/// DS flags (MS-ADTS 6.3.1.2): a writable controller with global catalog, LDAP, DS, KDC and time
/// service.
const USUAL: u32 = 0x1 << 2 | 0x8 | 0x10 | 0x20 | 0x40 | WRITABLE;
const PDC: u32 = 0x1;
const CLOSEST: u32 = 0x80;
const WRITABLE: u32 = 0x100;
const SELECT_SECRETS: u32 = 0x800;

/// Sites and role of a controller, as it answers them.
#[derive(Debug, Clone, Default)]
pub struct Netlogon {
    /// Its site.
    pub site: String,
    /// The site of whoever asks; empty where no subnet holds its address.
    pub client_site: String,
    /// The site next to that.
    pub next_closest_site: Option<String>,
    /// It is the emulator of the primary domain controller.
    pub is_pdc: bool,
    /// It is a read-only controller. rootDSE says so, too.
    pub is_read_only: bool,
    /// Its netlogon service is paused.
    pub is_paused: bool,
    /// Another domain than that of the directory.
    pub domain: Option<String>,
    /// Another DNS name than that of the controller.
    pub host: Option<String>,
    /// Differences of the answers over UDP.
    pub over_udp: OverUdp,
}

/// Misbehaviour over UDP.
#[derive(Debug, Clone, Default)]
pub struct OverUdp {
    /// Time before an answer.
    pub delay: Duration,
    /// The first requests, which are lost; `usize::MAX` for all.
    pub lost: usize,
    /// The answer belongs to another request.
    pub wrong_id: bool,
    /// These octets instead of the answer.
    pub raw: Option<Vec<u8>>,
    /// Answer of a forger in place of the controller.
    pub forged: Option<Box<Netlogon>>,
}

impl Netlogon {
    /// A writable controller in `site`, asked by a client in `client_site`.
    #[must_use]
    pub fn of(site: &str, client_site: &str) -> Self {
        Self {
            site: site.to_owned(),
            client_site: client_site.to_owned(),
            ..Self::default()
        }
    }

    /// The same, silent over UDP.
    #[must_use]
    pub fn without_udp(mut self) -> Self {
        self.over_udp.lost = usize::MAX;
        self
    }

    /// The same, over UDP as `forged` says.
    #[must_use]
    pub fn with_forged(mut self, forged: Self) -> Self {
        self.over_udp.forged = Some(Box::new(forged));
        self
    }

    /// `NETLOGON_SAM_LOGON_RESPONSE_EX` (MS-ADTS 6.3.1.9).
    fn value(&self, domain: &str, netbios: &str, name: &str) -> Vec<u8> {
        let domain = self.domain.as_deref().unwrap_or(domain);
        let mut flags = USUAL;
        if self.is_pdc {
            flags |= PDC;
        }
        if self.site == self.client_site {
            flags |= CLOSEST;
        }
        if self.is_read_only {
            flags = flags & !WRITABLE | SELECT_SECRETS;
        }
        let mut value = vec![if self.is_paused { 0x18 } else { 0x17 }, 0, 0, 0];
        value.extend(flags.to_le_bytes());
        value.extend(*b"the-domains-guid");
        let forest = value.len();
        labels(domain, &mut value);
        value.push(0);
        let to_forest = [0xC0, u8::try_from(forest).unwrap()];
        value.extend(to_forest);
        match &self.host {
            Some(host) => {
                labels(host, &mut value);
                value.push(0);
            }
            None => {
                labels(&name.to_lowercase(), &mut value);
                value.extend(to_forest);
            }
        }
        for name in [netbios, name, "", &self.site, &self.client_site] {
            label(name, &mut value);
            value.push(0);
        }
        let mut version = 5_u32;
        if let Some(site) = &self.next_closest_site {
            label(site, &mut value);
            value.push(0);
            version |= 0x10;
        }
        value.extend(version.to_le_bytes());
        value.extend([0xFF; 4]);
        value
    }
}

fn labels(name: &str, out: &mut Vec<u8>) {
    name.split('.').for_each(|part| label(part, out));
}

fn label(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.push(u8::try_from(text.len()).unwrap());
        out.extend(text.as_bytes());
    }
}

/// Returns the domain that the filter of a ping names.
fn asked_domain(search: &Search) -> Option<String> {
    let Filter::And(parts) = &search.filter else {
        return None;
    };
    parts.iter().find_map(|part| match part {
        Filter::Compare(Attribute::Other(name), Comparison::Equal, value) if name == "dnsdomain" => {
            String::from_utf8(value.clone()).ok()
        }
        _ => None,
    })
}

impl Shared {
    /// Writes the attribute, where the search asks for it and for this domain.
    pub(super) fn write_netlogon(&self, search: &Search, out: &mut Writer) {
        if let Some(netlogon) = &self.netlogon {
            self.write_answer(netlogon, search, out);
        }
    }

    fn write_answer(&self, netlogon: &Netlogon, search: &Search, out: &mut Writer) {
        let domain = self.directory.domain();
        let asked = search
            .attributes
            .iter()
            .any(|name| name.eq_ignore_ascii_case(NETLOGON));
        if asked && asked_domain(search).is_some_and(|asked| asked.eq_ignore_ascii_case(&domain.dns)) {
            let name = self.controller.read().unwrap().name.clone();
            let value = netlogon.value(&domain.dns, &domain.netbios, &name);
            write_values(NETLOGON, std::iter::once(value.as_slice()), false, out);
        }
    }

    /// The datagram that answers `request`; none where it is no ping.
    fn datagram(&self, request: &[u8], netlogon: &Netlogon) -> Option<Vec<u8>> {
        let request = Request::decode(request).ok()?;
        let Operation::Search(search) = &request.operation else {
            return None;
        };
        if let Some(raw) = &netlogon.over_udp.raw {
            return Some(raw.clone());
        }
        let id = request.id + i64::from(netlogon.over_udp.wrong_id);
        let said = netlogon.over_udp.forged.as_deref().unwrap_or(netlogon);
        let mut out = Writer::default();
        let message = out.open(SEQUENCE);
        out.integer(INTEGER, id);
        let entry = out.open(0x64);
        out.octets(OCTETS, b"");
        let list = out.open(SEQUENCE);
        self.write_answer(said, search, &mut out);
        out.close(list);
        out.close(entry);
        out.close(message);
        Outcome::success().write(&mut out, id, 0x65, None, None);
        Some(out.take())
    }
}

/// Answers pings until told to stop.
pub(super) async fn serve(socket: UdpSocket, shared: Arc<Shared>, stop: CancellationToken) {
    let Some(netlogon) = shared.netlogon.clone() else {
        return;
    };
    socket.set_nonblocking(true).unwrap();
    let socket = Arc::new(tokio::net::UdpSocket::from_std(socket).unwrap());
    let mut octets = [0; 2048];
    let mut count = 0;
    while let Some(received) = stop.run_until_cancelled(socket.recv_from(&mut octets)).await {
        let Ok((length, from)) = received else {
            continue;
        };
        Statistics::add(&shared.statistics.pings, 1);
        count += 1;
        if count <= netlogon.over_udp.lost {
            continue;
        }
        if let Some(answer) = shared.datagram(&octets[..length], &netlogon) {
            let (socket, delay) = (Arc::clone(&socket), netlogon.over_udp.delay);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = socket.send_to(&answer, from).await;
            });
        }
    }
}
