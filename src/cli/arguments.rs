//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Text after the list of commands.
const EXIT_CODES: &str = "Exit codes:
  0    done
  1    internal error
  2    finished, but some objects were rejected (listed); a review that could not see everything
  3    objects are gone, more than the threshold allows: nothing was removed
  4    another run or instance holds the connection
  5    a review with findings
  64   configuration or command line refused
  69   directory, upstream or store cannot be reached or used
  77   credentials refused by directory or upstream
  129  a sync whose terminal was closed, everything staged is kept
  130  a sync stopped by Ctrl-C, everything staged is kept; anything ended by a second Ctrl-C
  143  a sync stopped by SIGTERM, everything staged is kept

Every setting is a variable of the environment, also read from the file .env of the working directory;
the real environment wins. See .env.example, or `ad-connector variables`. Several connections stand in a file with the same
names in lower case, config/connections.toml.";

/// Reads users and groups from Microsoft Active Directory and delivers them to Qualys ETM as
/// assets.
#[derive(Debug, Parser)]
#[command(name = "ad-connector", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 110)]
pub(super) struct CommandLine {
    /// The connection to work on, where several are configured.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) connection: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service: every connection on its schedule, until SIGTERM or Ctrl-C.
    Run,
    /// Run once now: read what changed, deliver it, end.
    Sync(SyncArguments),
    /// Test directory, mapping, upstream and store, each step with its result and, when it fails,
    /// what to do.
    Check,
    /// Show state, last and next run, counts and what is waiting or rejected.
    Status(StatusArguments),
    /// Show one object: its source attributes beside the asset that the mapping makes of it.
    Preview(PreviewArguments),
    /// Show the whole way of one object, ending in one sentence on why it is or is not in ETM.
    Why(WhyArguments),
    /// Show or check the mapping table.
    #[command(subcommand)]
    Mapping(MappingCommand),
    /// Write what somebody who looks for a fault from afar needs into one file: configuration
    /// without secrets, status, runs, log, versions.
    SupportBundle(SupportBundle),
    /// Show the history of runs, newest first.
    Runs(RunsArguments),
    /// Show objects gone from the directory, and those that the threshold holds back.
    Removed(RemovedArguments),
    /// Let the removals through that the threshold holds back: exactly the list that is shown, if
    /// every object of it is still gone.
    ApproveRemovals(ApproveArguments),
    /// Show the services that share the state in PostgreSQL, and the connections that each holds.
    Instances(Instances),
    /// Work on the state as a whole.
    #[command(subcommand)]
    State(State),
    /// Show, export, import and delete connections, also while the service runs.
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Work on the key that the secrets in the state are sealed with.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Review the accounts of the Qualys console against the directories, once now: who is gone,
    /// disabled, dormant, or has a role without the group that grants it.
    Review(ReviewOptions),
    /// For Docker: ends 0 while the service is alive.
    Healthcheck,
    /// Show every variable of the environment with its meaning and default.
    #[command(after_help = crate::config::reference::help())]
    Variables,
    /// For packages: write man pages and shell completions into a folder.
    #[command(hide = true)]
    Manual {
        /// The folder; it is made when it is not there.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct SyncArguments {
    /// Read everything in scope, not only what changed.
    #[arg(long)]
    pub(super) baseline: bool,
    /// Send unchanged assets too.
    #[arg(long)]
    pub(super) resend: bool,
    /// Post nothing and store nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write the assets that are (or, with --dry-run, would be) sent to FILE as NDJSON, one
    /// assetData element a line; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// One JSON object a connection and line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PreviewArguments {
    /// Account name, common name, mail address, user principal name, DN, SID or GUID of the object.
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct WhyArguments {
    /// Account name, common name, mail address, user principal name, DN, SID or GUID of the object.
    pub(super) name: String,
    /// One JSON object a connection and line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum MappingCommand {
    /// Print the table in force, row by row.
    Show,
    /// Check a mapping file: every mistake with file, line and reason; where the directory answers,
    /// also against its schema.
    Check {
        /// The file; without it, that of MAPPING_FILE, else the built-in table.
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct SupportBundle {
    /// The file, a tar.gz that its owner alone may read; it must not exist.
    pub(super) file: PathBuf,
    /// Leave names, mail addresses and other texts of people in it.
    #[arg(long)]
    pub(super) with_names: bool,
    /// The log of the service, - for standard input; without it, the journal of systemd, where it
    /// has one.
    #[arg(long, value_name = "LOG")]
    pub(super) log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunsArguments {
    /// How many runs.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) limit: u32,
    /// This run alone, with every object that was rejected, could not be mapped, or was removed in
    /// it.
    #[arg(long, value_name = "NUMBER", conflicts_with = "limit")]
    pub(super) run: Option<i64>,
    /// One JSON object a run and line, and one an object and line with --run.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemovedArguments {
    /// How many removals, newest first. What is held back or not decided is shown in full.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// One JSON object an object and line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReviewOptions {
    /// One JSON object with accounts, asset groups, roles, access and findings.
    #[arg(long)]
    pub(super) json: bool,
    /// Write findings and accounts to FILE as CSV; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write the review to FILE as one printable HTML page; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Approve the list only if it is still this one, as `removed` names it.
    #[arg(long, value_name = "LIST")]
    pub(super) list: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Instances {
    /// As a JSON array.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Copy the state to a new file or database, and compare both. Stop every service before.
    Copy(StateCopy),
}

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Print a new key for `SECRETS_KEY`. Every instance that shares the state needs the same.
    NewKey,
    /// Seal every secret with `SECRETS_KEY` that is sealed with a key of `SECRETS_KEY_OLD`.
    /// Services may run meanwhile, and it can be repeated.
    Rekey,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConnectionsCommand {
    /// Show every connection: its place (environment, file, or api for those that are stored in the
    /// state), its state, its next run; of one that cannot be used the reason.
    List {
        /// One JSON object a connection and line.
        #[arg(long)]
        json: bool,
    },
    /// Show the configuration of a connection, without secrets.
    Show {
        /// The connection.
        name: String,
        /// One JSON object; its `configuration` is a body of the API.
        #[arg(long)]
        json: bool,
    },
    /// Print a connection as a `[[connection]]` of the file of connections, with `${…}` in place of
    /// secrets. Certificates and mapping follow in comments, with the command that saves each.
    Export {
        /// The connection.
        name: String,
    },
    /// Store the connections of a file of connections. Secrets are sealed, certificates and mapping
    /// files are taken in. Every mistake is named before anything is stored.
    Import(ConnectionsImport),
    /// Delete a stored connection. A run of it ends first with what it began; what it sent stays in
    /// ETM, its history and its list of removed objects stay in the state.
    Delete(ConnectionsDelete),
}

#[derive(Debug, Args)]
pub(super) struct ConnectionsImport {
    /// The file: TOML in the form of connections.toml. What a key leaves out is taken from the
    /// environment.
    pub(super) file: PathBuf,
    /// Replace stored connections that have the names.
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct ConnectionsDelete {
    /// The connection; with --purge also one that was deleted before.
    pub(super) name: String,
    /// Forget its history and its list of removed objects too.
    #[arg(long)]
    pub(super) purge: bool,
    /// Do not ask. Needed where there is no terminal.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct StateCopy {
    /// Where to: `sqlite:PATH` or `postgres://USER@HOST[:PORT]/DATABASE`, without a state yet.
    #[arg(long, value_name = "URL")]
    pub(super) to: String,
}
