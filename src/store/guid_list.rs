//! GUIDs as one parameter of a query: what only reads makes no temporary table.

use super::sql::{SqlValue, ToValue};
use crate::identity::Guid;

/// Beginning of a query whose parameter `$1` is a [`GuidList`]: its GUIDs are the rows of
/// `given (guid)`.
macro_rules! with_given_guids {
    () => {
        "WITH RECURSIVE octet (first) AS (
             SELECT 1 WHERE length($1) > 0
             UNION ALL SELECT first + 16 FROM octet WHERE first + 16 <= length($1)),
         given (guid) AS (SELECT substr($1, first, 16) FROM octet) "
    };
}
pub(super) use with_given_guids;

/// GUIDs, one after the other.
pub(super) struct GuidList(Vec<u8>);

impl GuidList {
    pub(super) fn new(guids: &[Guid]) -> Self {
        Self(guids.iter().flat_map(|guid| *guid.as_bytes()).collect())
    }
}

impl ToValue for GuidList {
    fn to_value(&self) -> SqlValue<'_> {
        SqlValue::Blob(&self.0)
    }
}
