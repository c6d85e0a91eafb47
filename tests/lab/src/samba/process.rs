//! The controller's processes: started once, found again by other processes, ended whole.
//!
//! All of them are one process group led by `keeper.sh`, whose number is in [`Place::pid_file`].

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::place::Place;
use super::python::{self, PYTHON};
use super::{ldap, provision};

/// How long a controller may take to answer the first bind. It takes less than 1 s on two idle cores.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long the processes may take to end before they are killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What this machine lacks to run a domain, each with its remedy. Empty: it can.
pub fn missing(place: &Place) -> Vec<String> {
    let mut missing = Vec::new();
    // LDAP's ports are fixed and below 1024.
    if !is_root() {
        missing.push("a domain controller needs root: run as root".to_owned());
    }
    let packages = [
        ("samba", "samba samba-ad-dc"),
        ("samba-tool", "samba"),
        ("ldapsearch", "ldap-utils"),
        ("/usr/share/samba/setup/provision.ldif", "samba-ad-provision"),
        ("/usr/lib/python3/dist-packages/samba/samdb.py", "python3-samba"),
        (PYTHON, "python3"),
    ];
    for (needed, package) in packages {
        if !is_installed(needed) {
            missing.push(format!("{needed} is missing: apt-get install {package}"));
        }
    }
    if missing.is_empty() && processes(place).is_empty() && port_taken(place) {
        let address = place.address();
        missing.push(format!(
            "{address} port 636 is in use by another program: stop it, or set LAB_ADDRESS"
        ));
    }
    missing
}

/// Makes sure that the domain runs, and notes the use of it. What is there is kept when it works; a folder that is
/// missing, made by another version of the harness, or does not start is restored from the copy, and else made anew.
///
/// # Panics
/// When even a new domain does not answer.
pub fn start(place: &Place) {
    let _starting = place.lock("start.lock");
    fs::write(place.last_used(), "").unwrap();
    if !processes(place).is_empty() && provision::is_made(place) && ldap::answers(place) {
        return;
    }
    stop_processes(place);
    provision::name_in_hosts(place);
    let attempts: [fn(&Place) -> bool; 3] = [provision::is_made, provision::restore, |place| {
        provision::make(place);
        true
    }];
    for prepared in attempts {
        if prepared(place) && launched(place) {
            return;
        }
        stop_processes(place);
    }
    panic!("the domain does not start: {}", end_of(&place.log()));
}

/// Ends every process of the domain. The folder stays.
pub fn stop(place: &Place) {
    let _starting = place.lock("start.lock");
    super::pair::stop_second(place);
    stop_processes(place);
}

/// Starts the controller from the folder as it is.
///
/// # Panics
/// When it does not answer.
pub fn start_again(place: &Place) {
    fs::write(place.last_used(), "").unwrap();
    assert!(
        launched(place),
        "{} does not start: {}",
        place.host(),
        end_of(&place.log())
    );
}

/// See [`Domain::restore_from_backup`](super::Domain::restore_from_backup).
///
/// # Panics
/// When there is no copy, or the controller does not answer.
pub fn restore_from_backup(place: &Place) {
    stop_processes(place);
    assert!(provision::restore(place), "no copy of {}", place.host());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samba/restored.py");
    python::run(script, &[place.smb_conf().to_str().unwrap()], "");
    start_again(place);
}

/// Ends the controller as a loss of power does: at once, without a word to anybody.
pub fn kill(place: &Place) {
    while !processes(place).is_empty() {
        signal(place, "KILL");
        sleep(Duration::from_millis(20));
    }
    let _ = fs::remove_file(place.pid_file());
}

/// Ends the domain and puts its folder back to how it was after filling.
pub fn reset(place: &Place) {
    let _starting = place.lock("start.lock");
    super::pair::stop_second(place);
    stop_processes(place);
    provision::restore(place);
}

