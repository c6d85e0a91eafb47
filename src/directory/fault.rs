//! Location of the fault that an error shows, and with it the next attempt (R39).
//!
//! The attempt to connect and the loop around a read ask the same question: may another controller
//! succeed? [`DirectoryError::fault_of`] is the only answer.

use super::error::{DirectoryError, TimedPhase};
use super::fault_of::{FaultOf, PAGED_SEARCH_BROKE_OFF, refuses_password};
use super::frame::FrameFault;
use super::guard_fault::GuardFault;

impl DirectoryError {
    /// Returns where the fault lies.
    #[must_use]
    pub fn fault_of(&self) -> FaultOf {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::OutOfReach { .. }
            | Self::StartTls { .. }
            | Self::Tls { .. }
            | Self::Unusable { .. }
            | Self::Gone { .. }
            | Self::AllFailed { .. } => FaultOf::Controller,
            Self::Timeout { phase, .. } => match phase {
                TimedPhase::Search => FaultOf::ControllerOrSearch,
                TimedPhase::StartTls | TimedPhase::Tls | TimedPhase::Ticket | TimedPhase::Bind => {
                    FaultOf::Controller
                }
            },
            Self::Bind { outcome, .. } => FaultOf::of_bind(outcome),
            Self::Kerberos { fault, .. } => fault.fault_of(),
            Self::Search { outcome, .. } => FaultOf::of_search(outcome),
            Self::Protocol { fault, .. } => match fault {
                // An object or a page that is too large is too large on every controller.
                GuardFault::TooMuch | GuardFault::Frame(FrameFault::TooLong(_) | FrameFault::TooMany) => {
                    FaultOf::Request
                }
                _ => FaultOf::Controller,
            },
            Self::AtAddress { error, .. } => error.fault_of(),
            Self::PutOff(_) => FaultOf::Account,
            Self::Discover { .. } | Self::Answer { .. } | Self::Filter { .. } | Self::Internal { .. } => {
                FaultOf::Request
            }
        }
    }

    /// Reports whether the same read may succeed on the same controller when it begins again: the
    /// controller dropped the state of a paged search, as it does in favour of other searches
    /// (MS-ADTS 3.1.1.3.4.6, MaxResultSetSize).
    #[must_use]
    pub fn is_dropped_paging_state(&self) -> bool {
        match self {
            Self::Search { outcome, .. } => {
                outcome.code == 12 || (outcome.code == 1 && outcome.has_error(PAGED_SEARCH_BROKE_OFF))
            }
            Self::AtAddress { error, .. } => error.is_dropped_paging_state(),
            _ => false,
        }
    }

    /// Reports whether the password of the account was refused, here or by a key distribution
    /// center (R40).
    #[must_use]
    pub fn refuses_password(&self) -> bool {
        match self {
            Self::Bind { outcome, .. } => refuses_password(outcome),
            Self::Kerberos { fault, .. } => fault.refuses_password(),
            Self::AtAddress { error, .. } => error.refuses_password(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
