//! Pauses that the gateway asks for. Its headers are read leniently: a header that is no time
//! counts as absent.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Header of Qualys: seconds until a blocked call may be made again.
pub(super) const TO_WAIT: &str = "x-ratelimit-towait-sec";
/// Pause after a rate-limited answer without one: the gateway sometimes answers 429 with no header
/// and no body.
const UNSAID: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest pause. The classic window is 3600 s, so nothing sensible is longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// Returns the pause after a 409 or 429: `X-RateLimit-ToWait-Sec`, else `Retry-After`, else 60 s; 1
/// s to 1 h.
pub(super) fn rate_limit(headers: &HeaderMap, now: SystemTime) -> Duration {
    asked(headers, now).unwrap_or(UNSAID)
}

/// `X-RateLimit-ToWait-Sec`, else `Retry-After`; 1 s to 1 h.
pub(super) fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let to_wait = headers
        .get_all(TO_WAIT)
        .iter()
        .find_map(|value| seconds(value.to_str().ok()?));
    to_wait.map(bounded).or_else(|| retry_after(headers, now))
}

/// Returns `Retry-After` (RFC 9110 section 10.2.3): seconds or a date; 1 s to 1 h.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let asked = headers.get_all(RETRY_AFTER).iter().find_map(|value| {
        let text = value.to_str().ok()?;
        seconds(text).or_else(|| Some(date(text)?.duration_since(now).unwrap_or_default()))
    });
    asked.map(bounded)
}

/// Returns the whole number that a header holds.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    values.find_map(|value| value.to_str().ok()?.trim().parse().ok())
}

fn bounded(pause: Duration) -> Duration {
    pause.clamp(SHORTEST, LONGEST)
}

/// Parses whole or decimal seconds, without a sign. More than fit are the longest wait.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds: f64 = plain.then(|| text.parse().ok()).flatten()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST))
}

/// Parses the three forms of an HTTP date that a recipient must accept (RFC 9110 section 5.6.7).
fn date(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let modern = DateTime::parse_from_rfc2822(text).map(|date| date.to_utc()).ok();
    let old = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date: DateTime<Utc> = modern.or_else(|| {
        old.iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|date| date.and_utc())
    })?;
    Some(date.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns Sun, 06 Nov 1994 08:49:37 GMT, the example of the RFC.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn r19_the_limit_s_own_header_comes_first_then_retry_after_then_a_minute() {
        let cases: &[(&[(&'static str, &str)], u64)] = &[
            (&[("X-RateLimit-ToWait-Sec", "120"), ("Retry-After", "7")], 120),
            (&[("X-RateLimit-ToWait-Sec", "soon"), ("Retry-After", "7")], 7),
            (
                &[
                    ("X-RateLimit-ToWait-Sec", "soon"),
                    ("X-RateLimit-ToWait-Sec", "9"),
                ],
                9,
            ),
            (&[("Retry-After", "7")], 7),
            (&[("Retry-After", " 7 ")], 7),
            (&[], 60),
        ];
        for (pairs, expected) in cases {
            assert_eq!(
                rate_limit(&headers(pairs), now()),
                Duration::from_secs(*expected),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn r19_garbage_is_no_wait_and_no_wait_is_out_of_bounds() {
        let cases = [
            ("-5", 60),
            ("", 60),
            ("NaN", 60),
            ("1e9", 60),
            ("0x10", 60),
            ("1.2.3", 60),
            ("inf", 60),
            ("0", 1),
        ];
        for (value, expected) in cases {
            let waits = rate_limit(&headers(&[("X-RateLimit-ToWait-Sec", value)]), now());
            assert_eq!(waits, Duration::from_secs(expected), "{value}");
        }
        for huge in ["86400", "99999999999999999999999999", &"9".repeat(400)] {
            let waits = rate_limit(&headers(&[("X-RateLimit-ToWait-Sec", huge)]), now());
            assert_eq!(waits, LONGEST, "{huge}");
        }
    }

    #[test]
    fn r19_retry_after_may_be_a_date_in_any_of_the_three_forms() {
        for date in [
            "Sun, 06 Nov 1994 08:51:37 GMT",
            "Sunday, 06-Nov-94 08:51:37 GMT",
            "Sun Nov  6 08:51:37 1994",
        ] {
            let waits = retry_after(&headers(&[("Retry-After", date)]), now());
            assert_eq!(waits, Some(Duration::from_secs(120)), "{date}");
        }
        let past = retry_after(
            &headers(&[("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT")]),
            now(),
        );
        assert_eq!(past, Some(SHORTEST));
        assert_eq!(retry_after(&headers(&[("Retry-After", "tomorrow")]), now()), None);
    }
}
