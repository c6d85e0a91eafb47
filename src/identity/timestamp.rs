//! Moments as the directory writes them: FILETIME numbers and generalized time.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// 1601-01-01T00:00:00Z in seconds since the Unix epoch; the zero of a FILETIME (MS-DTYP 2.3.3).
const FIRST: i64 = -11_644_473_600;
/// 9999-12-31T23:59:59Z in seconds since the Unix epoch, the last second with a four-digit year.
const LAST: i64 = 253_402_300_799;
/// Ticks of a FILETIME in a second: it counts in units of 100 ns (MS-DTYP 2.3.3).
const TICKS_A_SECOND: i64 = 10_000_000;

/// Moment in UTC, in whole seconds since the Unix epoch, from 1601-01-01T00:00:00Z to
/// 9999-12-31T23:59:59Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Error of a value that is no generalized time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a generalized time looks like 20261122021034.0Z (RFC 4517 section 3.3.13)")]
pub struct TimeError;

impl Timestamp {
    /// Returns the moment `seconds` after the Unix epoch; a moment outside the range becomes the
    /// nearest one inside.
    #[must_use]
    pub fn from_epoch_seconds(seconds: i64) -> Self {
        Self(seconds.clamp(FIRST, LAST))
    }

    /// Returns the moment of a FILETIME: units of 100 ns since 1601-01-01, truncated to the second.
    ///
    /// `None` for 0 and 0x7FFFFFFFFFFFFFFF, by which AD means "never" and "not set", and for any
    /// value outside the years 1601 to 9999 (R13).
    #[must_use]
    pub fn from_filetime(ticks: i64) -> Option<Self> {
        if ticks == 0 {
            return None;
        }
        // i64::MAX is in the year 30828, so the range refuses it along with the rest.
        Self::within(ticks.div_euclid(TICKS_A_SECOND).saturating_add(FIRST))
    }

    /// Returns the moment of a generalized time (RFC 4517 section 3.3.13), truncated to the second:
    /// `20261122021034.0Z`, also without seconds or minutes, with `,` or `.` and a fraction, with
    /// an offset.
    ///
    /// `Ok(None)` for the first second of the year 1601, which is how AD writes a zero FILETIME in
    /// this form, and for a moment outside the years 1601 to 9999: the same rule as for a FILETIME
    /// (R13).
    ///
    /// # Errors
    /// `text` is not a generalized time. The zone is part of one: a time without it could be any.
    pub fn from_generalized_time(text: &[u8]) -> Result<Option<Self>, TimeError> {
        let mut rest = TimeDigits(text);
        let year = rest.number(4).ok_or(TimeError)?;
        let month = rest.number(2).ok_or(TimeError)?;
        let day = rest.number(2).ok_or(TimeError)?;
        let hour = rest.number(2).filter(|hour| *hour < 24).ok_or(TimeError)?;
        // `unit` is the length in seconds of the part that a fraction belongs to.
        let (mut seconds, mut unit) = (hour * 3600, 3600);
        if let Some(minute) = rest.number(2) {
            (seconds, unit) = (seconds + below(minute, 60)? * 60, 60);
            if let Some(second) = rest.number(2) {
                // 60 is a leap second; UTC in seconds represents it only as the next one.
                (seconds, unit) = (seconds + below(second, 61)?, 1);
            }
        }
        seconds += rest.fraction(unit)?;
        seconds -= rest.offset()?;
        let date = i32::try_from(year)
            .ok()
            .zip(u32::try_from(month).ok())
            .zip(u32::try_from(day).ok());
        let midnight = date
            .and_then(|((year, month), day)| NaiveDate::from_ymd_opt(year, month, day))
            .and_then(|date| date.and_hms_opt(0, 0, 0))
            .ok_or(TimeError)?;
        let moment = midnight.and_utc().timestamp() + seconds;
        Ok(Self::within(moment).filter(|moment| moment.0 != FIRST))
    }

