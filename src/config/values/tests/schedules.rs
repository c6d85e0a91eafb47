use super::*;

#[test]
fn schedules() {
    for text in [
        "*/15 * * * *",
        "0 2 * * SUN",
        "30 */5 * * * *",
        "0 0 2 * * MON-FRI 2027",
        "@daily",
        "0 0 L * *",
        "0 9 * * MON#1",
        "0 0 29 2 *",
        "0 0 ? * 1",
    ] {
        taken(time::cron(now()), &[(text, text.to_owned())]);
    }
    refused(
        time::cron(now()),
        &[
            ("* * * *", "it has 4 of 5, 6 or 7 fields", "*/15 * * * *"),
            ("* * * * * * * *", "it has 8 of", "*/15 * * * *"),
            ("61 * * * *", "`61 * * * *` is not a schedule", "*/15 * * * *"),
            ("0 25 * * *", "is not a schedule", "*/15 * * * *"),
            ("*/0 * * * *", "is not a schedule", "*/15 * * * *"),
            ("every 15 minutes please now", "is not a schedule", "*/15 * * * *"),
            ("@never", "is not a schedule", "*/15 * * * *"),
            ("'*/15 * * * *'", "the quotes became part of it", ""),
            ("off", "it has 1 of", "*/15 * * * *"),
            (&"1,".repeat(200), "longer than 200", ""),
        ],
    );
    assert_eq!(time::cron_or_off(now())("off"), Ok(None));
    assert_eq!(
        time::cron_or_off(now())("@weekly"),
        Ok(Some("@weekly".to_owned()))
    );
}

#[test]
fn a_step_beyond_its_range_is_refused() {
    for text in [
        "*/90 * * * *",
        "*/60 * * * *",
        "0 */24 * * *",
        "0 */36 * * *",
        "0,*/90 * * * *",
        "10-20/30 * * * *",
        "0 0 */31 * *",
        "0 0 1 */12 *",
        "0 0 * * */7",
        "0 0 * * MON-FRI/9",
        "*/90 * * * * *",
        "0 */90 * * * * 2027",
        "*/99999999 * * * *",
    ] {
        refused(
            time::cron(now()),
            &[(text, "is longer than what it steps through", "*/30 * * * *")],
        );
    }
    for text in [
        "*/45 * * * *",
        "*/59 * * * *",
        "0 */12 * * *",
        "10-20/10 * * * *",
        "0 0 */30 * *",
        "0 0 1 */6 *",
        "0 0 * * */6",
        "0 0 * * MON-FRI/2",
        "*/30 */45 * * * *",
    ] {
        taken(time::cron(now()), &[(text, text.to_owned())]);
    }
}

#[test]
fn a_schedule_without_a_moment_left_is_refused() {
    refused(
        time::cron(now()),
        &[
            (
                "0 0 30 2 *",
                "`0 0 30 2 *` has no moment left to run",
                "the calendar has",
            ),
            ("0 0 31 4,6,9,11 *", "no moment left", "the calendar has"),
            ("0 0 0 1 1 * 2025", "no moment left", "a year that is not over"),
            ("* * * 30 2 *", "no moment left", "the calendar has"),
        ],
    );
    assert!(time::cron(now())("0 59 23 31 12 * 2026").is_ok());
}

#[test]
fn time_zones() {
    taken(
        time::time_zone,
        &[
            ("UTC", chrono_tz::UTC),
            ("Europe/Berlin", chrono_tz::Europe::Berlin),
        ],
    );
    refused(
        time::time_zone,
        &[
            (
                "Europe/Berln",
                "`Europe/Berln` is not a time zone",
                "did you mean Europe/Berlin?",
            ),
            ("berlin", "is not a time zone", "did you mean Europe/Berlin?"),
            (
                "europe/berlin",
                "is not a time zone",
                "did you mean Europe/Berlin?",
            ),
            ("New_York", "is not a time zone", "did you mean America/New_York?"),
            ("somewhere over the rainbow", "is not a time zone", "an IANA name"),
        ],
    );
}
