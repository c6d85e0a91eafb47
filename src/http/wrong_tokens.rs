//! Wrong tokens: each is refused late, one after the other of an address.
//!
//! The right token never waits, so that a client cannot lock out others of the same address, as
//! behind a proxy.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::slots::network;
use crate::clock;

/// Time between two refusals of one address.
const BETWEEN: Duration = Duration::from_millis(500);

/// Longest wait of a refusal; one that would wait longer is given at once.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Addresses that are remembered; each is forgotten as soon as nothing of it waits.
const ADDRESSES: usize = 1024;

/// Moment at which the last refusal of each address is due.
#[derive(Debug, Default)]
pub(super) struct WrongTokens(Mutex<BTreeMap<IpAddr, Instant>>);

impl WrongTokens {
    /// Takes the next turn for one more wrong token: how long its refusal waits, or `None` where
    /// too many wait already.
    pub(super) fn take_turn(&self, address: IpAddr) -> Option<Duration> {
        let now = clock::timer_instant();
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        due.retain(|_, at| *at > now);
        if due.len() >= ADDRESSES && !due.contains_key(&network(address)) {
            return None;
        }
        let last = due.get(&network(address)).copied().unwrap_or(now);
        let next = last + BETWEEN;
        let wait = next - now;
        if wait > LONGEST_WAIT {
            return None;
        }
        due.insert(network(address), next);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_one_address_come_one_after_the_other() {
        let wrong = WrongTokens::default();
        let waits: Vec<_> = (0..12).map(|_| wrong.take_turn(address(1))).collect();
        for (at, wait) in waits.iter().take(10).enumerate() {
            let turn = u32::try_from(at).unwrap() + 1;
            assert_eq!(*wait, Some(BETWEEN * turn));
        }
        assert_eq!(waits[10..], [None, None]);
        assert_eq!(wrong.take_turn(address(2)), Some(BETWEEN), "another address");
        tokio::time::advance(LONGEST_WAIT).await;
        assert_eq!(wrong.take_turn(address(1)), Some(BETWEEN), "it is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_of_addresses_is_remembered() {
        let wrong = WrongTokens::default();
        for number in 0..u32::try_from(ADDRESSES).unwrap() {
            assert!(wrong.take_turn(IpAddr::from(number.to_be_bytes())).is_some());
        }
        assert_eq!(wrong.take_turn(address(1)), None);
        tokio::time::advance(BETWEEN).await;
        assert!(wrong.take_turn(address(1)).is_some());
    }
}
