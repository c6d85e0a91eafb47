//! Types of the domain as columns hold them.

use uuid::Uuid;

use super::sql::stored_as;
use super::{ConnectionId, Fate, Outcome, RunId, RunMode, State};
use crate::identity::{Guid, Kind};

stored_as!(Integer, ConnectionId, |id| id.0, |id| Some(ConnectionId(id)));
stored_as!(Integer, RunId, |id| id.0, |id| Some(RunId(id)));
stored_as!(Text, Kind, |kind| kind.name(), Kind::from_name);
stored_as!(Text, Fate, |word| word.name(), Fate::from_name);
stored_as!(Text, Outcome, |word| word.name(), Outcome::from_name);
stored_as!(Text, RunMode, |word| word.name(), RunMode::from_name);
stored_as!(Text, State, |word| word.name(), State::from_name);
stored_as!(
    Blob,
    Uuid,
    |uuid| uuid.as_bytes().as_slice(),
    |octets: &[u8]| { Uuid::from_slice(octets).ok() }
);
stored_as!(
    Blob,
    Guid,
    |guid| guid.as_bytes().as_slice(),
    |octets: &[u8]| { <[u8; 16]>::try_from(octets).ok().map(Guid::from) }
);
