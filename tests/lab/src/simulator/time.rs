//! The two forms in which a directory gives times.

/// Seconds between 1601-01-01, where FILETIME begins, and 1970-01-01 (MS-DTYP 2.3.3).
const FILETIME_EPOCH: i64 = 11_644_473_600;

/// A FILETIME: 100-nanosecond intervals since 1601.
#[must_use]
pub const fn filetime(unix: i64) -> i64 {
    (unix + FILETIME_EPOCH) * 10_000_000
}

/// A generalized time as Active Directory writes it: `20261122021034.0Z`.
#[must_use]
pub fn generalized(unix: i64) -> String {
    let (year, month, day) = civil(unix.div_euclid(86_400));
    let second = unix.rem_euclid(86_400);
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}.0Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// A time as Qualys writes it: `2026-11-22T02:10:34Z`.
#[must_use]
pub fn iso8601(unix: i64) -> String {
    let (year, month, day) = civil(unix.div_euclid(86_400));
    let second = unix.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar; years begin in March to have the leap
/// day last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_the_directory_writes_them() {
        assert_eq!(generalized(0), "19700101000000.0Z");
        assert_eq!(generalized(1_795_313_434), "20261122021034.0Z");
        assert_eq!(generalized(951_782_399), "20000228235959.0Z");
        assert_eq!(generalized(951_782_400), "20000229000000.0Z");
        assert_eq!(iso8601(1_795_313_434), "2026-11-22T02:10:34Z");
        assert_eq!(generalized(-1), "19691231235959.0Z");
        assert_eq!(filetime(0), 116_444_736_000_000_000);
    }
}