    /// Returns seconds since the Unix epoch; negative before 1970.
    #[must_use]
    pub const fn epoch_seconds(self) -> i64 {
        self.0
    }

    /// Returns milliseconds since the Unix epoch; negative before 1970.
    #[must_use]
    pub const fn epoch_ms(self) -> i64 {
        self.0 * 1000
    }

    fn within(seconds: i64) -> Option<Self> {
        (FIRST..=LAST).contains(&seconds).then_some(Self(seconds))
    }
}

impl fmt::Display for Timestamp {
    /// Writes `2026-11-22T02:10:34Z` (RFC 3339), always 20 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp(self.0, 0).unwrap_or_default();
        let mut text = *b"0000-00-00T00:00:00Z";
        // Digit by digit: some moments of every object are written, and the general way takes ten
        // times as long.
        let mut put = |last: usize, digits: usize, mut number: u32| {
            for place in text.iter_mut().take(last + 1).rev().take(digits) {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(3, 4, time.year().unsigned_abs());
        put(6, 2, time.month());
        put(9, 2, time.day());
        put(12, 2, time.hour());
        put(15, 2, time.minute());
        put(18, 2, time.second());
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

fn below(number: i64, limit: i64) -> Result<i64, TimeError> {
    if number < limit {
        Ok(number)
    } else {
        Err(TimeError)
    }
}

/// Rest of a generalized time.
struct TimeDigits<'a>(&'a [u8]);

impl TimeDigits<'_> {
    /// Returns the next `length` digits as a number; takes nothing when there are fewer.
    fn number(&mut self, length: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(length)?;
        let number = digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    fn skip(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        wanted.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    /// Returns the fraction of `unit` seconds that follows, in whole seconds; 0 when none does.
    fn fraction(&mut self, unit: i64) -> Result<i64, TimeError> {
        if self.skip(b".,").is_none() {
            return Ok(0);
        }
        let (mut ticks, mut weight) = (0, unit * 1_000_000_000);
        let mut digits = 0;
        while let Some(digit) = self.number(1) {
            weight /= 10;
            ticks += digit * weight;
            digits += 1;
        }
        if digits == 0 {
            Err(TimeError)
        } else {
            Ok(ticks / 1_000_000_000)
        }
    }

    /// Returns the offset from UTC at the end, in seconds.
    fn offset(&mut self) -> Result<i64, TimeError> {
        let sign = match self.skip(b"Z+-") {
            Some(b'Z') => 0,
            Some(b'+') => 1,
            Some(_) => -1,
            None => return Err(TimeError),
        };
        let mut offset = 0;
        if sign != 0 {
            offset = below(self.number(2).ok_or(TimeError)?, 24)? * 3600;
            if let Some(minute) = self.number(2) {
                offset += below(minute, 60)? * 60;
            }
        }
        if self.0.is_empty() {
            Ok(sign * offset)
        } else {
            Err(TimeError)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn generalized(text: &str) -> Option<String> {
        Timestamp::from_generalized_time(text.as_bytes())
            .unwrap()
            .map(|time| time.to_string())
    }

    #[test]
    fn a_filetime_becomes_whole_truncated_seconds() {
        let time = Timestamp::from_filetime(134_397_870_349_999_999).unwrap();
        assert_eq!(time.to_string(), "2026-11-22T02:10:34Z");
        assert_eq!(time.epoch_seconds(), 1_795_313_434);
        assert_eq!(time.epoch_ms(), 1_795_313_434_000);
    }

    #[test]
    fn r13_zero_and_never_are_absent() {
        assert_eq!(Timestamp::from_filetime(0), None);
        assert_eq!(Timestamp::from_filetime(0x7FFF_FFFF_FFFF_FFFF), None);
    }

    #[test]
    fn r13_outside_1601_to_9999_is_absent() {
        let last = (LAST - FIRST) * TICKS_A_SECOND + TICKS_A_SECOND - 1;
        assert_eq!(
            Timestamp::from_filetime(last).unwrap().to_string(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(Timestamp::from_filetime(last + 1), None);
        assert_eq!(
            Timestamp::from_filetime(1).unwrap().to_string(),
            "1601-01-01T00:00:00Z"
        );
        for ticks in [-1, i64::MIN, i64::MIN + 1, i64::MAX - 1] {
            assert_eq!(Timestamp::from_filetime(ticks), None, "{ticks}");
        }
    }

    #[test]
    fn r13_generalized_time_follows_the_same_range() {
        assert_eq!(generalized("16010101000000.0Z"), None);
        assert_eq!(generalized("16001231235959Z"), None);
        assert_eq!(generalized("99991231235959-0001"), None);
        assert_eq!(generalized("16010101000001Z").unwrap(), "1601-01-01T00:00:01Z");
        assert_eq!(generalized("99991231235959Z").unwrap(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn generalized_time_in_all_its_shapes() {
        for (text, time) in [
            ("20261122021034.0Z", "2026-11-22T02:10:34Z"),
            ("20261122021034Z", "2026-11-22T02:10:34Z"),
            ("20261122021034.999999Z", "2026-11-22T02:10:34Z"),
            ("20261122021034,9Z", "2026-11-22T02:10:34Z"),
            ("202611220210Z", "2026-11-22T02:10:00Z"),
            ("202611220210.5Z", "2026-11-22T02:10:30Z"),
            ("2026112202Z", "2026-11-22T02:00:00Z"),
            ("2026112202.25Z", "2026-11-22T02:15:00Z"),
            ("20261122021034+0530", "2026-11-21T20:40:34Z"),
            ("20261122021034.0-03", "2026-11-22T05:10:34Z"),
            ("20240229120000Z", "2024-02-29T12:00:00Z"),
            ("20161231235960Z", "2017-01-01T00:00:00Z"),
        ] {
            assert_eq!(generalized(text).as_deref(), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_generalized_time_is_refused() {
        for text in [
            "",
            "Z",
            "20261122021034",
            "20261122021034.Z",
            "20261122021034.0",
            "20261122021034.0ZZ",
            "20261322021034Z",
            "20260230021034Z",
            "20261122241034Z",
            "20261122026034Z",
            "20261122021061Z",
            "20261122021034+25",
            "20261122021034+0560",
            "20261122021034+053",
            "2026-11-22T02:10:34Z",
            "\u{661}\u{662}0261122021034Z",
        ] {
            assert_eq!(
                Timestamp::from_generalized_time(text.as_bytes()),
                Err(TimeError),
                "{text}"
            );
        }
    }

    #[test]
    fn seconds_outside_the_range_become_the_nearest_inside() {
        assert_eq!(
            Timestamp::from_epoch_seconds(i64::MIN).to_string(),
            "1601-01-01T00:00:00Z"
        );
        assert_eq!(
            Timestamp::from_epoch_seconds(i64::MAX).to_string(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(
            format!("{:?}", Timestamp::from_epoch_seconds(-1)),
            "Timestamp(1969-12-31T23:59:59Z)"
        );
    }

    proptest! {
        #[test]
        fn r12_any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[0-9.,Z+-]{0,40}") {
            let _ = Timestamp::from_generalized_time(&bytes);
            let _ = Timestamp::from_generalized_time(text.as_bytes());
        }

        #[test]
        fn r13_any_filetime_is_absent_or_has_twenty_characters(ticks: i64) {
            if let Some(time) = Timestamp::from_filetime(ticks) {
                prop_assert_eq!(time.to_string().len(), 20);
            }
        }

        #[test]
        fn both_forms_agree(seconds in FIRST + 1..=LAST) {
            let time = Timestamp::from_epoch_seconds(seconds);
            let compact: String = time.to_string().chars().filter(char::is_ascii_digit).collect();
            prop_assert_eq!(Timestamp::from_generalized_time(format!("{compact}.0Z").as_bytes()), Ok(Some(time)));
            prop_assert_eq!(Timestamp::from_filetime((seconds - FIRST) * TICKS_A_SECOND), Some(time));
        }
    }
}
