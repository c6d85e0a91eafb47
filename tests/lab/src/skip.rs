//! Tests that cannot run here say so where everybody sees it, and never count as success in CI.
//!
//! `cargo test` swallows what a passing test prints. So a skipped test appends a line `SKIPPED: test: reason` to the file
//! that `LAB_SKIPS` names, which `tests/run` prints at the end. With `CI=true` a skip is a failure.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Records that the calling test is skipped because of `reason`. The test must return right after; [`crate::skip!`] does both.
///
/// # Panics
/// With `CI=true`: there, everything must run.
pub fn record(reason: &str) {
    let test = std::thread::current().name().unwrap_or("unnamed test").to_owned();
    let line = line(&test, reason);
    assert!(!in_ci(std::env::var("CI").ok().as_deref()), "{line}");
    println!("{line}");
    if let Some(path) = std::env::var_os("LAB_SKIPS") {
        // One write of one line: appends of several test binaries do not mix.
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// One line, whatever the reason holds.
fn line(test: &str, reason: &str) -> String {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("SKIPPED: {test}: {reason}")
}

/// Whether the value of `CI` asks for everything to run.
fn in_ci(value: Option<&str>) -> bool {
    matches!(value, Some("true" | "1"))
}

/// Skips the test that it stands in: `skip!("no {program} here")` records the formatted reason and returns.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::skip::record(&format!($($reason)+));
        return;
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_one_line_that_names_test_and_reason() {
        assert_eq!(
            line("sync::works", "no samba:\n  install it"),
            "SKIPPED: sync::works: no samba: install it"
        );
    }

    #[test]
    fn only_a_true_ci_forbids_skips() {
        assert!(in_ci(Some("true")) && in_ci(Some("1")));
        assert!(!in_ci(None) && !in_ci(Some("")) && !in_ci(Some("false")));
    }
}
