use std::sync::atomic::AtomicUsize;

use tokio::time::{advance, sleep};

use super::*;
use crate::config::{DeltaMethod, DirectorySettings, DomainSettings, LdapTransport, ReachPolicy, SitePolicy};
use crate::directory::put_off::written;
use crate::directory::{KerberosFault, KerberosProblem, LdapResult};

fn settings(account: &str, password: &str, hosts: &[&str]) -> DirectorySettings {
    DirectorySettings {
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        domain: None,
        transport: LdapTransport::Ldaps,
        port: 636,
        auth: DirectoryAuth::Simple {
            name: account.to_owned(),
            password: password.into(),
        },
        certificates: None,
        pins: vec![],
        server_name: None,
        page_size: 1000,
        parallel_reads: 1,
        timeout: Duration::from_secs(60),
        delta: DeltaMethod::Usn,
        reach: ReachPolicy::Unrestricted,
    }
}

fn with(password: &str) -> DirectorySettings {
    settings("svc@corp.example", password, &["dc1", "dc2"])
}

/// A controller that takes a tenth of a second, knows one password, and counts what it refuses.
#[derive(Clone, Default)]
struct Controller {
    password: Arc<Mutex<String>>,
    binds: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    /// Binds without an answer yet, and the most of them at once.
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
}

impl Controller {
    fn knowing(password: &str) -> Self {
        let controller = Self::default();
        controller.know(password);
        controller
    }

    fn know(&self, password: &str) {
        *self.password.lock().unwrap() = password.to_owned();
    }

    async fn bind(&self, guard: &BindGuard, settings: &DirectorySettings) -> Result<(), DirectoryError> {
        guard.attempt(settings, self.judge(settings)).await
    }

