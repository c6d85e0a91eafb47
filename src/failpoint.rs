//! The places of a run where a crash matters, for the tests that let the program die there
//! (tests/crash).
//!
//! Every transaction of the store passes three of them, because [`crate::store`] writes in one
//! place; the rest lies between the transactions. Nothing of this is in a release build, whatever
//! else is built with it: it is compiled with debug assertions only. There, three variables of the
//! process say what happens. They are no settings of the product, so [`crate::config`] does not
//! know them:
//!
//! - `CRASH_AT=PLACE:N` ends the process without a further step when it passes PLACE for the Nth
//!   time; PLACE is the name of a [`Point`], or `any`.
//! - `PAUSE_FILE=FILE` holds the one that passes the PLACE that the file names: it renames the file
//!   to `FILE.reached`, and goes on when that is gone (tests/connection_changes).
//! - `CRASH_LOG=FILE` appends the name of every place that is passed, so that a test knows what a
//!   kill interrupted.

use std::fmt;

/// Declares the transactions with their names.
macro_rules! transactions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A transaction of the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Commit {
            $($(#[$doc])* $name,)+
        }

        impl Commit {
            /// Every transaction.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

transactions! {
    /// A state file gets its schema, or an older one that of this version; or it is an older copy.
    Create = "create",
    /// The connection is stored.
    Register = "register",
    /// A run whose process died is closed.
    Recover = "recover",
    /// The time of the next run is set.
    SetNext = "set_next",
    /// Registered or Processed → Scheduled.
    Schedule = "schedule",
    /// Ticks that fell into a run.
    SkipTicks = "skip_ticks",
    /// Scheduled → Processing.
    BeginRun = "begin_run",
    /// The plan of the run and its reason are stored.
    PlanRun = "plan_run",
    /// A full read begins.
    BeginFullRead = "begin_full_read",
    /// A page that was read, with the slices that end in it.
    StagePage = "stage_page",
    /// The last page, with the watermark and what was missed.
    CompleteRead = "complete_read",
    /// Entries of a page that show no objectGUID.
    NoteUnidentified = "note_unidentified",
    /// Limits learnt of the gateway.
    SetGatewayLimits = "set_gateway_limits",
    /// A batch is handed out.
    NextBatch = "next_batch",
    /// The answer of the gateway is stored.
    Settle = "settle",
    /// Results of look-ups of missed objects.
    NoteVerdicts = "note_verdicts",
    /// Objects that are gone are removed, or held back.
    Conclude = "conclude",
    /// Objects that were held back are removed.
    Approve = "approve",
    /// A review of Qualys accounts.
    KeepReview = "keep_review",
    /// Processing → Processed or Scheduled.
    EndRun = "end_run",
}

/// Progress of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It holds the write lock, and has written nothing.
    Begun,
    /// Everything is written, and would be lost.
    Written,
    /// It is on the disk, and its caller has no answer yet.
    Committed,
}

/// A place that the program passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// In a transaction.
    In(Commit, Progress),
    /// The lock of the connection is taken; of a file, its holder is not named yet.
    Locked,
    /// The lock is about to be given back.
    Unlocking,
    /// A batch is about to be posted.
    Posting,
    /// The gateway's answer to a batch (or that there is none) is known, and stored nowhere.
    Answered,
}

impl Point {
    /// Returns every place.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let progress = [Progress::Begun, Progress::Written, Progress::Committed];
        let commits = Commit::ALL
            .iter()
            .flat_map(|commit| progress.map(|progress| Self::In(*commit, progress)));
        commits
            .chain([Self::Locked, Self::Unlocking, Self::Posting, Self::Answered])
            .collect()
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(commit, progress) => write!(
                f,
                "{}.{}",
                commit.name(),
                match progress {
                    Progress::Begun => "begun",
                    Progress::Written => "written",
                    Progress::Committed => "committed",
                }
            ),
            Self::Locked => f.write_str("locked"),
            Self::Unlocking => f.write_str("unlocking"),
            Self::Posting => f.write_str("posting"),
            Self::Answered => f.write_str("answered"),
        }
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) const fn pass(_: Point) {}

#[cfg(debug_assertions)]
pub(crate) use armed::pass;

#[cfg(debug_assertions)]
mod armed {
    use std::fs::File;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::Point;

    /// Orders that the two variables give.
    struct Orders {
        /// Name of the place, or `any`; and how many passes of it are left.
        crash: Option<(String, AtomicUsize)>,
        pause: Option<PathBuf>,
        log: Option<File>,
    }

    /// Pause between two looks whether a place may be left, and how many looks there are at most.
    const LOOK_EVERY: Duration = Duration::from_millis(5);
    const LOOKS: u32 = 8_000;

    impl Orders {
        fn read() -> Self {
            let variable = |name| std::env::var(name).ok();
            let crash = variable("CRASH_AT").and_then(|text| {
                let (place, nth) = text.split_once(':')?;
                Some((place.to_owned(), AtomicUsize::new(nth.parse().ok()?)))
            });
            let log = variable("CRASH_LOG")
                .and_then(|path| File::options().create(true).append(true).open(path).ok());
            let pause = variable("PAUSE_FILE").map(PathBuf::from);
            Self { crash, pause, log }
        }
    }

    /// Passes `point`: logs it, and ends the process where `CRASH_AT` names it.
    pub(crate) fn pass(point: Point) {
        static ORDERS: OnceLock<Orders> = OnceLock::new();
        let orders = ORDERS.get_or_init(Orders::read);
        if orders.crash.is_none() && orders.log.is_none() && orders.pause.is_none() {
            return;
        }
        let name = point.to_string();
        if let Some(pause) = &orders.pause {
            wait(pause, &name);
        }
        if let Some(mut log) = orders.log.as_ref() {
            // One call a line, so that a kill leaves whole lines. A log that fails is noticed by
            // the test that reads it.
            let _ = log.write_all(format!("{name}\n").as_bytes());
        }
        if let Some((place, left)) = &orders.crash
            && (*place == name || place == "any")
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            // Runs no destructor, no flush and no handler, like SIGKILL.
            std::process::abort();
        }
    }

    /// Waits at the place that the file names until the test lets it go on.
    fn wait(pause: &Path, name: &str) {
        if !std::fs::read_to_string(pause).is_ok_and(|wanted| wanted == name) {
            return;
        }
        let reached = pause.with_extension("reached");
        // Of several that pass, the one that renames the file waits.
        if std::fs::rename(pause, &reached).is_ok() {
            for _ in 0..LOOKS {
                if !reached.exists() {
                    return;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}
