//! The Samba domain by hand: start it, look at it, try the connector on it, stop it.

use clap::{Parser, Subcommand};
use lab::samba::place::{REALM, ROOT};
use lab::samba::{Place, process};

/// A Samba domain with 2,000 users and 250 groups on a loopback address. Needs root and Debian's Samba packages.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start it, or make sure that it runs. Changes made earlier are kept.
    Start,
    /// End all its processes. Changes are kept.
    Stop,
    /// Say whether it runs and answers; ends with 1 when it does not.
    Status,
    /// Print the environment for trying the connector on it: eval "$(… env)".
    Env,
    /// End it and forget all changes: the next start has the domain as it was filled.
    Reset,
    /// Print what the connector must deliver for a base (default: the whole domain), as JSON.
    Expected {
        /// DN to search from.
        base: Option<String>,
    },
}

fn main() {
    let place = Place::from_environment();
    match Arguments::parse().command {
        Command::Start => {
            exit_if_missing(&place);
            process::start(&place);
            println!("{} answers at {}", place.host(), place.address());
        }
        Command::Stop => process::stop(&place),
        Command::Status => status(&place),
        Command::Env => print!("{}", environment(&place)),
        Command::Reset => process::reset(&place),
        Command::Expected { base } => {
            let assets = lab::samba::expected(&place, base.as_deref().unwrap_or(ROOT), "subtree");
            println!("{}", serde_json::to_string_pretty(&assets).unwrap());
        }
    }
}

fn exit_if_missing(place: &Place) {
    let missing = process::missing(place);
    if !missing.is_empty() {
        eprintln!("cannot run a domain here: {}", missing.join("; "));
        std::process::exit(1);
    }
}

fn status(place: &Place) {
    let running = process::processes(place).len();
    let answers = running > 0 && lab::samba::ldap::answers(place);
    println!("folder     {}", place.folder().display());
    println!(
        "controller {} at {}, realm {REALM}",
        place.host(),
        place.address()
    );
    println!("processes  {running}");
    println!(
        "LDAPS      {}",
        if answers { "answers" } else { "does not answer" }
    );
    std::process::exit(i32::from(!answers));
}

fn environment(place: &Place) -> String {
    let account = place.connector();
    let variables = [
        ("AD_HOST", place.host()),
        ("AD_BIND_DN", account.principal),
        ("AD_PASSWORD", account.password.to_owned()),
        ("AD_CERTIFICATE", place.tls().join("ca.pem").display().to_string()),
        ("KRB5_CONFIG", place.krb5_conf().display().to_string()),
    ];
    variables
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
        .collect()
}

/// For a shell: in single quotes.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
