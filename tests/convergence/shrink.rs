//! Makes a history that fails as short as it can and still fails.

use std::time::{Duration, Instant};

use super::history::{History, Identity, Ownership, Profiles, Second, Step};

/// How long is tried.
const LIMIT: Duration = Duration::from_secs(120);

/// Threads of the runs go as they like, so a history may fail now and then only: it is tried this often.
const TRIES: usize = 3;

/// The shortest history found for which `fails`, and why it does. `history` failed for `reason`.
pub fn shrink(
    history: History,
    reason: String,
    fails: impl Fn(&History) -> Option<String>,
) -> (History, String) {
    let (mut best, mut why) = (history, reason);
    let until = Instant::now() + LIMIT;
    loop {
        let before = (best.size(), best.setting.clone());
        for candidate in candidates(&best) {
            if Instant::now() > until {
                return (best, why);
            }
            // A candidate of an older best may have become pointless.
            if candidate.size() > best.size() {
                continue;
            }
            let same = |reason: &String| kind(reason) == kind(&why);
            let failed = (0..TRIES).find_map(|_| fails(&candidate).filter(same));
            if let Some(reason) = failed {
                (best, why) = (candidate, reason);
                break;
            }
        }
        if (best.size(), best.setting.clone()) == before {
            return (best, why);
        }
    }
}

/// The rule that a reason begins with, or that a run failed without one: a shorter history must not
/// fail for something else.
fn kind(reason: &str) -> Option<&str> {
    let (kind, _) = reason.split_once(':')?;
    let is_rule = kind.starts_with('R') || kind.starts_with("nothing was wrong");
    is_rule.then_some(kind)
}

/// Shorter histories, the shortest first.
fn candidates(history: &History) -> Vec<History> {
    let mut candidates = Vec::new();
    let mut with = |change: &dyn Fn(&mut History)| {
        let mut candidate = history.clone();
        change(&mut candidate);
        if candidate != *history {
            candidates.push(candidate);
        }
    };
    let count = history.steps.len();
    let mut length = count.div_ceil(2);
    while length > 0 {
        for start in (0..count).step_by(length) {
            with(&|history| {
                history.steps.drain(start..(start + length).min(count));
            });
        }
        length /= 2;
    }
    for at in 0..count {
        let run = match &history.steps[at] {
            Step::Run(run) => run,
            Step::Refusal(Some(refusal)) if refusal.who.len() > 1 => {
                for number in 0..refusal.who.len() {
                    with(&|history| {
                        if let Step::Refusal(Some(refusal)) = &mut history.steps[at] {
                            refusal.who.remove(number);
                        }
                    });
                }
                continue;
            }
            _ => continue,
        };
        let mut with_run = |change: &dyn Fn(&mut super::history::Run)| {
            with(&|history| {
                if let Step::Run(run) = &mut history.steps[at] {
                    change(run);
                }
            });
        };
        with_run(&|run| run.stop = None);
        with_run(&|run| run.gateway.clear());
        with_run(&|run| run.directory.clear());
        with_run(&|run| run.meanwhile.clear());
        with_run(&|run| run.down = None);
        with_run(&|run| run.profiles = Profiles::First);
        with_run(&|run| {
            if run.profiles == Profiles::Both {
                run.profiles = Profiles::Second;
            }
        });
        with_run(&|run| run.mode = super::history::Mode::Delta);
        for number in 0..run.gateway.len() {
            with_run(&|run| {
                run.gateway.remove(number);
            });
        }
        for number in 0..run.directory.len() {
            with_run(&|run| {
                run.directory.remove(number);
            });
        }
        for number in 0..run.meanwhile.len() {
            with_run(&|run| {
                run.meanwhile.remove(number);
            });
        }
    }
    for objects in [
        0,
        1,
        2,
        history.setting.objects / 2,
        history.setting.objects.saturating_sub(1),
    ] {
        with(&|history| history.setting.objects = history.setting.objects.min(objects));
    }
    for simpler in simpler(history.setting.ownership) {
        with(&|history| history.setting.ownership = Some(simpler));
    }
    with(&|history| history.setting.controllers = 1);
    with(&|history| history.setting.lag_is_over = false);
    with(&|history| history.setting.narrow = false);
    with(&|history| history.setting.tells_removals = false);
    with(&|history| history.setting.sees_deleted = false);
    with(&|history| history.setting.dirsync = false);
    with(&|history| history.setting.roles = false);
    with(&|history| history.setting.removal_percent = 100);
    with(&|history| history.setting.page_size = 1000);
    with(&|history| history.setting.connections = 1);
    with(&|history| history.setting.concurrency = 1);
    with(&|history| history.setting.batch_assets = 50);
    candidates
}

/// Simpler settings of ids and their owners. None leads back to another one.
fn simpler(ownership: Option<Ownership>) -> Vec<Ownership> {
    let Some(ownership) = ownership else {
        return Vec::new();
    };
    let mut simpler = vec![
        Ownership {
            profiles: 1,
            ..ownership
        },
        Ownership {
            second: Second::Outside,
            ..ownership
        },
        Ownership {
            identity: Identity::Sid,
            ..ownership
        },
    ];
    if ownership.second == Second::Described {
        simpler.push(Ownership {
            second: Second::Domain,
            ..ownership
        });
    }
    if ownership.identity == Identity::Account {
        simpler.push(Ownership {
            identity: Identity::Mail,
            ..ownership
        });
    }
    simpler
}
