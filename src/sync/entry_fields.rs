//! Attributes of entries that runs read themselves, whatever the mapping reads.

use crate::directory::Entry;
use crate::identity::Guid;

/// Attribute that identifies an object (R7); always read, mapped or not.
pub(super) const OBJECT_GUID: &str = "objectGUID";

/// Returns the GUID of an entry, where it has a complete one.
pub(super) fn guid_of(entry: &Entry) -> Option<Guid> {
    entry
        .first(OBJECT_GUID)
        .and_then(|value| Guid::from_bytes(value).ok())
}

/// Returns `uSNCreated`, where the entry shows it.
pub(super) fn usn_created(entry: &Entry) -> Option<u64> {
    entry.text("uSNCreated")?.parse().ok()
}

/// Returns `true` when the object was made after USN `since`.
pub(super) fn is_newer(entry: &Entry, since: u64) -> bool {
    usn_created(entry).is_some_and(|created| created > since)
}

/// Returns `true` when the object changed after `usn`; also when that is not known, since reading
/// it again does no harm.
pub(super) fn is_changed_after(entry: &Entry, usn: u64) -> bool {
    let changed: Option<u64> = entry.text("uSNChanged").and_then(|changed| changed.parse().ok());
    changed.is_none_or(|changed| changed > usn)
}

/// Returns `true` for a tombstone or a recycled object (MS-ADTS 3.1.1.5.5).
pub(super) fn is_deleted(entry: &Entry) -> bool {
    entry
        .text("isDeleted")
        .is_some_and(|value| value.eq_ignore_ascii_case("TRUE"))
}
