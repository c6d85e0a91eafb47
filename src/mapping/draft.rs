//! Row of the mapping file before it is checked.

use std::ops::Range;

use super::row::{Literal, RowOrigin, TargetPath};

/// A row as far as it could be read.
pub(super) struct RowDraft {
    /// Beginning of the row.
    pub(super) place: Range<usize>,
    pub(super) target: Option<(TargetPath, Range<usize>)>,
    pub(super) origin: Option<RowOrigin>,
    pub(super) required: bool,
    pub(super) default: Option<Literal>,
}