    async fn judge(&self, settings: &DirectorySettings) -> Result<(), DirectoryError> {
        self.binds.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        if settings.auth.secret().expose_secret() == *self.password.lock().unwrap() {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        Err(refusal("52e"))
    }

    fn binds(&self) -> usize {
        self.binds.load(Ordering::SeqCst)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

fn refusal(sub_code: &str) -> DirectoryError {
    DirectoryError::Bind {
        host: "dc1".to_owned(),
        account: "svc@corp.example".to_owned(),
        outcome: LdapResult::new(49, "", &format!("data {sub_code}, v4563"), vec![]),
    }
}

/// Lets all of `guards` bind at once; gives the errors.
async fn all_at_once(
    controller: &Controller,
    guards: &[BindGuard],
    settings: &DirectorySettings,
) -> Vec<DirectoryError> {
    let binds = guards.iter().map(|guard| controller.bind(guard, settings));
    let results = futures_util::future::join_all(binds).await;
    results.into_iter().filter_map(Result::err).collect()
}

fn eight() -> Vec<BindGuard> {
    let first = BindGuard::default();
    (0..8).map(|_| first.for_connection()).collect()
}

fn put_off(error: &DirectoryError) -> &PutOff {
    match error {
        DirectoryError::PutOff(put_off) => put_off,
        error => panic!("{error}"),
    }
}

fn is_put_off(guard: &BindGuard, settings: &DirectorySettings) -> bool {
    guard.check(settings).is_err()
}

#[tokio::test(start_paused = true)]
async fn r40_eight_connections_try_a_refused_password_once() {
    let (controller, guards) = (Controller::knowing("new"), eight());
    let errors = all_at_once(&controller, &guards, &with("old")).await;
    assert_eq!((errors.len(), controller.binds()), (8, 1));
    let refused = errors.iter().filter(|error| error.refuses_password());
    assert_eq!(refused.count(), 1);
    for error in &errors {
        assert_eq!(error.exit_code(), 77);
    }
    for _ in 0..3 {
        advance(Duration::from_secs(15 * 60)).await;
        assert_eq!(all_at_once(&controller, &guards, &with("old")).await.len(), 8);
    }
    assert_eq!(controller.binds(), 1, "45 minutes later");
    advance(Duration::from_secs(15 * 60)).await;
    all_at_once(&controller, &guards, &with("old")).await;
    assert_eq!(controller.binds(), 2, "an hour later, once");
}

#[tokio::test(start_paused = true)]
async fn r40_the_error_names_the_account_the_time_the_cause_the_next_attempt_and_the_remedy() {
    let (controller, guard) = (Controller::knowing("new"), BindGuard::default());
    controller.bind(&guard, &with("old-secret")).await.unwrap_err();
    advance(Duration::from_secs(600)).await;
    let error = controller.bind(&guard, &with("old-secret")).await.unwrap_err();
    let put_off = put_off(&error);
    let text = format!("{error} {}", error.advice());
    for part in [
        "svc@corp.example",
        &written(&put_off.refused),
        &written(&put_off.next),
        "dc1: the account name or the password is wrong",
        "check AD_PASSWORD",
        "restart the service",
        "3 attempts an hour",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!format!("{error:?}{guard:?}{text}").contains("old-secret"), "R27");
    let wait = (put_off.next - Utc::now()).num_seconds();
    assert!((2_990..=3_000).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn r40_each_connection_logs_a_refusal_once() {
    let (controller, guards) = (Controller::knowing("new"), eight());
    let is_repeated = |errors: &[DirectoryError]| errors.iter().filter(|error| error.is_repeated()).count();
    let errors = all_at_once(&controller, &guards, &with("old")).await;
    assert_eq!(is_repeated(&errors), 0);
    for _ in 0..2 {
        let errors = all_at_once(&controller, &guards, &with("old")).await;
        assert_eq!(is_repeated(&errors), 8);
    }
    advance(PUT_OFF_FOR).await;
    let errors = all_at_once(&controller, &guards, &with("old")).await;
    assert_eq!(is_repeated(&errors), 0, "a refusal of its own");
}

#[tokio::test(start_paused = true)]
async fn r40_another_password_is_tried_at_once_and_counts() {
    let (controller, guard) = (Controller::knowing("good"), BindGuard::default());
    for wrong in ["one", "two"] {
        controller.bind(&guard, &with(wrong)).await.unwrap_err();
    }
    assert_eq!(controller.binds(), 2);
    controller.bind(&guard, &with("good")).await.unwrap();
    for wrong in ["one", "two"] {
        put_off(&controller.bind(&guard, &with(wrong)).await.unwrap_err());
    }
    assert_eq!(controller.binds(), 3);
    controller.bind(&guard, &with("three")).await.unwrap_err();
    put_off(&controller.bind(&guard, &with("four")).await.unwrap_err());
    assert_eq!(controller.refused(), 3, "three an hour");
    controller.bind(&guard, &with("good")).await.unwrap();
    advance(PUT_OFF_FOR).await;
    controller.bind(&guard, &with("four")).await.unwrap_err();
    assert_eq!(controller.refused(), 4);
}

#[tokio::test(start_paused = true)]
async fn r40_an_operator_may_ask_but_not_more_than_three_times_an_hour() {
    let (controller, guards) = (Controller::knowing("new"), eight());
    let mut refused = Vec::new();
    for _ in 0..7 {
        for guard in &guards {
            guard.allow_now(&with("old"));
            controller.bind(guard, &with("old")).await.unwrap_err();
        }
        refused.push(controller.refused());
        advance(Duration::from_secs(11 * 60)).await;
    }
    assert_eq!(
        refused,
        [3, 3, 3, 3, 3, 3, 6],
        "the last ones more than an hour later"
    );
}

#[tokio::test(start_paused = true)]
async fn r40_a_password_that_works_is_not_held_up_and_one_that_was_changed_is_tried_once() {
    let (controller, guards) = (Controller::knowing("old"), eight());
    let started = Instant::now();
    assert_eq!(all_at_once(&controller, &guards, &with("old")).await, []);
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(controller.most_open.load(Ordering::SeqCst), MOST_REFUSED);
    // An hour of runs, then somebody changes the password between two of them.
    for _ in 0..4 {
        advance(Duration::from_secs(900)).await;
        assert_eq!(all_at_once(&controller, &guards, &with("old")).await, []);
    }
    advance(Duration::from_secs(900)).await;
    controller.know("new");
    assert_eq!(all_at_once(&controller, &guards, &with("old")).await.len(), 8);
    assert_eq!(controller.refused(), 1);
}

#[tokio::test(start_paused = true)]
async fn r40_even_within_the_moment_after_a_success_no_more_than_three_are_refused() {
    let (controller, guards) = (Controller::knowing("old"), eight());
    assert_eq!(all_at_once(&controller, &guards, &with("old")).await, []);
    controller.know("new");
    assert_eq!(all_at_once(&controller, &guards, &with("old")).await.len(), 8);
    assert_eq!(controller.refused(), MOST_REFUSED);
}

#[tokio::test(start_paused = true)]
async fn r40_a_bind_without_an_answer_holds_up_the_others_for_a_moment_only() {
    let (controller, guards) = (Controller::knowing("good"), eight());
    let settings = with("good");
    let silent = guards[0].attempt(&settings, async {
        sleep(Duration::from_secs(60)).await;
        Err::<(), _>(DirectoryError::Gone {
            host: "dc1".to_owned(),
        })
    });
    let others = async {
        sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        assert_eq!(all_at_once(&controller, &guards[1..], &settings).await, []);
        started.elapsed()
    };
    let (silent, waited) = tokio::join!(silent, others);
    silent.unwrap_err();
    assert!(
        waited > Duration::from_secs(4) && waited < ALONE_FOR + Duration::from_secs(1),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn r40_a_connection_that_gives_up_waiting_or_binding_holds_nobody_up() {
    let (controller, guards) = (Controller::knowing("good"), eight());
    let settings = with("good");
    let hanging = guards[0].attempt(&settings, std::future::pending::<Result<(), DirectoryError>>());
    assert!(
        tokio::time::timeout(Duration::from_secs(1), hanging)
            .await
            .is_err()
    );
    let started = Instant::now();
    assert_eq!(all_at_once(&controller, &guards, &settings).await, []);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn r40_only_a_refused_password_puts_off() {
    let guard = BindGuard::default();
    let settings = with("good");
    for error in [
        refusal("51f"),
        refusal("530"),
        refusal("525"),
        DirectoryError::Gone {
            host: "dc1".to_owned(),
        },
    ] {
        for _ in 0..5 {
            let bound = guard
                .attempt(&settings, async { Err::<(), _>(error.clone()) })
                .await;
            assert_eq!(bound, Err(error.clone()));
            guard.check(&settings).unwrap();
        }
    }
    for sub_code in ["52e", "532", "533", "701", "773", "775", "0"] {
        let guard = BindGuard::default();
        let error = refusal(sub_code);
        let bound = guard
            .attempt(&settings, async { Err::<(), _>(error.clone()) })
            .await;
        assert_eq!(bound, Err(error));
        assert!(is_put_off(&guard, &settings));
    }
}

#[tokio::test(start_paused = true)]
async fn r40_an_account_is_one_whatever_the_case_and_the_order_of_hosts_and_another_one_is_not() {
    let (controller, guard) = (Controller::knowing("new"), BindGuard::default());
    controller.bind(&guard, &with("old")).await.unwrap_err();
    let same = settings("SVC@Corp.Example", "old", &["DC2", "dc1"]);
    assert!(is_put_off(&guard, &same));
    let domain = |name: &str| DirectorySettings {
        hosts: vec![],
        domain: Some(DomainSettings {
            name: name.to_owned(),
            dns_server: None,
            site: SitePolicy::Auto,
            allow_read_only: false,
        }),
        ..with("old")
    };
    for other in [
        settings("other@corp.example", "old", &["dc1", "dc2"]),
        settings("svc@corp.example", "old", &["dc3"]),
        domain("corp.example"),
    ] {
        guard.check(&other).unwrap();
    }
    controller
        .bind(&guard, &domain("corp.example"))
        .await
        .unwrap_err();
    assert!(is_put_off(&guard, &domain("CORP.example")));
    guard.check(&domain("other.example")).unwrap();
    BindGuard::default().check(&with("old")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn r40_a_keytab_with_another_content_is_tried_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let keytab = folder.path().join("keytab");
    std::fs::write(&keytab, "old key").unwrap();
    let settings = DirectorySettings {
        auth: DirectoryAuth::Kerberos {
            principal: None,
            keytab: Some(keytab.clone()),
        },
        ..with("")
    };
    let guard = BindGuard::default();
    let wrong_key = DirectoryError::Kerberos {
        host: "dc1".to_owned(),
        fault: KerberosFault::new(KerberosProblem::WrongKey, ""),
    };
    let bound = guard
        .attempt(&settings, async { Err::<(), _>(wrong_key.clone()) })
        .await;
    assert_eq!(bound, Err(wrong_key));
    assert!(is_put_off(&guard, &settings));
    std::fs::write(&keytab, "new key").unwrap();
    guard.check(&settings).unwrap();
}
