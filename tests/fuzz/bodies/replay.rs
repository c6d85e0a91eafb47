//! Replays what the fuzzer has found worth keeping (`tests/fuzz/corpus`), so that every test run
//! proves it again.

use std::path::Path;

/// Gives every kept input of a target to its body.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(
        files.len() >= 5,
        "{} holds {} inputs",
        folder.display(),
        files.len()
    );
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        // A panic does not say which input it was.
        eprintln!("{}", file.display());
        body(&bytes);
    }
}
