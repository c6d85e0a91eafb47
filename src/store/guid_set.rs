//! Many GUIDs in little memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::identity::Guid;

/// The GUIDs that a read met, 8 octets each: a million of them are 8 MB.
///
/// It keeps hashes, so it may take a GUID for one that it met: once in 18 million million look-ups with a million GUIDs. Such an
/// object is kept although it is gone. The reverse, an object that was met and is taken for absent, cannot happen.
#[derive(Debug, Clone, Default)]
pub struct GuidSet {
    hashes: Vec<u64>,
    sorted: usize,
}

impl GuidSet {
    /// Adds a GUID, whether or not it is there already.
    pub fn insert(&mut self, guid: Guid) {
        self.hashes.push(hash(guid));
    }

    /// Adds everything of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.hashes.extend_from_slice(&other.hashes);
    }

    /// Makes the set ready for [`Self::contains`]; needed after the last insertion.
    pub fn sort(&mut self) {
        if self.sorted < self.hashes.len() {
            self.hashes.sort_unstable();
            self.hashes.dedup();
            self.sorted = self.hashes.len();
        }
    }

    /// Whether the GUID was added. What was added since [`Self::sort`] is looked through one by one.
    #[must_use]
    pub fn contains(&self, guid: Guid) -> bool {
        let (wanted, (sorted, rest)) = (hash(guid), self.hashes.split_at(self.sorted));
        holds(sorted, wanted) || rest.contains(&wanted)
    }
}

/// Whether `wanted` is among `sorted`. Hashes lie evenly, so its place is nearly known: a bisection over a million would fetch
/// twenty places from memory, this one or two.
fn holds(sorted: &[u64], wanted: u64) -> bool {
    let guess = (u128::from(wanted) * sorted.len() as u128) >> 64;
    #[expect(clippy::cast_possible_truncation, reason = "below the length")]
    let guess = guess as usize;
    // Four deviations of where the hash may lie; outside of that it is searched for the usual way.
    let reach = 4 * sorted.len().isqrt() + 1;
    let (low, high) = (guess.saturating_sub(reach), (guess + reach).min(sorted.len()));
    let near = sorted.get(low..high).unwrap_or_default();
    match (near.first(), near.last()) {
        (Some(first), Some(last)) if *first <= wanted && wanted <= *last => {
            near.binary_search(&wanted).is_ok()
        }
        _ => sorted.binary_search(&wanted).is_ok(),
    }
}

/// `SipHash`, so that no pattern in the GUIDs makes collisions likelier.
fn hash(guid: Guid) -> u64 {
    let mut hasher = DefaultHasher::new();
    guid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(number: u64) -> Guid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Guid::from(bytes)
    }

    #[test]
    fn r22_what_was_met_is_never_taken_for_absent() {
        let mut set = GuidSet::default();
        for number in (0..20_000).rev() {
            set.insert(guid(number));
            set.insert(guid(number));
        }
        assert!(set.contains(guid(7)), "before sorting");
        set.sort();
        set.insert(guid(20_000));
        assert!((0..=20_000).all(|number| set.contains(guid(number))));
        assert!((20_001..60_000).all(|number| !set.contains(guid(number))));
    }

    #[test]
    fn two_sets_are_one_after_extending() {
        let (mut one, mut other) = (GuidSet::default(), GuidSet::default());
        one.insert(guid(1));
        one.sort();
        other.insert(guid(2));
        one.extend(&other);
        one.sort();
        assert!(one.contains(guid(1)) && one.contains(guid(2)) && !one.contains(guid(3)));
    }
}
