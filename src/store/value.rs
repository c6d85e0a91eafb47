//! Values of the domain, and the counts of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use crate::identity::Kind;

/// A registered connection. Valid in the file that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) i64);

/// One execution. Grows with time, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub(super) i64);

impl RunId {
    /// Returns the number of a run that no file knows.
    #[cfg(test)]
    pub(crate) const fn numbered(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number shown to people.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A closed set of words, stored by name (`stored_types`).
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant),+ }

        impl $type {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word used in the state file, in JSON and in the log.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Returns the value with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// State of a connection. The only steps: registered → scheduled → processing → processed →
    /// scheduled, and processing → scheduled when a run failed.
    State {
        /// The configuration is valid and stored.
        Registered = "Registered",
        /// The next run is known.
        Scheduled = "Scheduled",
        /// A run is executing, or the process died in one.
        Processing = "Processing",
        /// Upstream accepted every asset of the last run.
        Processed = "Processed",
    }
}

words! {
    /// Extent of the read of a run.
    RunMode {
        /// The changes since the watermark.
        Delta = "delta",
        /// Everything.
        Baseline = "baseline",
    }
}

words! {
    /// Outcome of a run.
    Outcome {
        /// Upstream accepted everything.
        Processed = "processed",
        /// The run came to its end, but some objects were rejected or removals were held back.
        Partial = "partial",
        /// The run broke off on an error. What it staged is kept.
        Failed = "failed",
        /// Somebody stopped the run. What it staged is kept.
        Stopped = "stopped",
        /// The process died in the run, which was noticed later.
        Interrupted = "interrupted",
    }
}

words! {
    /// Outcome for an object that a run lists by name.
    Fate {
        /// Upstream rejected its asset.
        Rejected = "rejected",
        /// The mapping could make no asset of it (R15).
        Unmapped = "unmapped",
        /// It is gone from the directory (R22).
        Removed = "removed",
        /// It was a group and is a role now, or the other way round; it is in no count.
        Reclassified = "reclassified",
    }
}

impl State {
    /// Reports whether the contract knows the step from this state to `to`.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (
                Self::Registered | Self::Processing | Self::Processed,
                Self::Scheduled
            ) | (Self::Scheduled, Self::Processing)
                | (Self::Processing, Self::Processed)
        )
    }
}

/// Returns `number` as SQL stores it. Beyond 2^63-1, which neither a count nor a USN (a signed
/// 64-bit value, MS-ADTS 3.1.1.1.9) reaches, it stays there.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts of the objects of one kind by outcome. `read` = `unchanged` + `staged` + `unmapped`. An
/// entry that comes twice in a run (a full read reads once more what changes meanwhile) is counted
/// twice, but for one that could be mapped neither time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Objects read from the directory.
    pub read: u64,
    /// Of those, equal to what upstream holds (R17).
    pub unchanged: u64,
    /// Of those, put on the stage, or waiting there already in the same version.
    pub staged: u64,
    /// Assets that went out in a request, whatever the answer was. Those without an answer are
    /// neither accepted nor rejected.
    pub sent: u64,
    /// Of those sent, accepted by upstream.
    pub accepted: u64,
    /// Of those sent, rejected by upstream.
    pub rejected: u64,
    /// Of those read, the mapping could make no asset of (R15).
    pub unmapped: u64,
    /// Objects concluded to be gone.
    pub removed: u64,
    /// Objects gone, but held back by the threshold (R23).
    pub held: u64,
}

/// Counts by kind; a kind that nothing was counted of may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KindCounts(pub BTreeMap<Kind, ObjectTotals>);

impl AddAssign for ObjectTotals {
    fn add_assign(&mut self, more: Self) {
        self.read += more.read;
        self.unchanged += more.unchanged;
        self.staged += more.staged;
        self.sent += more.sent;
        self.accepted += more.accepted;
        self.rejected += more.rejected;
        self.unmapped += more.unmapped;
        self.removed += more.removed;
        self.held += more.held;
    }
}

impl AddAssign<&Self> for KindCounts {
    fn add_assign(&mut self, more: &Self) {
        for (kind, counts) in &more.0 {
            *self.of(*kind) += *counts;
        }
    }
}

impl KindCounts {
    /// Returns the counts of `kind`, to add to.
    pub fn of(&mut self, kind: Kind) -> &mut ObjectTotals {
        self.0.entry(kind).or_default()
    }

    /// Returns the counts of all kinds together.
    #[must_use]
    pub fn total(&self) -> ObjectTotals {
        let mut total = ObjectTotals::default();
        for counts in self.0.values() {
            total += *counts;
        }
        total
    }
}
