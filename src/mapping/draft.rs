//! Row of the mapping file before it is checked.

use std::ops::Range;

use super::row::{Literal, Origin, Target};

/// A row as far as it could be read.
pub(super) struct Draft {
    /// Where the row begins.
    pub(super) place: Range<usize>,
    pub(super) target: Option<(Target, Range<usize>)>,
    pub(super) origin: Option<Origin>,
    pub(super) required: bool,
    pub(super) default: Option<Literal>,
}
