//! Remedies for the errors of the store (R29).

use super::StoreError;
use super::error::directory_of;

impl StoreError {
    /// Returns the remedy for the operator: one or two sentences.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "nothing was synchronised with this STATE_URL yet: start the service or run \
                 `ad-connector sync`, or correct STATE_URL"
                    .into()
            }
            Self::CannotOpen { path, .. } => format!(
                "check that {} exists and that this user may read, write and search it, or point STATE_URL elsewhere",
                directory_of(path).display()
            ),
            Self::ReadOnly { path, .. } => format!(
                "give this user write permission on {} and on its directory, and check that the volume is not \
                 mounted read-only",
                path.display()
            ),
            Self::Full { path, .. } => format!(
                "free space on the volume of {}; nothing read or staged was lost, the next run goes on",
                directory_of(path).display()
            ),
            Self::Corrupt { path, .. } => format!(
                "stop the service, move {0} and {0}-wal away, and start again: a full read rebuilds the file, at the \
                 price of sending every asset once more; check the disk before",
                path.display()
            ),
            Self::Database(error) => error.advice().into(),
            Self::ForeignDatabase { .. } => "create a database of its own, and name it in STATE_URL".into(),
            Self::NotEmpty { .. } => "name a file or a database that is new".into(),
            Self::Unequal { .. } => {
                "stop every instance, so that nobody writes meanwhile, empty the target, and copy again".into()
            }
            Self::HeldElsewhere { .. } => {
                "wait until its run has ended; where several instances share the state, give all the same settings of the \
                 connection, and to change them stop the others first".into()
            }
            Self::Refusal(refusal) => refusal.advice().into(),
            Self::ConnectionChanged => {
                "nothing; what was read is kept, and the next run goes on with the connection as it is now".into()
            }
            Self::LeaseLost => {
                "nothing; the instance that holds it goes on with what this one read (`ad-connector instances` names it)"
                    .into()
            }
            Self::Foreign { .. } => "point STATE_URL to a file of its own".into(),
            Self::Newer { .. } => {
                "install the version of ad-connector that wrote the file or a later one, or point \
                 STATE_URL to a new file (a full read fills it)"
                    .into()
            }
            Self::Former { path, .. } => format!(
                "stop the service, move {0} and {0}-wal away, and start again: a full read fills a new file, at the price \
                 of sending every asset once more",
                path.display()
            ),
            Self::Older { .. } => {
                "start the service or run `ad-connector sync` once: that migrates the file".into()
            }
            Self::Busy { .. } => {
                "see which other process has the file open (`fuser FILE`), let it finish, and try \
                 again"
                    .into()
            }
            Self::Transition { .. } => {
                "see `ad-connector status`: another run may hold the connection".into()
            }
            Self::Unknown { .. } => {
                "see `ad-connector status` for the connections and `ad-connector runs` for the \
                 runs of this file"
                    .into()
            }
            Self::Failed { path, .. } => format!(
                "check the volume of {} and the system log for disk errors",
                directory_of(path).display()
            ),
        }
    }
}
