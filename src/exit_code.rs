//! Exit codes of the program. Errors of all modules take theirs from here; `--help` lists them.

/// Done.
pub(crate) const DONE: u8 = 0;
/// Defect of the program.
pub(crate) const INTERNAL: u8 = 1;
/// Done, but some objects were rejected, or a review could not see everything.
pub(crate) const REJECTED: u8 = 2;
/// Removals above the threshold are held back.
pub(crate) const HELD: u8 = 3;
/// Another run or instance holds the connection.
pub(crate) const BUSY: u8 = 4;
/// A review with findings.
pub(crate) const FINDINGS: u8 = 5;
/// Configuration or command line refused (`EX_USAGE` of sysexits.h).
pub(crate) const USAGE: u8 = 64;
/// Directory, upstream or store cannot be reached or used (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// Credentials refused by directory or upstream (`EX_NOPERM`).
pub(crate) const REFUSED: u8 = 77;
/// Ended by SIGHUP: 128 and the number of the signal, as a shell reports it.
pub(crate) const HUNG_UP: u8 = 129;
/// Ended by SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub(crate) const TERMINATED: u8 = 143;

#[cfg(test)]
mod tests {
    #[test]
    fn each_code_is_in_the_help_and_nothing_else() {
        let codes: Vec<&str> = include_str!("exit_code.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub(crate) const ")?.split("= ").nth(1))
            .map(|code| code.trim_end_matches(';'))
            .collect();
        let help = include_str!("cli/arguments.rs");
        let table = help.split("Exit codes:\n").nth(1).unwrap();
        let listed: Vec<&str> = table
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(codes, listed);
    }
}
