//! Purposes for which the state is opened.

/// Purpose for which the file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAccess {
    /// Runs: the file is created or migrated when needed.
    ReadWrite,
    /// Looking: no file is an error, and so is one that would have to be migrated.
    ReadOnly,
    /// Dry runs: everything works as in [`StoreAccess::ReadWrite`], starting from what the file
    /// holds (or from nothing), and nothing is stored. Other processes are not kept from writing.
    Scratch,
}
