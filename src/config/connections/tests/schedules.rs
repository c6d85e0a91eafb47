use super::*;
use crate::config::RunSchedule;

const WEEKLY: &str = "recurrence = \"WEEKLY\", daysOfWeek = [\"MON\", \"FRI\"], startDate = \"12/01/2026\", startTime = \"02:30\", timezone = \"Asia/Colombo\"";

/// Returns the schedules of the connections of `text`, in words, with their baselines.
fn schedules(text: &str, environment: &Given) -> Vec<(String, Option<String>)> {
    let config = parsed(text, environment).unwrap();
    let connections = config.connections.iter();
    connections
        .map(|connection| {
            let schedule = &connection.schedule;
            let baseline = schedule.baseline.as_ref();
            let baseline = baseline.map(|cron| format!("{} {}", cron.text, cron.zone));
            (schedule.sync.text(), baseline)
        })
        .collect()
}

fn one(more: &str) -> (String, Option<String>) {
    schedules(&format!("{EMEA}{more}"), &environment()).remove(0)
}

#[test]
fn a_schedule_is_a_table_in_the_form_of_the_api() {
    let weekly = "MON, FRI at 02:30 Asia/Colombo, from 2026-12-01";
    let baseline = |text: &str| Some(text.to_owned());
    let table = WEEKLY
        .replace(", ", "\n")
        .replace("[\"MON\"\n\"FRI\"]", "[\"MON\", \"FRI\"]");
    for (more, text, of_baseline) in [
        (format!("schedule = {{ {WEEKLY} }}"), weekly, baseline("0 2 * * SUN Asia/Colombo")),
        (format!("[connection.schedule]\n{table}"), weekly, baseline("0 2 * * SUN Asia/Colombo")),
        (
            "schedule = { runFrequency = { hours = 1, minutes = 30 } }".to_owned(),
            "every 1 h 30 min",
            baseline("0 2 * * SUN UTC"),
        ),
        (
            "schedule = { cron = \"@daily\", timezone = \"Asia/Tokyo\" }\nbaseline_cron = \"off\"".to_owned(),
            "@daily",
            None,
        ),
        (
            "schedule = { once = true, startDate = \"12/01/2026\", startTime = \"02:30\", timezone = \"UTC\" }".to_owned(),
            "once, 2026-12-01 02:30 UTC",
            None,
        ),
        ("schedule = \"off\"".to_owned(), "by hand", None),
        (
            "schedule = \"off\"\nbaseline_cron = \"@weekly\"\n".to_owned(),
            "by hand",
            baseline("@weekly UTC"),
        ),
    ] {
        assert_eq!(one(&more), (text.to_owned(), of_baseline), "{more}");
        let config = parsed(&format!("{EMEA}{more}"), &environment()).unwrap();
        let sync = &config.connections[0].schedule.sync;
        // As `connections export` writes it.
        let again = format!("{EMEA}schedule = {}", sync.to_toml());
        let again = parsed(&again, &environment()).unwrap();
        assert_eq!(&again.connections[0].schedule.sync, sync);
    }
    let mut said = environment();
    said.insert("ZONE".to_owned(), "Asia/Tokyo".to_owned());
    said.insert("SYNC_CRON".to_owned(), "@hourly".to_owned());
    said.insert("SYNC_TIMEZONE".to_owned(), "Europe/Paris".to_owned());
    let text = format!("{EMEA}schedule = {{ cron = \"@daily\", timezone = \"${{ZONE}}\" }}\n{APAC}");
    assert_eq!(
        schedules(&text, &said),
        [
            ("@daily".to_owned(), baseline("0 2 * * SUN Asia/Tokyo")),
            ("*/5 * * * *".to_owned(), baseline("0 2 * * SUN Europe/Paris")),
        ]
    );
}

