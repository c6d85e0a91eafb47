//! Every variable of the environment, its default and its check. Nothing else in the program reads
//! the environment.
//!
//! [`load`] reads `.env` and the process environment; [`parse`] does the work on any [`Variables`],
//! so that tests need no process environment. Every bad key is reported in one pass
//! ([`ConfigError`]).

mod body;
mod connections;
mod describe;
mod directory;
mod directory_settings;
mod dotenv;
mod environment;
mod export;
mod field_problem;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/environment.rs"]
pub mod fuzzing;
mod inherited;
mod kerberos;
mod load;
mod one_connection;
mod reach;
mod reader;
pub mod reference;
mod refused;
mod review;
mod schedule;
mod sealing;
mod secret;
mod service;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod transfer;
mod upstream;
mod upstream_settings;
mod values;
pub mod variables;

pub use body::{
    BodyRefusal, CheckedConnection, ConnectionBody, ConnectionDocument, PasswordChange, StoredConfiguration,
    body_of, body_with_documents, in_the_body_s_words, password_of, variable_of_key,
};
pub use directory_settings::{
    CertificatePin, DeltaMethod, DirectoryAuth, DirectorySettings, DomainSettings, LdapTransport, SitePolicy,
};
pub use environment::{Environment, Variables};
pub use export::export;
pub use field_problem::{FieldProblem, list_problems};
pub use inherited::InheritedVariables;
pub use load::{
    ImportedConnection, MappingSettings, load, load_connections, load_mapping_settings, parse, parse_at,
    state_location,
};
pub use one_connection::derive_uuid;
pub use reach::{ReachLimits, ReachPolicy, ReachRefusal, SpecialAddress, TargetHost};
pub(crate) use refused::nearest;
pub use refused::{ConfigError, ConfigProblem};
pub use review::{ReviewSettings, RoleGroup};
pub use schedule::{
    LocalStart, RunInterval, RunRecurrence, RunSchedule, ScheduleSettings, ZonedCron, parse_baseline,
    parse_schedule,
};
pub use secret::{Secret, SecretFile};
pub use settings::{
    Config, ConnectionOrigin, ConnectionSettings, HttpSettings, LogFormat, LogSettings, MappingSource,
    ProfileSettings, RemovalSettings, SearchScope, StoredVersion, UnusableConnection,
};
pub use state::{Database, StateLocation, host_name};
pub use transfer::{ForeignSetting, foreign_settings};
pub use upstream_settings::{BatchAssets, UpstreamAuth, UpstreamSettings};
pub(crate) use values::filter::{member_of as member_of_filter, split_terms as split_filter};
