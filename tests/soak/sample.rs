//! Measurements of a process, from /proc (proc(5)).

use std::fmt;
use std::path::Path;
use std::time::Duration;

/// State of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Time since the start.
    pub at: Duration,
    /// Resident memory, KiB.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Size of the state file, bytes.
    pub state: u64,
    /// Size of its write-ahead log, bytes.
    pub log: u64,
}

impl Sample {
    /// Head of the table.
    pub const HEAD: &str = "  time   RSS KiB  descriptors  threads  state KiB  WAL KiB";

    /// Measures `process`, whose state file is `state`.
    pub fn of(process: u32, state: &Path, at: Duration) -> Sample {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))
            .unwrap_or_else(|error| panic!("the service is gone: {error}"));
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.unwrap().parse().unwrap()
        };
        let log = format!("{}-wal", state.display());
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Sample {
            at,
            resident: field("VmRSS:"),
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64,
            threads: field("Threads:"),
            state: size(state),
            log: size(Path::new(&log)),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_secs();
        write!(
            out,
            "{:>3}:{:02} {:>9} {:>12} {:>8} {:>10} {:>8}",
            seconds / 60,
            seconds % 60,
            self.resident,
            self.descriptors,
            self.threads,
            self.state / 1024,
            self.log / 1024
        )
    }
}
