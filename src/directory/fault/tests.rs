use std::time::Duration;

use super::*;
use crate::directory::ControllerDefect;
use crate::directory::result_code::LdapResult;
use crate::directory::result_code::{ResultMeaning, bind_meaning, search_meaning, start_tls_meaning};

fn outcome(code: u32, diagnostic: &str) -> LdapResult {
    LdapResult::new(code, "", diagnostic, vec![])
}

fn host() -> String {
    "dc1".to_owned()
}

fn bind(code: u32, diagnostic: &str) -> DirectoryError {
    DirectoryError::Bind {
        host: host(),
        account: "svc".to_owned(),
        outcome: outcome(code, diagnostic),
    }
}

fn search(code: u32, diagnostic: &str) -> DirectoryError {
    DirectoryError::Search {
        host: host(),
        base: "DC=corp".to_owned(),
        outcome: outcome(code, diagnostic),
    }
}

#[test]
fn r39_a_refused_bind_is_of_the_controller_or_of_the_account_code_by_code() {
    use FaultOf::{Account, Controller, Request};
    for code in 0..=123 {
        let expected = match code {
            1 | 2 | 3 | 11 | 12 | 51 | 52 | 53 | 80 => Controller,
            34 | 48 | 49 => Account,
            _ => Request,
        };
        assert_eq!(bind(code, "").fault_of(), expected, "{code}");
        assert_eq!(
            bind(code, "").exit_code(),
            if expected == Account { 77 } else { 69 }
        );
    }
    for (sub_code, expected) in [
        ("525", Account),
        ("52e", Account),
        ("52E", Account),
        ("52f", Account),
        ("530", Account),
        ("531", Account),
        ("532", Account),
        ("533", Account),
        ("568", Account),
        ("569", Account),
        ("701", Account),
        ("773", Account),
        ("775", Account),
        ("80090346", Account),
        ("0", Account),
        ("51f", Controller),
        ("54f", Controller),
        ("6ba", Controller),
        ("6fd", Controller),
        ("52", Controller),
        ("5255", Controller),
    ] {
        let error = bind(
            49,
            &format!("80090308: LdapErr: DSID-0C090439, data {sub_code}, v4563"),
        );
        assert_eq!(error.fault_of(), expected, "{sub_code}");
    }
}

#[test]
fn r40_what_counts_towards_a_lockout_is_a_refused_password() {
    for (code, sub_code, expected) in [
        (49, "52e", true),
        (49, "532", true),
        (49, "533", true),
        (49, "701", true),
        (49, "773", true),
        (49, "775", true),
        (49, "0", true),
        (49, "525", false),
        (49, "530", false),
        (49, "51f", false),
        (48, "0", false),
        (34, "0", false),
        (53, "52e", false),
        (80, "20ee", false),
    ] {
        let error = bind(
            code,
            &format!("AcceptSecurityContext error, data {sub_code}, v4563"),
        );
        assert_eq!(error.refuses_password(), expected, "{code} {sub_code}");
    }
    assert!(bind(49, "").refuses_password());
    assert!(!search(49, "data 52e").refuses_password());
}

#[test]
fn r39_a_failed_search_is_of_the_controller_or_of_the_request_code_by_code() {
    use FaultOf::{Controller, ControllerOrSearch, Request};
    for code in 0..=123 {
        let expected = match code {
            51 | 52 => Controller,
            1 | 3 | 11 | 12 | 53 | 80 => ControllerOrSearch,
            _ => Request,
        };
        assert_eq!(search(code, "").fault_of(), expected, "{code}");
    }
    let lost = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed";
    let samba = "00002020: Operation unavailable without authentication";
    let outside = "000020D6: SvcErr: DSID-031007E5, problem 5012 (DIR_ERROR), data 0";
    for (code, diagnostic, expected) in [
        (1, lost, Controller),
        (50, lost, Controller),
        (1, samba, Controller),
        (1, outside, Request),
        (32, outside, Request),
        (1, "00002120: SvcErr: DSID-031402FD", Request),
        (1, "000020E6: SvcErr: DSID-031406E4", ControllerOrSearch),
    ] {
        assert_eq!(search(code, diagnostic).fault_of(), expected, "{diagnostic}");
    }
    for code in [1, 32] {
        assert!(search(code, outside).advice().contains("AD_BASE_CONTEXT"));
    }
    assert!(search(12, "").advice().contains("begins again by itself"));
}

