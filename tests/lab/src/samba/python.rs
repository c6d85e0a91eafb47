//! The system's Python, which has Samba's bindings.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Debian's packages bind to this interpreter; another `python3` earlier in `PATH` knows nothing of them.
pub const PYTHON: &str = "/usr/bin/python3";

/// What `script` prints, given `input` on its standard input.
///
/// # Panics
/// When it fails, with what it said.
pub fn run(script: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(PYTHON);
    command.arg("-B").arg(script).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {PYTHON}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A thread, for a script that writes before it has read everything. One that ends early closes the pipe: no harm.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(
        output.status.success(),
        "{script} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
