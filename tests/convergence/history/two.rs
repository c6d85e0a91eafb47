//! A history with two controllers: what was drawn for one is spread over both, and they replicate
//! in between.

use fastrand::Rng;
use lab::simulator::On;

use super::{DirectoryFault, Event, Meanwhile, Run, Step, Trouble};

/// Spreads the steps over two controllers, from draws of their own.
pub(super) fn spread(steps: Vec<Step>, seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed ^ 0x7E57_0FD1_5A62_EE00);
    let mut spread = Vec::new();
    for step in steps {
        match step {
            Step::Event(event) => spread.push(Step::Event(elsewhere(&mut rng, event))),
            // Another invocation ID, or older USNs, would be of a controller whose database was
            // restored.
            Step::Controller(_) | Step::RollBack(_) => spread.push(Step::Event(replication(&mut rng))),
            step @ (Step::Mapping | Step::Identity(_) | Step::Refusal(_)) => spread.push(step),
            Step::Run(mut run) => {
                share(&mut rng, &mut run);
                spread.push(Step::Run(run));
            }
        }
        while rng.u8(0..5) < 2 {
            spread.push(Step::Event(replication(&mut rng)));
        }
    }
    spread
}

fn elsewhere(rng: &mut Rng, event: Event) -> Event {
    match event {
        Event::Change(_, change) => Event::Change(rng.usize(0..2), change),
        other => other,
    }
}

fn replication(rng: &mut Rng) -> Event {
    let from = rng.usize(0..2);
    match rng.u8(0..10) {
        0..7 => Event::ReplicateOne {
            from,
            // Units come first, and few objects are changed often.
            object: if rng.bool() { rng.u16(0..9) } else { rng.u16(0..64) },
        },
        _ => Event::ReplicateAll { from },
    }
}

/// Chooses the controller that a run can reach, and where what befalls it happens.
fn share(rng: &mut Rng, run: &mut Run) {
    run.down = match rng.u8(0..3) {
        0 => None,
        _ => Some(rng.usize(0..2)),
    };
    let reached = |rng: &mut Rng| run.down.map_or_else(|| rng.usize(0..2), |down| 1 - down);
    for one in &mut run.meanwhile {
        one.controller = reached(rng);
        one.event = elsewhere(rng, one.event);
    }
    for fault in &mut run.directory {
        fault.controller = reached(rng);
    }
    if rng.u8(0..3) == 0 {
        let (controller, nth) = (reached(rng), rng.usize(1..=8));
        run.meanwhile.push(Meanwhile {
            controller,
            on: On::Search,
            nth,
            event: replication(rng),
        });
    }
    // The read begins again on the other one.
    if run.down.is_none() && rng.bool() {
        run.directory.push(DirectoryFault {
            controller: rng.usize(0..2),
            on: On::Search,
            nth: rng.usize(1..=8),
            trouble: if rng.bool() {
                Trouble::Cut
            } else {
                Trouble::CutAfterEntries(rng.usize(0..4))
            },
        });
    }
}