/// The living processes of the domain. Empty: it does not run.
pub fn processes(place: &Place) -> Vec<u32> {
    let Some(group) = fs::read_to_string(place.pid_file())
        .ok()
        .and_then(|text| text.trim().parse().ok())
    else {
        return Vec::new();
    };
    // After a restart of the machine the number may be somebody else's: only processes that work in the folder count.
    // (Samba overwrites its command line and its environment.)
    let Ok(folder) = fs::canonicalize(place.folder()) else {
        return Vec::new();
    };
    let ours = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    members(group).into_iter().filter(ours).collect()
}

/// Starts the controller and waits until it answers. Gives `false` when it ended or did not answer in time.
fn launched(place: &Place) -> bool {
    let run = place.data().join("run");
    fs::create_dir_all(&run).unwrap();
    let log = fs::File::create(place.log()).unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/samba/keeper.sh"));
    command.args([place.smb_conf(), run, place.last_used()]);
    command
        // For replication, which is by Kerberos.
        .env("KRB5_CONFIG", place.krb5_conf())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut keeper = command
        .current_dir(place.folder())
        .process_group(0)
        .spawn()
        .unwrap();
    fs::write(place.pid_file(), keeper.id().to_string()).unwrap();
    let begun = Instant::now();
    let answers = loop {
        if keeper.try_wait().unwrap().is_some() || begun.elapsed() > START_LIMIT {
            break false;
        }
        if port_taken(place) && ldap::answers(place) {
            break true;
        }
        sleep(Duration::from_millis(100));
    };
    // Collects the exit status of a keeper that ends before this process does; no zombie stays.
    std::thread::spawn(move || keeper.wait());
    answers
}

pub(super) fn stop_processes(place: &Place) {
    signal(place, "TERM");
    let begun = Instant::now();
    while !processes(place).is_empty() {
        if begun.elapsed() > STOP_LIMIT {
            signal(place, "KILL");
        }
        sleep(Duration::from_millis(50));
    }
    let _ = fs::remove_file(place.pid_file());
}

fn signal(place: &Place, name: &str) {
    let pids = processes(place);
    if !pids.is_empty() {
        // A process that ended meanwhile makes `kill` complain: no harm, the caller looks again.
        let pids = pids.iter().map(u32::to_string);
        let _ = Command::new("kill")
            .arg(format!("-{name}"))
            .args(pids)
            .stderr(Stdio::null())
            .status();
    }
}

/// The processes of a group, without those that ended and were not collected yet.
fn members(group: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| state_and_group(&stat))
            .is_some_and(|(state, of)| of == group && state != 'Z')
    })
    .collect()
}

/// Fields 3 and 5 of `/proc/PID/stat` (proc(5)). The name before them may hold anything, so they are counted from its end.
fn state_and_group(stat: &str) -> Option<(char, u32)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

fn port_taken(place: &Place) -> bool {
    let address = SocketAddr::from((place.address(), 636));
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

fn is_root() -> bool {
    // The fields of "Uid:" are the real, effective, saved and file-system user (proc(5)).
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .any(|line| line.split_whitespace().take(3).eq(["Uid:", "0", "0"]))
}

/// Whether a file, or a program of `PATH`, exists.
fn is_installed(needed: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    needed.starts_with('/') && Path::new(needed).exists()
        || !needed.contains('/') && std::env::split_paths(&path).any(|folder| folder.join(needed).exists())
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_group_are_found_behind_an_awkward_program_name() {
        assert_eq!(state_and_group("12 (a) Z 1 (b)) S 1 77 77 0"), Some(('S', 77)));
        assert_eq!(state_and_group("12 (sh) Z 1 9"), Some(('Z', 9)));
        assert_eq!(state_and_group("nothing"), None);
    }

    #[test]
    fn a_pid_file_of_somebody_else_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().to_owned(), [127, 0, 0, 21].into());
        assert!(processes(&place).is_empty());
        fs::write(place.pid_file(), std::process::id().to_string()).unwrap();
        assert!(processes(&place).is_empty());
    }

    #[test]
    fn programs_and_files_are_looked_up() {
        assert!(is_installed("sh") && is_installed("/bin/sh"));
        assert!(!is_installed("no-such-program") && !is_installed("/no/such/file"));
    }
}
