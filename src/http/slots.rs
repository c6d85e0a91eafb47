//! A bounded number of slots that addresses share: of connections, and of event streams.
//!
//! A new holder always gets a slot. Where none is free, the address that holds most gives one up:
//! that of a holder which waits, or where none waits, of one which answers; the longest first. So
//! clients that do nothing do not delay others, also where all of them come from one address, as
//! behind a proxy.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Time that a holder has its slot at least: enough to send the head of a request.
const HELD_FOR: Duration = Duration::from_millis(500);

/// Slots that are shared between addresses.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    most: usize,
    holders: Mutex<BTreeMap<u64, SlotHolder>>,
    /// Numbers holders, and orders what happens to them at one moment.
    sequence: AtomicU64,
}

#[derive(Debug)]
struct SlotHolder {
    network: IpAddr,
    activity: Arc<HolderActivity>,
    revoked: CancellationToken,
}

/// A slot that is held; free again when it is dropped.
#[derive(Debug)]
pub(super) struct HeldSlot {
    number: u64,
    slots: Arc<ConnectionSlots>,
    activity: Arc<HolderActivity>,
    revoked: CancellationToken,
}

/// Progress of a holder: it works while it answers a request whose peer takes the answer.
#[derive(Debug)]
pub(super) struct HolderActivity {
    slots: Arc<ConnectionSlots>,
    now: Mutex<HolderProgress>,
}

#[derive(Debug, Clone, Copy)]
struct HolderProgress {
    answers: bool,
    blocked: bool,
    /// Moment of the last change, and its place in the sequence.
    since: (Instant, u64),
}

impl HolderProgress {
    /// Returns the order in which slots are given up: those that wait come first.
    const fn rank(self) -> (bool, (Instant, u64)) {
        (self.answers && !self.blocked, self.since)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionSlots {
    /// Makes `most` slots.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            holders: Mutex::default(),
            sequence: AtomicU64::new(0),
        })
    }

    /// Takes a slot for a peer, which counts as waiting until its activity says otherwise.
    pub(super) async fn take(self: &Arc<Self>, address: IpAddr) -> HeldSlot {
        loop {
            match self.try_take(address) {
                Ok(slot) => return slot,
                Err(free_at) => tokio::time::sleep_until(free_at).await,
            }
        }
    }

    /// Takes a slot, or returns when the next one may be taken from its holder.
    fn try_take(self: &Arc<Self>, address: IpAddr) -> Result<HeldSlot, Instant> {
        let mut holders = locked(&self.holders);
        while holders.len() >= self.most {
            revoke_one(&mut holders)?;
        }
        let number = self.next();
        let activity = Arc::new(HolderActivity {
            slots: Arc::clone(self),
            now: Mutex::new(HolderProgress {
                answers: false,
                blocked: false,
                since: (clock::timer_instant(), number),
            }),
        });
        let revoked = CancellationToken::new();
        let holder = SlotHolder {
            network: network(address),
            activity: Arc::clone(&activity),
            revoked: revoked.clone(),
        };
        holders.insert(number, holder);
        Ok(HeldSlot {
            number,
            slots: Arc::clone(self),
            activity,
            revoked,
        })
    }

    fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }
}

/// Takes a slot from the address that holds most, or says when that may be done.
fn revoke_one(holders: &mut BTreeMap<u64, SlotHolder>) -> Result<(), Instant> {
    let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for holder in holders.values() {
        *held.entry(holder.network).or_default() += 1;
    }
    let most = held.values().copied().max();
    let of_most = holders
        .iter()
        .filter(|(_, holder)| held.get(&holder.network).copied() == most)
        .map(|(number, holder)| (locked(&holder.activity.now).rank(), *number));
    let Some(((_, (since, _)), number)) = of_most.min() else {
        return Ok(());
    };
    let free_at = since + HELD_FOR;
    if clock::timer_instant() < free_at {
        return Err(free_at);
    }
    if let Some(holder) = holders.remove(&number) {
        holder.revoked.cancel();
    }
    Ok(())
}

