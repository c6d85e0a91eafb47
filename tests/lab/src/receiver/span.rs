//! Begin and end of each ingest request, to see which of them overlap.

use std::time::Instant;

use super::Shared;
use super::form::Parsed;

/// Time for which one ingest request was at the receiver: from its headers to its answer, or to the
/// end of its connection.
#[derive(Debug, Clone)]
pub struct Span {
    /// Time at which the headers were read.
    pub begun: Instant,
    /// Time of the end; `None` while it goes on.
    pub ended: Option<Instant>,
    /// `connectorMetaData.requestId`, empty until the body was read.
    pub request_id: String,
    /// `connectorMetaData.connectorUuid`, as above.
    pub connector_uuid: String,
}

impl Span {
    /// Returns whether both were at the receiver at one moment.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (first, second) = if self.begun <= other.begun {
            (self, other)
        } else {
            (other, self)
        };
        first.ended.is_none_or(|ended| second.begun < ended)
    }
}

/// Span that ends when this is dropped: also when the client hangs up, since that drops the
/// handler.
pub(super) struct OpenSpan {
    shared: Shared,
    number: u64,
}

impl OpenSpan {
    /// Begins a span; `None` where deliveries are not kept.
    pub(super) fn begin(shared: &Shared) -> Option<Self> {
        if !shared.options.keep_deliveries {
            return None;
        }
        let span = Span {
            begun: Instant::now(),
            ended: None,
            request_id: String::new(),
            connector_uuid: String::new(),
        };
        let number = {
            let mut state = shared.lock();
            state.span_number += 1;
            let number = state.span_number;
            state.spans.insert(number, span);
            number
        };
        let shared = shared.clone();
        Some(Self { shared, number })
    }

    /// Sets the name of the request, once it is known.
    pub(super) fn name(&self, parsed: &Parsed) {
        if let Some(span) = self.shared.lock().spans.get_mut(&self.number) {
            span.request_id.clone_from(&parsed.request_id);
            span.connector_uuid.clone_from(&parsed.connector_uuid);
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if let Some(span) = self.shared.lock().spans.get_mut(&self.number) {
            span.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn spans_overlap_where_one_begins_before_the_other_has_ended() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let span = |begun: u64, ended: Option<u64>| Span {
            begun: at(begun),
            ended: ended.map(at),
            request_id: String::new(),
            connector_uuid: String::new(),
        };
        let first = span(1, Some(3));
        for (other, expected) in [
            (span(0, Some(1)), false),
            (span(0, Some(2)), true),
            (span(2, Some(4)), true),
            (span(3, Some(4)), false),
            (span(0, None), true),
            (span(3, None), false),
        ] {
            assert_eq!(first.overlaps(&other), expected, "{other:?}");
            assert_eq!(other.overlaps(&first), expected, "{other:?}");
        }
    }
}