#[test]
fn r05_r39_any_other_error_has_one_place() {
    use FaultOf::{Account, Controller, ControllerOrSearch, Request};
    let protocol = |fault| DirectoryError::Protocol { host: host(), fault };
    let timeout = |phase| DirectoryError::Timeout {
        host: host(),
        phase,
        after: Duration::from_secs(1),
    };
    let unusable = |defect| DirectoryError::Unusable { host: host(), defect };
    let what = || "what".to_owned();
    let located = |error| DirectoryError::AtAddress {
        address: ([192, 0, 2, 1], 636).into(),
        error: Box::new(error),
    };
    let mut cases = vec![
        (DirectoryError::Gone { host: host() }, Controller),
        (
            DirectoryError::Resolve {
                host: host(),
                cause: what(),
            },
            Controller,
        ),
        (
            DirectoryError::Connect {
                host: host(),
                port: 636,
                causes: vec![],
            },
            Controller,
        ),
        (
            DirectoryError::StartTls {
                host: host(),
                outcome: outcome(52, ""),
            },
            Controller,
        ),
        (timeout(TimedPhase::StartTls), Controller),
        (timeout(TimedPhase::Tls), Controller),
        (timeout(TimedPhase::Ticket), Controller),
        (timeout(TimedPhase::Bind), Controller),
        (timeout(TimedPhase::Search), ControllerOrSearch),
        (protocol(GuardFault::Closed), Controller),
        (protocol(GuardFault::Truncated), Controller),
        (protocol(GuardFault::Broken(what())), Controller),
        (protocol(GuardFault::SpeaksTls), Controller),
        (protocol(GuardFault::Unasked(7)), Controller),
        (protocol(GuardFault::TooMuch), Request),
        (protocol(GuardFault::Frame(FrameFault::TooMany)), Request),
        (protocol(GuardFault::Frame(FrameFault::TooLong(7))), Request),
        (unusable(ControllerDefect::Missing("dsServiceName")), Controller),
        (unusable(ControllerDefect::NotSynchronized), Controller),
        (unusable(ControllerDefect::NoNtdsSettings(what())), Controller),
        (unusable(ControllerDefect::NoInvocationId(what())), Controller),
        (
            DirectoryError::Answer {
                host: host(),
                what: what(),
            },
            Request,
        ),
        (DirectoryError::Filter { filter: what() }, Request),
        (DirectoryError::Internal { what: what() }, Request),
        (
            DirectoryError::Discover {
                domain: what(),
                cause: what(),
            },
            Request,
        ),
        (located(search(12, "")), ControllerOrSearch),
        (located(bind(49, "")), Account),
    ];
    // A notice of disconnection of any code.
    for code in 0..=123 {
        cases.push((protocol(GuardFault::Disconnected(outcome(code, ""))), Controller));
    }
    for (error, expected) in cases {
        assert_eq!(error.fault_of(), expected, "{error:?}");
    }
}

/// Operation that a real controller ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Bind,
    Search,
    StartTls,
    Notice,
}