#[test]
fn the_schedule_of_a_profile_stands_over_that_of_its_connection() {
    let text = format!(
        "baseline_cron = \"@monthly\"\n{EMEA}schedule = {{ {WEEKLY} }}\n\
         [[connection.profile]]\nname = \"a\"\n\
         [[connection.profile]]\nname = \"b\"\nsync_cron = \"@daily\"\nsync_timezone = \"Asia/Tokyo\"\n\
         [[connection.profile]]\nname = \"c\"\n[connection.profile.schedule]\nrunFrequency.minutes = 20\n\
         [[connection.profile]]\nname = \"d\"\nschedule = \"off\"\n"
    );
    let found = schedules(&text, &environment());
    let times: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(
        times,
        [
            "MON, FRI at 02:30 Asia/Colombo, from 2026-12-01",
            "@daily",
            "every 20 min",
            "by hand"
        ]
    );
    let baselines: Vec<Option<&str>> = found.iter().map(|(_, baseline)| baseline.as_deref()).collect();
    assert_eq!(
        baselines,
        [
            Some("@monthly Asia/Colombo"),
            Some("@monthly Asia/Tokyo"),
            Some("@monthly UTC"),
            None
        ],
        "by hand alone means that no baseline of all connections runs"
    );
    let config = parsed(&text, &environment()).unwrap();
    assert_eq!(config.connections[3].schedule.sync, RunSchedule::ByHand);
}

#[test]
fn mistakes_of_a_schedule_are_reported_at_their_lines() {
    let text = format!(
        "schedule = \"off\"\n{EMEA}\
         [connection.schedule]\nrecurrence = \"WEEKLY\"\ndaysOfWeek = []\nstartDate = 2026-12-01\nstartTim = \"24:00\"\n\
         timezone = \"${{NOWHERE}}\"\n\
         [[connection]]\nname = \"b\"\nsync_cron = \"@daily\"\nsync_timezone = \"UTC\"\nad_host = \"dc\"\nad_bind_dn = \"svc\"\n\
         ad_password = \"${{EMEA_PASSWORD}}\"\nschedule = {{}}\n\
         [[connection.profile]]\nname = \"p\"\nsync_timezone = \"UTC\"\n\
         [[connection.profile]]\nname = \"q\"\nschedule = \"daily\"\n\
         [[connection.profile]]\nname = \"r\"\nschedule = {{ runFrequency = 15 }}\nschedul = 1\n"
    );
    let refused = refusal(&text, &environment());
    let expected = [
        "connections.toml:1: schedule: is of one connection; write it in",
        "connections.toml:8: connection emea: schedule.startTime: is required",
        "connections.toml:10: connection emea: schedule.daysOfWeek: names no day",
        "connections.toml:11: connection emea: schedule.startDate: `2026-12-01` is not a date of the form mm/dd/yyyy",
        "connections.toml:12: connection emea: schedule.startTim: is not a key of this object; did you mean startTime?",
        "connections.toml:13: connection emea: schedule.timezone: names NOWHERE, which is not set; set NOWHERE",
        "connections.toml:16: connection b: sync_cron: stands beside the schedule of line 21; keep one of the two",
        "connections.toml:17: connection b: sync_timezone: stands beside the schedule of line 21; keep one of the two",
        "connections.toml:21: connection b.p: schedule: names no form; give one of cron, runFrequency, recurrence and once, or schedule = \"off\" to run",
        "connections.toml:24: connection b.p: sync_timezone: stands beside the schedule of line 21; write a schedule",
        "connections.toml:27: connection b, profile q: schedule: `daily` is not a schedule; write { cron = ",
        "connections.toml:30: connection b.r: schedule.runFrequency: is a number, where an object is needed; write it as {\"hours\" = 1, \"minutes\" = 30}",
        "connections.toml:31: connection b, profile r: schedul: is not a key of this table; did you mean schedule?",
    ];
    for line in &expected {
        assert!(
            refused.iter().any(|found| found.starts_with(line)),
            "{line} in {refused:#?}"
        );
    }
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
}
