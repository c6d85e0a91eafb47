//! The faults of a history in the words of the lab.

use std::sync::Arc;
use std::time::Duration;

use lab::receiver::{Answer, ErrorForm, Receiver};
use lab::simulator::{Action, Outcome, Simulator};
use serde_json::Value;

use super::history::{DirectoryFault, GatewayFault, Trouble};

/// Answers queued for a gateway that is down: more than a run asks for before it gives up.
const DOWN: usize = 2_000;

/// Lets the directory misbehave in the coming run.
pub fn script_directory(simulators: &[Simulator], dirsync: bool, faults: &[DirectoryFault]) {
    for fault in faults {
        let outcome = |code| Outcome::error(code, "as the history says");
        let action = match fault.trouble {
            Trouble::Cut => Action::Cut,
            Trouble::CutAfterEntries(entries) => Action::CutAfterEntries(entries),
            Trouble::CutAfterBytes(bytes) => Action::CutAfterBytes(bytes),
            Trouble::Code(code) => Action::Answer(outcome(code)),
            Trouble::CodeAfterEntries(entries, code) => Action::AnswerAfterEntries(entries, outcome(code)),
            Trouble::Truncated => Action::TruncatedBer,
            Trouble::Notice => Action::Notice(52),
            Trouble::RepeatCookie => Action::RepeatCookie,
            // In an answer to DirSync this one skips a change, which no controller does.
            Trouble::EndlessPages if dirsync => Action::RepeatCookie,
            Trouble::EndlessPages => Action::EndlessPages,
        };
        let simulator = &simulators[fault.controller % simulators.len()];
        simulator.faults().at(fault.on, fault.nth, action);
    }
}

/// Lets the gateway misbehave in the coming run.
pub fn script_gateway(receiver: &Receiver, faults: &[GatewayFault]) {
    for fault in faults {
        match *fault {
            GatewayFault::Token(code) => receiver.script_tokens([Answer::status(code)]),
            GatewayFault::Down(code) => receiver.script(std::iter::repeat_n(Answer::status(code), DOWN)),
            fault => receiver.script([answer(fault)]),
        }
    }
    // Without it nobody asks for a token.
    if faults.iter().any(|fault| matches!(fault, GatewayFault::Token(_))) {
        receiver.revoke_tokens();
    }
}

fn answer(fault: GatewayFault) -> Answer {
    match fault {
        GatewayFault::Slow => Answer::Slow(Duration::from_millis(2)),
        GatewayFault::Status(code) => Answer::status(code),
        GatewayFault::Early(code) => Answer::Early(code),
        GatewayFault::CutBefore => Answer::CutBefore,
        GatewayFault::ErrorBody => Answer::ErrorBody200("INTERNAL_ERROR".to_owned(), "try later".to_owned()),
        GatewayFault::Html => Answer::Html,
        GatewayFault::RevokeToken => Answer::RevokeToken,
        GatewayFault::RejectSome => Answer::RejectBy(Arc::new(every_other)),
        GatewayFault::CutAfter => Answer::CutAfter,
        GatewayFault::KeptButNotAnswered(code) => Answer::AcceptWith(code, String::new()),
        GatewayFault::RejectUnknown => Answer::Reject(ErrorForm::UnknownId, Default::default()),
        GatewayFault::Accept | GatewayFault::Token(_) | GatewayFault::Down(_) => Answer::Accept,
    }
}

/// Rejects about half of the versions.
fn every_other(asset: &Value) -> Option<String> {
    let sum: u32 = asset["asset"].to_string().bytes().map(u32::from).sum();
    sum.is_multiple_of(2)
        .then(|| "rejected as the history says".to_owned())
}
