use proptest::prelude::*;
use serde_json::Value;

use super::parse_schedule;

/// Strategy for values of any kind under the keys of a schedule.
fn hostile() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9]{1,3}/[0-9]{1,3}/[0-9]{1,5}".prop_map(Value::from),
        "[0-9]{1,3}:[0-9]{1,3}".prop_map(Value::from),
        prop::sample::select(vec![
            "DAILY",
            "WEEKLY",
            "MON",
            "UTC",
            "@daily",
            "off",
            "Asia/Colombo"
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "cron",
        "runFrequency",
        "recurrence",
        "once",
        "daysOfWeek",
        "startDate",
        "startTime",
        "timezone",
        "hours",
        "minutes",
        "other",
    ]);
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_read_or_refused_with_key_reason_and_remedy(value in hostile()) {
        match parse_schedule(&value, chrono::Utc::now()) {
            Ok(schedule) => prop_assert_eq!(parse_schedule(&schedule.to_json(), chrono::Utc::now()), Ok(schedule)),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.key.starts_with("schedule"), "{}", problem);
                    prop_assert!(!problem.reason.is_empty() && !problem.remedy.is_empty(), "{}", problem);
                    prop_assert!(!problem.to_string().contains(char::is_control), "{:?}", problem);
                }
            }
        }
    }
}
