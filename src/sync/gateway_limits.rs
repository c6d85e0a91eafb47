//! Limits that were learnt about the gateway, between upstream and store, and the estimate of the
//! time at which the backlog will be delivered.

use std::time::Duration;

use super::Connector;
use crate::store::GatewayLimits;
use crate::upstream::{LearntLimits, QualysGateway};

/// Time after which a limit is tried again: it may have been raised. Seconds.
const KEPT: i64 = 30 * 86_400;

/// Applies the limits that an earlier run learnt to upstream.
pub(super) fn recall(connector: &Connector, known: &GatewayLimits, now: i64) {
    let size = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    let holds = known.refused_at.is_some_and(|at| now - at < KEPT);
    connector.upstream.sizing().recall(LearntLimits {
        taken: size(known.taken_assets),
        refused: size(known.refused_assets).filter(|_| holds),
        bytes: size(known.taken_bytes).filter(|_| holds),
    });
}

/// Returns the limits that are known now; `known` are those that were known before.
pub(super) fn learnt(upstream: &QualysGateway, known: &GatewayLimits, now: i64) -> GatewayLimits {
    let LearntLimits {
        taken,
        refused,
        bytes,
    } = upstream.sizing().learnt();
    let number = |size: Option<usize>| size.map(|size| size as u64);
    let is_new = number(refused) != known.refused_assets || number(bytes) != known.taken_bytes;
    let rate = upstream.call_rate();
    GatewayLimits {
        taken_assets: number(taken),
        refused_assets: number(refused),
        taken_bytes: number(bytes),
        refused_at: match refused {
            Some(_) if is_new => Some(now),
            Some(_) => known.refused_at,
            None => None,
        },
        request_assets: Some(upstream.sizing().assets() as u64),
        request_ms: upstream
            .call_takes()
            .map(|takes| u64::try_from(takes.as_millis()).unwrap_or(u64::MAX).max(1))
            .or(known.request_ms),
        window_calls: rate.map(|rate| rate.calls).or(known.window_calls),
        window_seconds: rate.map(|rate| rate.window.as_secs()).or(known.window_seconds),
    }
}

/// Returns `true` when the next process would start with other limits.
pub(super) fn differs(one: &GatewayLimits, other: &GatewayLimits) -> bool {
    let without_speed = |limits: &GatewayLimits| GatewayLimits {
        request_ms: None,
        ..*limits
    };
    without_speed(one) != without_speed(other)
}

/// Estimate of the requests and the time that the backlog needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogEstimate {
    /// Requests.
    pub requests: u64,
    /// Time from the first to the last of them.
    pub takes: Duration,
}

impl BacklogEstimate {
    /// Estimates it for so many assets; `None` when none waits, or nothing is known of the gateway.
    #[must_use]
    pub fn of(waiting: u64, limits: &GatewayLimits, concurrency: usize) -> Option<Self> {
        let size = limits.request_assets.filter(|size| *size > 0)?;
        let one = Duration::from_millis(limits.request_ms?);
        if waiting == 0 {
            return None;
        }
        let requests = waiting.div_ceil(size);
        let rounds = requests.div_ceil(concurrency.max(1) as u64);
        let sending = one.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        // No wait follows the last window.
        let windows = match limits.window_calls {
            Some(calls) if calls > 0 => (requests - 1) / calls,
            _ => 0,
        };
        let waits = limits.window_seconds.unwrap_or_default().saturating_mul(windows);
        Some(Self {
            requests,
            takes: sending.max(Duration::from_secs(waits)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_is_through_when_its_calls_were_allowed_and_made() {
        let limits = GatewayLimits {
            request_assets: Some(1000),
            request_ms: Some(2000),
            ..GatewayLimits::default()
        };
        let of = |waiting, limits: &GatewayLimits, concurrency| {
            BacklogEstimate::of(waiting, limits, concurrency)
                .map(|estimate| (estimate.requests, estimate.takes.as_secs()))
        };
        assert_eq!(of(0, &limits, 1), None);
        assert_eq!(of(1, &GatewayLimits::default(), 1), None);
        assert_eq!(of(1, &limits, 1), Some((1, 2)));
        assert_eq!(of(10_001, &limits, 1), Some((11, 22)));
        assert_eq!(of(10_001, &limits, 4), Some((11, 6)));
        let limited = GatewayLimits {
            window_calls: Some(300),
            window_seconds: Some(3600),
            ..limits
        };
        assert_eq!(of(300_000, &limited, 1), Some((300, 600)));
        assert_eq!(of(700_000, &limited, 1), Some((700, 7200)));
    }
}
