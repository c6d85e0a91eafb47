//! Controllers of a domain in several sites, and the DNS server that names them.

use lab::dns::{Dns, Record, Zone};
use lab::simulator::{Netlogon, Options, Simulator};

use super::simulated::{PEOPLE, Simulated};

const DOMAIN: &str = "corp.example";

/// Controllers at 127.0.0.1 and so on, and the DNS server that names them.
pub struct Sites {
    pub lab: Simulated,
    /// The second one and so on.
    pub others: Vec<Simulator>,
    pub dns: Dns,
}

impl Sites {
    /// One controller an item: the first at 127.0.0.1, the next at 127.0.0.2. `sites` are the
    /// records of each site, by the last octet; `in_domain` are those of the domain, the first with
    /// the lowest number of priority.
    pub async fn new(controllers: &[Netlogon], in_domain: &[u8], sites: &[(&'static str, &[u8])]) -> Sites {
        let directory = lab::simulator::Directory::new(DOMAIN, PEOPLE);
        let mut controllers = controllers.iter().cloned();
        let first = Options {
            directory: directory.clone(),
            netlogon: controllers.next(),
            ..Options::default()
        };
        let mut lab = Simulated::with(first, lab::receiver::Options::default()).await;
        let others = (2..)
            .zip(controllers)
            .map(|(number, netlogon)| lab.another(number, Some(netlogon)))
            .collect();
        let port = lab.simulator.addr().port();
        let records = |numbers: &[u8]| -> Vec<Record> {
            numbers
                .iter()
                .enumerate()
                .map(|(priority, number)| {
                    Record::of(priority as u16, &format!("127.0.0.{number}")).at_port(port)
                })
                .collect()
        };
        let of_sites = sites.iter().map(|(site, numbers)| (*site, records(numbers)));
        let dns = Dns::start(Zone::Sites(DOMAIN, records(in_domain), of_sites.collect())).await;
        lab.unset("AD_HOST");
        lab.set("AD_DOMAIN", DOMAIN);
        lab.set("AD_DNS_SERVER", &dns.addr().to_string());
        Sites { lab, others, dns }
    }

    pub fn controller(&self, number: usize) -> &Simulator {
        match number {
            1 => &self.lab.simulator,
            _ => &self.others[number - 2],
        }
    }

    /// Connections that each controller got since the last question.
    pub fn connections(&self) -> Vec<u64> {
        (1..=self.others.len() + 1)
            .map(|number| {
                let statistics = self.controller(number).statistics();
                let connections = statistics.counts().connections;
                statistics.reset();
                connections
            })
            .collect()
    }

    pub fn pings(&self, number: usize) -> u64 {
        self.controller(number).statistics().counts().pings
    }
}
