//! Count of the statements that a thread runs, for tests: over a network each is a round trip.

#[cfg(not(test))]
#[inline(always)]
pub(super) const fn note() {}

#[cfg(test)]
pub(super) use counted::{note, of};

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<usize> = const { Cell::new(0) };
    }

    /// Notes one statement.
    pub(in crate::store) fn note() {
        COUNT.set(COUNT.get() + 1);
    }

    /// Returns how many statements `work` runs.
    pub(in crate::store) fn of<T>(work: impl FnOnce() -> T) -> usize {
        let before = COUNT.get();
        work();
        COUNT.get() - before
    }
}
