mod certificates;
mod hosts;
mod proxies;
mod schedules;
mod urls;
mod words;

use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Utc};
use proptest::prelude::*;

use super::{certificate, filter, host, no_proxy, pin, plain, quantity, state, time, url};
use crate::config::refused::ValueFault;
use crate::identity::Kind;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap()
}

/// Checks that each text is refused, the cause holds this and the advice that.
fn refused<T: Debug>(check: impl Fn(&str) -> Result<T, ValueFault>, table: &[(&str, &str, &str)]) {
    for (text, cause, advice) in table {
        let fault = check(text).expect_err(text);
        assert!(
            fault.cause.contains(cause),
            "{text:?}: cause {:?} lacks {cause:?}",
            fault.cause
        );
        assert!(
            fault.advice.contains(advice),
            "{text:?}: advice {:?} lacks {advice:?}",
            fault.advice
        );
    }
}

fn taken<T: Debug + PartialEq>(check: impl Fn(&str) -> Result<T, ValueFault>, table: &[(&str, T)]) {
    for (text, value) in table {
        assert_eq!(check(text).as_ref(), Ok(value), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_a_check(text in "(?s).{0,60}") {
        every_check(&text);
    }

    #[test]
    fn no_likely_text_panics_a_check(
        text in "[0-9*/,LW#?@A-Z -]{0,30}|[()&|!=*\\\\a-f:<>~]{0,40}|[0-9]{0,25}[a-zA-Z]{0,3}|[0-9a-f:.\\[\\]%=,+/]{0,70}|[a-z:/@?#\\[\\].0-9]{0,40}"
    ) {
        every_check(&text);
    }

    #[test]
    fn no_cron_panics(text in "([0-9*]{1,4}([-/,#LW][0-9]{0,4}){0,2} ){4}[0-9*L]{1,2}([-/,#][0-9A-Z]{0,3})?( [0-9*]{1,5})?") {
        let _ = time::cron(now())(&text);
    }

    #[test]
    fn a_filter_that_is_taken_is_taken_again_unchanged(text in "[()&|!=*a-c]{0,12}|\\((&|\\||!)?(\\([a-c]=[a-c*]\\)){1,3}\\)") {
        if let Ok(filter) = filter::filter(&text) {
            prop_assert_eq!(filter::filter(&filter), Ok(filter.clone()));
            let joined = format!("(&(objectCategory=group){filter})");
            prop_assert!(ldap3::parse_filter(joined).is_ok());
        }
    }
}

fn every_check(text: &str) {
    let _ = quantity::number(0_u64..=u64::MAX)(text);
    let _ = quantity::duration(Duration::ZERO..=Duration::MAX)(text);
    let _ = quantity::size(0..=u64::MAX)(text);
    let _ = plain::boolean(text);
    let _ = plain::text(3)(text);
    let _ = plain::connection_name(text);
    let _ = plain::distinguished_name(text);
    let _ = plain::kinds(text);
    let _ = plain::uuid(text);
    let _ = plain::log_filter(text);
    let _ = host::hosts(text);
    let _ = host::listen(text);
    let _ = pin::pins(text);
    let _ = time::cron(now())(text);
    let _ = time::time_zone(text);
    let _ = url::gateway(text);
    let _ = url::ingest_path(text);
    let _ = url::proxy(text);
    let _ = state::location(text);
    let _ = filter::filter(text);
}
