//! Parses the command line, calls one command, turns its error into an exit code.

fn main() -> std::process::ExitCode {
    ad_connector::cli::main()
}
