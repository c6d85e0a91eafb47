//! Numbers, durations and sizes.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::config::refused::{ValueFault, quoted};

/// Reads a whole number within `range`.
pub fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, ValueFault>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let advice = || format!("write a whole number from {} to {}", range.start(), range.end());
        // `+5` parses in Rust, but is no way to write a port.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(ValueFault::new(
                format!("{} is not a whole number", quoted(text)),
                advice(),
            ));
        }
        match text.parse() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(ValueFault::new(
                format!("{} is out of range", quoted(text)),
                advice(),
            )),
        }
    }
}

/// Reads ports separated by commas.
pub fn ports(text: &str) -> Result<Vec<u16>, ValueFault> {
    let port = number(1..=u16::MAX);
    text.split(',').map(|item| port(item.trim())).collect()
}

/// Reads a whole number with a unit, `500ms`, `30s`, `15m`, `2h`, `1d`, within `range`.
pub fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, ValueFault> {
    const UNITS: &[(&str, u64)] = &[
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    move |text| {
        let milliseconds = with_unit(
            text,
            UNITS,
            "a duration such as `30s`; units are ms, s, m, h, d",
            "s",
        )?;
        let value = Duration::from_millis(milliseconds);
        if range.contains(&value) {
            return Ok(value);
        }
        let (least, most) = (written(*range.start()), written(*range.end()));
        Err(ValueFault::new(
            format!("{} is out of range", quoted(text)),
            format!("write a duration from {least} to {most}"),
        ))
    }
}

/// Reads a whole number with a unit, `1000B`, `512KiB`, `4MB`, in bytes, within `range`.
pub fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<usize, ValueFault> {
    const UNITS: &[(&str, u64)] = &[
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    move |text| {
        let bytes = with_unit(
            text,
            UNITS,
            "a size such as `4MiB`; units are B, KB, MB, GB, KiB, MiB, GiB",
            "B",
        )?;
        match usize::try_from(bytes) {
            Ok(value) if range.contains(&bytes) => Ok(value),
            _ => Err(ValueFault::new(
                format!("{} is out of range", quoted(text)),
                format!("write a size from {}B to {}B", range.start(), range.end()),
            )),
        }
    }
}

fn with_unit(text: &str, units: &[(&str, u64)], wanted: &str, likely: &str) -> Result<u64, ValueFault> {
    let split = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let advice = || format!("write {wanted}");
    if digits.is_empty() {
        return Err(ValueFault::new(
            format!("{} does not begin with a whole number", quoted(text)),
            advice(),
        ));
    }
    if unit.is_empty() {
        return Err(ValueFault::new(
            format!("{} has no unit", quoted(text)),
            format!("write {text}{likely} if that is meant, or {wanted}"),
        ));
    }
    let unit = unit.trim_start();
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(ValueFault::new(
            format!("{} has the unknown unit {}", quoted(text), quoted(unit)),
            advice(),
        ));
    };
    let value = digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*factor));
    value.ok_or_else(|| ValueFault::new(format!("{} is too large", quoted(text)), advice()))
}

/// Returns a duration in the largest unit that divides it.
pub fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .into_iter()
        .find(|(factor, _)| milliseconds > 0 && milliseconds.is_multiple_of(*factor))
        .map_or_else(
            || format!("{milliseconds}ms"),
            |(factor, unit)| format!("{}{unit}", milliseconds / factor),
        )
}
