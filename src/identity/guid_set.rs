//! Set of many GUIDs in little memory.

use super::Guid;

/// GUIDs that a read found, 8 octets each: a million of them are 8 MB.
///
/// The set keeps hashes, so it may take a GUID for one that it contains: once in 18 million million
/// look-ups with a million GUIDs. Such an object is kept although it is gone. The reverse, an
/// object that was found and is taken for absent, cannot happen.
#[derive(Debug, Clone, Default)]
pub struct GuidSet {
    hashes: Vec<u64>,
    sorted: usize,
    everything: bool,
}

impl GuidSet {
    /// Returns the set of all possible GUIDs: the result of a read that cannot have missed any
    /// object, since none was known before it.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Returns `true` for [`Self::everything`].
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.everything
    }

    /// Adds a GUID, also when the set contains it already.
    pub fn insert(&mut self, guid: Guid) {
        self.hashes.push(hash(guid));
    }

    /// Adds everything of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.hashes.extend_from_slice(&other.hashes);
    }

    /// Returns the set as it is stored, 8 octets a GUID.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    /// Returns the set that [`Self::to_bytes`] stored.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let hashes = bytes.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash));
        Self {
            hashes: hashes.collect(),
            ..Self::default()
        }
    }

    /// Makes the set ready for [`Self::contains`]; needed after the last insertion.
    pub fn sort(&mut self) {
        if self.sorted < self.hashes.len() {
            self.hashes.sort_unstable();
            self.hashes.dedup();
            self.sorted = self.hashes.len();
        }
    }

    /// Returns `true` when the set contains the GUID. GUIDs that were added since [`Self::sort`]
    /// are compared one by one.
    #[must_use]
    pub fn contains(&self, guid: Guid) -> bool {
        let (wanted, (sorted, rest)) = (hash(guid), self.hashes.split_at(self.sorted));
        self.everything || holds(sorted, wanted) || rest.contains(&wanted)
    }
}

/// Returns `true` when `sorted` contains `wanted`. Hashes are distributed evenly, so the place is
/// nearly known: a bisection over a million would fetch twenty places from memory, this one or two.
fn holds(sorted: &[u64], wanted: u64) -> bool {
    let guess = (u128::from(wanted) * sorted.len() as u128) >> 64;
    #[expect(clippy::cast_possible_truncation, reason = "below the length")]
    let guess = guess as usize;
    // Eight standard deviations of the hash's place; outside of them a normal search follows.
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

/// Hashes both halves, each through the finalizer of SplitMix64 (Steele, Lea, Flood: Fast
/// Splittable Pseudorandom Number Generators), so that no pattern in the GUIDs makes collisions
/// likelier. Hashes are stored (`slice`): this must stay as it is, which a hasher of the standard
/// library does not promise.
fn hash(guid: Guid) -> u64 {
    let (halves, _) = guid.as_bytes().as_chunks();
    halves.iter().fold(0, |hash: u64, half| {
        mixed(hash.wrapping_add(u64::from_le_bytes(*half)))
    })
}

const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
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

    #[test]
    fn a_set_comes_back_from_the_file_whatever_the_version_that_wrote_it() {
        let mut set = GuidSet::default();
        set.insert(guid(1));
        set.insert(guid(2));
        set.sort();
        let mut again = GuidSet::from_bytes(&set.to_bytes());
        assert!(again.contains(guid(1)) && again.contains(guid(2)) && !again.contains(guid(3)));
        again.insert(guid(3));
        again.sort();
        assert!((1..=3).all(|number| again.contains(guid(number))));
        // The first number of SplitMix64 from seed 0, mixed once more: files hold such hashes.
        assert_eq!(mixed(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(hash(Guid::from([0; 16])), mixed(0xE220_A839_7B1D_CDAF));
    }
}