/// Returns the expected classification of a line of the table, by its `meaning`: the operation, the
/// fault, and a word of the message.
fn expected(meaning: &str) -> (Operation, FaultOf, &'static str) {
    use FaultOf::{Account, Controller, ControllerOrSearch, Request};
    use Operation::{Bind, Notice, Search, StartTls};
    match meaning {
        "no such account" => (Bind, Account, "does not exist"),
        "wrong name or password" => (Bind, Account, "password is wrong"),
        "not at this hour" => (Bind, Account, "logon hours"),
        "not from this computer" => (Bind, Account, "from this computer"),
        "password has run out" => (Bind, Account, "password has expired"),
        "account is disabled" => (Bind, Account, "disabled"),
        "account has run out" => (Bind, Account, "account has expired"),
        "password must be changed first" => (Bind, Account, "must be changed"),
        "account is locked out" => (Bind, Account, "locked out"),
        "channel binding is required, or the token is of another channel" => {
            (Bind, Account, "channel binding")
        }
        "the token of the bind makes no sense to the controller" => {
            (Bind, Account, "refused the credentials")
        }
        _ if meaning.contains("the credentials were not judged") => (Bind, Controller, "did not judge"),
        _ if meaning.contains("bind without signing") => (Bind, Request, "AD_TRANSPORT"),
        _ if meaning.starts_with("anonymous") => (Search, Controller, "wants a bind"),
        _ if meaning.contains("a wrong base DN") => (Search, Request, "AD_BASE_CONTEXT"),
        _ if meaning.contains("broke off on the controller") => (Search, ControllerOrSearch, "broke off"),
        _ if meaning.contains("make no sense for the object") => (Search, Request, "attribute"),
        _ if meaning.contains("paged search was dropped") => {
            (Search, ControllerOrSearch, "begins again by itself")
        }
        _ if meaning.contains("critical control") => (Search, ControllerOrSearch, "lacks a control"),
        _ if meaning.contains("sorting") => (Search, ControllerOrSearch, "lacks a control"),
        _ if meaning.contains("DirSync cookie of another controller") => (Search, Request, "DirSync cookie"),
        _ if meaning.contains("Notice of Disconnection") => (Notice, Controller, "ended the connection"),
        _ if meaning.contains("without the right to replicate") => (Search, Request, "right to replicate"),
        _ if meaning.contains("another domain") || meaning.starts_with("the same") => {
            (Search, Request, "another domain")
        }
        _ if meaning.starts_with("no such object") => (Search, Request, "does not exist"),
        "the base is no DN" => (Search, Request, "not a valid DN"),
        _ if meaning.starts_with("an administrative limit") => {
            (Search, ControllerOrSearch, "administrative limit")
        }
        "a right is missing" => (Search, Request, "lacks the right"),
        "StartTLS without a server certificate" => (StartTls, Controller, "server certificate"),
        other => panic!("the table has a new meaning: {other}"),
    }
}

#[test]
fn r39_every_diagnostic_of_a_real_controller_has_its_sentence_and_its_class() {
    let table = include_str!("../../../tests/data/windows/diagnostics.tsv");
    let mut lines = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [code, _, diagnostic, _, meaning, ..] = fields.as_slice() else {
            panic!("{line}");
        };
        // The code of one line is not known; insufficientAccessRights is that of a missing right.
        let code = if code.is_empty() {
            50
        } else {
            code.parse().unwrap()
        };
        let diagnostic = diagnostic
            .replace("\\\\", "\\")
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace("\\0", "\0");
        let outcome = outcome(code, &diagnostic);
        let (operation, fault, word) = expected(meaning);
        let (error, meaning_of): (_, Option<ResultMeaning>) = match operation {
            Operation::Bind => (bind(code, &diagnostic), Some(bind_meaning(&outcome))),
            Operation::Search => (search(code, &diagnostic), Some(search_meaning(&outcome))),
            Operation::StartTls => (
                DirectoryError::StartTls {
                    host: host(),
                    outcome: outcome.clone(),
                },
                Some(start_tls_meaning(&outcome)),
            ),
            Operation::Notice => (
                DirectoryError::Protocol {
                    host: host(),
                    fault: GuardFault::Disconnected(outcome),
                },
                None,
            ),
        };
        assert_eq!(error.fault_of(), fault, "{line}");
        let text = format!("{error}; {}", error.advice());
        assert!(text.contains(word), "{word:?} in {text}");
        assert!(!text.contains(char::is_control), "{text:?}");
        if let Some(meaning) = meaning_of {
            assert!(
                !meaning.cause.ends_with("failed") && !meaning.advice.contains("look the result code up"),
                "a sentence of its own: {line}"
            );
        }
        lines += 1;
    }
    assert_eq!(lines, 62, "all lines of the table");
}