/// Returns what one party has to itself: an IPv4 address, or an IPv6 network of 64 bits (RFC 4291
/// section 2.5.4).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl HeldSlot {
    /// Ends when the slot is given to another holder.
    pub(super) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Returns the activity, for the code that knows of the holder's progress.
    pub(super) fn activity(&self) -> Arc<HolderActivity> {
        Arc::clone(&self.activity)
    }
}

impl Drop for HeldSlot {
    fn drop(&mut self) {
        locked(&self.slots.holders).remove(&self.number);
    }
}

impl HolderActivity {
    /// Records that a request is answered now, or that the next one is waited for.
    pub(super) fn set_answering(&self, answers: bool) {
        self.change(|now| now.answers = answers);
    }

    /// Records that the peer does not take what is written, or does again.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.change(|now| now.blocked = blocked);
    }

    fn change(&self, change: impl FnOnce(&mut HolderProgress)) {
        let mut now = locked(&self.now);
        let (before, _) = now.rank();
        change(&mut now);
        if now.rank().0 != before {
            now.since = (clock::timer_instant(), self.slots.next());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn taken(slots: &Arc<ConnectionSlots>, of: &[u8]) -> Vec<HeldSlot> {
        let mut taken = Vec::new();
        for last in of {
            taken.push(slots.take(address(*last)).await);
        }
        taken
    }

    /// Returns the indexes of the slots that were given up.
    fn revoked(slots: &[HeldSlot]) -> Vec<usize> {
        (0..slots.len())
            .filter(|at| slots[*at].revoked.is_cancelled())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_that_holds_most_gives_up_what_waits_longest() {
        let slots = ConnectionSlots::new(4);
        let mut held: Vec<HeldSlot> = taken(&slots, &[1, 2, 1, 1]).await;
        assert!(revoked(&held).is_empty());
        held[0].activity().set_answering(true);
        held.push(slots.take(address(3)).await);
        assert_eq!(revoked(&held), [2], "the oldest works");
        held.push(slots.take(address(1)).await);
        assert_eq!(revoked(&held), [2, 3], "also for its own");
        held[5].activity().set_answering(true);
        held.push(slots.take(address(3)).await);
        assert_eq!(
            revoked(&held),
            [0, 2, 3],
            "all of its work, so the one that does longest"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_who_work_the_one_that_works_longest_gives_up() {
        let slots = ConnectionSlots::new(3);
        let mut held: Vec<HeldSlot> = taken(&slots, &[1, 1, 1]).await;
        for at in [2, 0, 1] {
            held[at].activity().set_answering(true);
        }
        held.push(slots.take(address(2)).await);
        assert_eq!(revoked(&held), [2]);
        held[1].activity().set_blocked(true);
        held.push(slots.take(address(2)).await);
        assert_eq!(revoked(&held), [1, 2], "it works, but for nobody who reads");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_begins_to_wait_is_the_last_of_those_who_wait() {
        let slots = ConnectionSlots::new(3);
        let mut held: Vec<HeldSlot> = taken(&slots, &[1, 1, 1]).await;
        held[0].activity().set_answering(true);
        held[0].activity().set_answering(false);
        held.push(slots.take(address(1)).await);
        held.push(slots.take(address(1)).await);
        assert_eq!(revoked(&held), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_is_dropped_is_free() {
        let slots = ConnectionSlots::new(2);
        let first = slots.take(address(1)).await;
        for _ in 0..5 {
            drop(slots.take(address(2)).await);
        }
        assert!(!first.revoked.is_cancelled());
        assert_eq!(locked(&slots.holders).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn every_holder_has_time_to_send_a_request() {
        let slots = ConnectionSlots::new(3);
        let _held = taken(&slots, &[1, 1]).await;
        tokio::time::advance(HELD_FOR * 2).await;
        let young = slots.take(address(1)).await;
        let began = Instant::now();
        let _more = taken(&slots, &[1, 1]).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "two were old");
        assert!(!young.revoked.is_cancelled());
        let _more = taken(&slots, &[2, 2]).await;
        assert!(began.elapsed() >= HELD_FOR, "all were young");
        assert!(young.revoked.is_cancelled());
    }

    #[test]
    fn a_network_of_ipv6_is_one_party() {
        for (one, other, same) in [
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let of = |text: &str| network(text.parse().unwrap());
            assert_eq!(of(one) == of(other), same, "{one} {other}");
        }
    }
}
