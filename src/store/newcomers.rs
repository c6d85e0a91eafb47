//! The first objects of a file. The index by GUID is written all over, since GUIDs are random: with a million objects that costs
//! more than all the rest. So the first read of a file goes without it, and makes it in one go when it has everything. Until
//! then the only question is whether an object came before, and that can be answered without an index.

use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;

use rusqlite::Transaction;

use super::error::Fault;
use super::open::CACHE_KIB;
use super::{Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::Guid;

/// Objects of a segment.
const OBJECTS: usize = 1 << 18;

/// Bits of a segment: 32 for each object, which with [`PROBES`] leaves one chance in five million that a new one is taken for
/// one that came before. Then the index is made earlier, and nothing else.
const BITS: u64 = (OBJECTS as u64) << 5;

/// Bits that are set for each object: 32 ln 2.
const PROBES: u64 = 22;

/// A mebibyte each. A directory with more than two million objects gets its index when these are full.
const SEGMENTS: usize = 8;

/// Page cache while the index is made, in KiB.
const SORTING_KIB: i64 = 2 << 10;

/// Which objects came (a Bloom filter for each quarter of a million).
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    hashing: RandomState,
    segments: Vec<Vec<u64>>,
    /// Objects in the last segment.
    last: usize,
}

impl Newcomers {
    /// Whether the object certainly did not come before. From now on it did.
    pub(super) fn is_new(&mut self, guid: Guid) -> bool {
        let first = self.hashing.hash_one((guid, 1));
        // Odd, so that the steps go through all bits.
        let step = self.hashing.hash_one((guid, 2)) | 1;
        let places = || (0..PROBES).map(|probe| first.wrapping_add(probe.wrapping_mul(step)) % BITS);
        let holds = |segment: &Vec<u64>| places().all(|place| segment[word(place)] >> (place % 64) & 1 == 1);
        if self.segments.iter().any(holds) {
            return false;
        }
        if self.segments.is_empty() || self.last == OBJECTS {
            if self.segments.len() == SEGMENTS {
                return false;
            }
            self.segments.push(vec![0; word(BITS)]);
            self.last = 0;
        }
        self.last += 1;
        if let Some(segment) = self.segments.last_mut() {
            for place in places() {
                segment[word(place)] |= 1 << (place % 64);
            }
        }
        true
    }
}

/// The word of a segment that holds the bit.
const fn word(place: u64) -> usize {
    (place / 64) as usize
}

impl Store {
    /// Makes the index by GUID, if the file is still without it. Objects can be looked up without it too, only slowly.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn index_objects(&self) -> Result<(), StoreError> {
        let mut newcomers = self.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
        if newcomers.take().is_some() {
            self.write(Commit::IndexObjects, index)?;
        }
        Ok(())
    }
}

/// A full read begins: without the index, if the file knows no object yet. Gives what to ask in its place.
pub(super) fn begin(transaction: &Transaction<'_>) -> Result<Option<Newcomers>, Fault> {
    let any: bool = transaction.query_row("SELECT EXISTS (SELECT 1 FROM card)", [], |row| row.get(0))?;
    if any {
        return Ok(None);
    }
    transaction.execute_batch("DROP INDEX IF EXISTS object_of_guid")?;
    Ok(Some(Newcomers::default()))
}

/// Makes the index where it is missing.
pub(super) fn index(transaction: &Transaction<'_>) -> Result<(), Fault> {
    // SQLite sorts in as much memory as the page cache may take, beside it.
    transaction.pragma_update(None, "cache_size", -SORTING_KIB)?;
    let made = transaction
        .execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS object_of_guid ON object (connection, guid)");
    transaction.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(made?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(number: u64) -> Guid {
        let mut octets = [0; 16];
        octets[8..].copy_from_slice(&number.to_be_bytes());
        Guid::from(octets)
    }

    #[test]
    fn what_came_before_is_never_new() {
        let mut newcomers = Newcomers::default();
        let new = (0..300_000)
            .filter(|number| newcomers.is_new(guid(*number)))
            .count();
        assert!(new > 299_990, "{new}");
        assert!((0..300_000).all(|number| !newcomers.is_new(guid(number))));
        assert_eq!(newcomers.segments.len(), 2);
    }

    #[test]
    fn when_it_is_full_everything_may_have_come_before() {
        let mut newcomers = Newcomers {
            segments: vec![vec![0; word(BITS)]; SEGMENTS],
            last: OBJECTS,
            ..Newcomers::default()
        };
        assert!(!newcomers.is_new(guid(1)));
    }
}
