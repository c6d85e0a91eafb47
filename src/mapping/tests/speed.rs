use std::hint::black_box;
use std::time::Instant;

use super::*;

/// Prints the time for one user; it asserts nothing, since the clock of a shared machine is not
/// reliable.
///
/// ```sh
/// cargo test --release -p ad-connector --lib mapping::tests::speed -- --ignored --nocapture
/// ```
#[test]
#[ignore = "measures, for people to read"]
fn one_user() {
    const ROUNDS: u32 = 400_000;
    let (mapping, user) = (Mapping::builtin(), user());
    let start = Instant::now();
    let bytes: usize = (0..ROUNDS)
        .map(|_| {
            black_box(mapping.apply(Kind::User, black_box(&user)))
                .unwrap()
                .json
                .len()
        })
        .sum();
    let each = start.elapsed() / ROUNDS;
    println!("one user: {each:?}, {} bytes", bytes / ROUNDS as usize);
}
