//! Core files, which would hold the secrets that the process has in memory (R27).

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Lets the kernel write no core file of this process, whatever the limits it was started with, and
/// lets no other process of the same user read its memory. Both are needed: a handler named in
/// `kernel.core_pattern` gets the memory whatever the limit. Where the kernel refuses one, the
/// other one still holds.
pub(super) fn exclude() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _: Result<(), rustix::io::Errno> = setrlimit(Resource::Core, none);
    let _: Result<(), rustix::io::Errno> = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
