//! A DNS server for tests: it answers over UDP with the SRV records that it was given, or
//! misbehaves. An answer that is too long for UDP comes over TCP.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// Longest answer over UDP, as servers limit it today (DNS Flag Day 2020).
const LONGEST_OVER_UDP: usize = 1232;

/// What it answers.
#[derive(Debug, Clone)]
pub enum Zone {
    /// These records to a question for `_ldap._tcp.dc._msdcs.DOMAIN`, and "no such name" to any
    /// other.
    Controllers(&'static str, Vec<Record>),
    /// The same, and those of the sites to a question for
    /// `_ldap._tcp.SITE._sites.dc._msdcs.DOMAIN`.
    Sites(&'static str, Vec<Record>, Vec<(&'static str, Vec<Record>)>),
    /// The name exists, and has no such record.
    Empty,
    /// Nothing at all.
    Silent,
    /// Octets that are no answer.
    Garbage,
    /// Servfail (RFC 1035 section 4.1.1).
    Failure,
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone)]
pub struct Record {
    /// The lowest is tried first.
    pub priority: u16,
    /// The heavier ones are tried first more often.
    pub weight: u16,
    /// The port of unencrypted LDAP.
    pub port: u16,
    /// The host, labels with dots between.
    pub target: String,
}

impl Record {
    /// A record with this priority and no weight.
    #[must_use]
    pub fn of(priority: u16, target: &str) -> Self {
        Self {
            priority,
            weight: 0,
            port: 389,
            target: target.to_owned(),
        }
    }

    /// The same with another port.
    #[must_use]
    pub fn at_port(self, port: u16) -> Self {
        Self { port, ..self }
    }
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Dns {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Dns {
    /// Starts to serve on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(zone: Zone) -> Self {
        // Another program may have the same number for TCP.
        let (socket, listener) = loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
                break (socket, listener);
            }
        };
        let addr = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut octets = [0; 2048];
            loop {
                tokio::select! {
                    Ok((length, from)) = socket.recv_from(&mut octets) => {
                        if let Some(mut answer) = answer(&octets[..length], &zone) {
                            if answer.len() > LONGEST_OVER_UDP {
                                // Truncated: the header and the question, TC, no record (RFC 2181
                                // section 9).
                                answer.truncate(length.min(question_end(&octets).unwrap_or(12)));
                                answer[2] |= 2;
                                answer[6..8].fill(0);
                            }
                            let _ = socket.send_to(&answer, from).await;
                        }
                    }
                    Ok((stream, _)) = listener.accept() => {
                        let _ = over_tcp(stream, &zone).await;
                    }
                }
            }
        });
        Self { addr, task }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one query over TCP, where a length comes before each message (RFC 1035 section 4.2.2).
async fn over_tcp(mut stream: TcpStream, zone: &Zone) -> std::io::Result<()> {
    let length = stream.read_u16().await?;
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await?;
    if let Some(answer) = answer(&query, zone) {
        stream.write_u16(u16::try_from(answer.len()).unwrap()).await?;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

/// Where the only question of a query ends.
fn question_end(query: &[u8]) -> Option<usize> {
    Some(name(query, 12)?.1 + 4)
}

/// The answer to a query with one question (RFC 1035 section 4); `None` for none.
fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let (name, end) = name(query, 12)?;
    let question = query.get(12..end + 4)?;
    let is_srv = question.ends_with(&[0, 33, 0, 1]);
    let (code, records) = match zone {
        Zone::Silent => return None,
        Zone::Garbage => return Some(vec![0xFF; 40]),
        Zone::Failure => (2, &[][..]),
        Zone::Empty => (0, &[][..]),
        Zone::Controllers(domain, records)
            if is_srv && name.eq_ignore_ascii_case(&format!("_ldap._tcp.dc._msdcs.{domain}")) =>
        {
            (0, records.as_slice())
        }
        Zone::Controllers(..) => (3, &[][..]),
        Zone::Sites(domain, records, sites) => {
            let mut sets = sites.iter().map(|(site, records)| {
                let name = format!("_ldap._tcp.{site}._sites.dc._msdcs.{domain}");
                (name, records)
            });
            let all = (format!("_ldap._tcp.dc._msdcs.{domain}"), records);
            let asked = |(set, _): &(String, &Vec<Record>)| is_srv && name.eq_ignore_ascii_case(set);
            match Some(all).filter(asked).or_else(|| sets.find(asked)) {
                Some((_, records)) => (0, records.as_slice()),
                None => (3, &[][..]),
            }
        }
    };
    let mut out = query[..2].to_vec();
    // An answer, recursion desired and available.
    out.extend([0x81, 0x80 | code, 0, 1]);
    out.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(question);
    for record in records {
        let mut data = Vec::new();
        for number in [record.priority, record.weight, record.port] {
            data.extend(number.to_be_bytes());
        }
        for label in record.target.split('.').filter(|label| !label.is_empty()) {
            data.push(u8::try_from(label.len()).unwrap());
            data.extend(label.as_bytes());
        }
        data.push(0);
        // The name of the question; SRV, IN, a minute.
        out.extend([0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

/// The name at `at`, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).into_owned());
        at += length;
    }
}
