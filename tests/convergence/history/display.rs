//! Histories as text, for whoever reads one that failed.

use std::fmt;

use super::{Choice, DirectoryFault, Event, History, Profiles, Step};

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setting)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:3}. {step}", number + 1)?;
        }
        Ok(())
    }
}

/// The variables that make it, each followed by a blank.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(count) = self.controllers {
            write!(f, "CONVERGENCE_CONTROLLERS={count} ")?;
        }
        if let Some(count) = self.profiles {
            write!(f, "CONVERGENCE_PROFILES={count} ")?;
        }
        if let Some(identity) = self.identity {
            write!(f, "CONVERGENCE_IDENTITY={} ", identity.name())?;
        }
        if self.roles {
            f.write_str("CONVERGENCE_ROLES=1 ")?;
        }
        if self.refuses_nothing {
            f.write_str("CONVERGENCE_REFUSALS=0 ")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = match self {
            Self::Event(event) => return write!(f, "{event}"),
            Self::Run(run) => run,
            other => return write!(f, "{other:?}"),
        };
        write!(f, "Run {:?}", run.mode)?;
        if run.profiles != Profiles::First {
            write!(f, " of profile {:?}", run.profiles)?;
        }
        if let Some(down) = run.down {
            write!(f, ", controller {down} is down")?;
        }
        for one in &run.meanwhile {
            let (on, nth) = (one.on, one.nth);
            write!(
                f,
                "\n       before {on:?} {nth}{}: {}",
                place(one.controller),
                one.event
            )?;
        }
        for fault in &run.directory {
            let DirectoryFault {
                controller,
                on,
                nth,
                trouble,
            } = fault;
            write!(
                f,
                "\n       directory{} at {on:?} {nth}: {trouble:?}",
                place(*controller)
            )?;
        }
        if !run.gateway.is_empty() {
            write!(f, "\n       gateway answers {:?}", run.gateway)?;
        }
        match run.stop {
            Some(stop) => write!(f, "\n       stopped: {stop:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(on, change) => write!(f, "Change({change:?}){}", place(*on)),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Where there is one controller, it is not named.
fn place(controller: usize) -> String {
    match controller {
        0 => String::new(),
        other => format!(", controller {other}"),
    }
}
