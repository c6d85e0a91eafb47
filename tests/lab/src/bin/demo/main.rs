//! `cargo demo`: the whole product on one machine, without root and without network.
//!
//! A simulated domain controller (LDAPS) and a stand-in for the Qualys gateway listen on loopback; between them runs the
//! real service, built from this tree, with a schedule of ten seconds. People are hired, renamed and moved, and the
//! terminal tells what arrives; the status page shows the same, and what to do when a quarter of the accounts is gone at once
//! and the threshold holds that back. With `--once` it ends by itself after the first full read and one round of changes, and
//! checks that what arrived is what the directory holds.

mod arrivals;
mod company;
mod people;
mod service;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lab::certificates::{Authority, Shape};
use lab::console::Console;
use lab::receiver::{self, Answer, Receiver};
use lab::simulator::{Account, Options, Simulator, Tls};

use arrivals::Arrivals;
use company::Company;
use service::{Pace, Service};
use terminal::Terminal;

/// How long the first full read, and each round of changes, may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(90);
/// Time between two rounds of changes: a little more than the schedule, so that most rounds arrive alone.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(12);
/// What the gateway takes for each of the first batches, so that one sees the users arrive.
const UNHURRIED: Duration = Duration::from_millis(600);
/// How many batches that are: the first full read has 52 objects, and four go into a batch.
const FIRST_BATCHES: usize = 13;
/// The round of changes after which a quarter of the accounts goes.
const LEAVING_ROUND: usize = 2;

/// Shows the service at work between a simulated directory and a stand-in for the Qualys gateway.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Ends after the first full read and one round of changes; exit code 0 when everything arrived.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut terminal = Terminal::new();
    match show(&arguments, &mut terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            terminal.failure(&reason);
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: &Arguments, terminal: &mut Terminal) -> Result<(), String> {
    terminal.heading("ad-connector demo: everything runs on this machine and ends with this program");
    terminal.line("building the service …");
    let program = service::build().await?;
    terminal.restart_clock();

    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let authority = Authority::new("Demo CA");
    let certificate = authority.write(folder.path());
    let mut company = Company::found();
    let simulator = Simulator::start(Options {
        directory: company.directory().clone(),
        // The account sees deleted objects, so that a delta notices at once who left.
        accounts: vec![Account {
            reads_deleted: true,
            ..Account::reader()
        }],
        tls: Tls::Ldaps(
            authority
                .server(&["localhost", "127.0.0.1"], Shape::Sound)
                .server_config(),
        ),
        ..Options::default()
    });
    let receiver = Receiver::start(receiver::Options::default()).await;
    let console = Console::start(people::console(company.directory())).await;
    let pace = Pace::new(!arguments.once);
    if pace.slow {
        receiver.script((0..FIRST_BATCHES).map(|_| Answer::Slow(UNHURRIED)));
    }
    let mut service = Service::start(
        &program,
        folder.path(),
        &certificate,
        &simulator,
        &receiver,
        &console,
        &pace,
    )?;
    let (users, groups) = company.size();
    terminal.fact(
        "directory",
        &format!(
            "ldaps://localhost:{}  {users} users, {groups} groups",
            simulator.addr().port()
        ),
    );
    terminal.fact("gateway", &format!("{}  plays Qualys ETM", receiver.url()));
    terminal.fact(
        "console",
        &format!("{}  plays the API server of Qualys", console.url()),
    );
    terminal.fact("service", &format!("{} run  every 10 seconds", program.display()));
    terminal.fact("its log", &service.log().display().to_string());
    terminal.fact("page", &pace.link("/"));
    terminal.blank();

    let story = tell(&pace, terminal, &mut company, &receiver, &mut service);
    let ended = tokio::select! {
        ended = story => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    if let Err(reason) = ended {
        return Err(format!(
            "{reason}\n\nlast lines of the service's log:\n{}",
            service.last_lines()
        ));
    }
    service.stop().await?;
    let violations = receiver.violations();
    if !violations.is_empty() {
        return Err(format!("the gateway objected: {}", violations.join("; ")));
    }
    terminal.line("the service has stopped");
    Ok(())
}

/// The first full read, then rounds of changes: one with `--once`, else until interrupted, and with people leaving.
async fn tell(
    pace: &Pace,
    terminal: &Terminal,
    company: &mut Company,
    receiver: &Receiver,
    service: &mut Service,
) -> Result<(), String> {
    let mut arrivals = Arrivals::default();
    wait(company, receiver, service, &mut arrivals, None).await?;
    arrivals.tell_baseline(terminal);
    terminal.blank();
    terminal.event(
        "review",
        "the accounts of the Qualys console against the directory:",
    );
    for line in service.review().await? {
        terminal.detail(&line);
    }
    terminal.detail(&pace.link("/demo/review"));
    let mut held = 0;
    for round in 1.. {
        terminal.blank();
        for change in company.change() {
            terminal.event("directory", &change);
        }
        wait(company, receiver, service, &mut arrivals, Some(terminal)).await?;
        if !pace.slow {
            terminal.blank();
            let (users, groups) = company.size();
            terminal.success(&format!(
                "all {users} users and {groups} groups arrived, with every change"
            ));
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        arrivals.take(receiver, Some(terminal));
        if round == LEAVING_ROUND {
            terminal.blank();
            terminal.event("directory", &company.lay_off());
            held = hold(service).await?;
            terminal.event(
                "held",
                &format!(
                    "{held} removals are too many to be believed: nothing is removed until you have looked"
                ),
            );
            terminal.detail(&pace.link("/demo/attention"));
        } else if held > 0 && service.held().await? == 0 {
            terminal.event("approved", &format!("{held} objects are listed as removed"));
            held = 0;
        }
    }
    Ok(())
}

/// Waits until the threshold holds removals back; gives how many.
async fn hold(service: &mut Service) -> Result<u64, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let held = service.held().await?;
        if held > 0 {
            return Ok(held);
        }
        service.still_runs()?;
        if tokio::time::Instant::now() > until {
            return Err(format!("after {} s nothing was held back", PATIENCE.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until the gateway holds exactly what the directory holds, telling arrivals to `terminal`.
async fn wait(
    company: &Company,
    receiver: &Receiver,
    service: &mut Service,
    arrivals: &mut Arrivals,
    terminal: Option<&Terminal>,
) -> Result<(), String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        arrivals.take(receiver, terminal);
        let missing = company.missing(&receiver.assets());
        if missing.is_empty() {
            return Ok(());
        }
        service.still_runs()?;
        if tokio::time::Instant::now() > until {
            let first = missing.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
            return Err(format!(
                "after {} s this had not arrived:\n  {first}",
                PATIENCE.as_secs()
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
