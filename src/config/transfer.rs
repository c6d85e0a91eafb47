//! Differences between a connection of a file and the stored one that its body makes.

use secrecy::ExposeSecret as _;

use super::variables as v;
use super::{ConnectionSettings, Secret, UpstreamAuth, UpstreamSettings};

/// Setting that a stored connection has from the variables of the service, with another value than
/// in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSetting {
    /// Variable.
    pub variable: &'static str,
    /// Value in the file; of a secret and of certificates only whether there is one.
    pub wanted: String,
    /// Value of the service.
    pub service: String,
}

/// Variables that may differ: a service that starts is no reason for a run of a stored connection,
/// and files become texts.
const OF_THE_PLACE: [&str; 3] = [
    v::SYNC_ON_START.name,
    v::MAPPING_FILE.name,
    v::AD_CERTIFICATE.name,
];

/// Returns the settings of a connection of a file that a stored connection, made of its body, has
/// otherwise: they belong to no key of a body.
#[must_use]
pub fn foreign_settings(wanted: &ConnectionSettings, stored: &ConnectionSettings) -> Vec<ForeignSetting> {
    let foreign = |variable, wanted, service| ForeignSetting {
        variable,
        wanted,
        service,
    };
    let described = wanted.describe().into_iter().zip(stored.describe());
    let mut found: Vec<ForeignSetting> = described
        .filter(|((variable, wanted), (_, service))| wanted != service && !OF_THE_PLACE.contains(variable))
        .map(|((variable, wanted), (_, service))| foreign(variable, wanted, service))
        .collect();
    let hidden = other_credentials(&wanted.upstream, &stored.upstream);
    for variable in hidden {
        if found.iter().all(|known| known.variable != variable) {
            let (other, own) = ("another one".to_owned(), "that of the service".to_owned());
            found.push(foreign(variable, other, own));
        }
    }
    found
}

/// Returns the variables of secrets and certificates that differ.
pub(super) fn other_credentials(one: &UpstreamSettings, other: &UpstreamSettings) -> Vec<&'static str> {
    let differs = |one: Option<&Secret>, other: Option<&Secret>| {
        one.map(|secret| secret.expose_secret()) != other.map(|secret| secret.expose_secret())
    };
    let (mine, yours) = (credentials(&one.auth), credentials(&other.auth));
    let proxy = (v::HTTPS_PROXY.name, one.https_proxy.as_ref());
    let mine = mine.into_iter().chain([proxy]);
    let yours = yours.map(|(_, secret)| secret).into_iter();
    let mut found: Vec<&'static str> = mine
        .zip(yours.chain([other.https_proxy.as_ref()]))
        .filter(|((_, one), other)| differs(*one, *other))
        .map(|((variable, _), _)| variable)
        .collect();
    if one.certificates != other.certificates {
        found.push(v::QUALYS_CA_CERTIFICATE.name);
    }
    found
}

/// Returns the credentials for the gateway under the names of their variables.
fn credentials(auth: &UpstreamAuth) -> [(&'static str, Option<&Secret>); 4] {
    let (client, account) = match auth {
        UpstreamAuth::Client { id, secret } | UpstreamAuth::Subscription { id, secret } => {
            ([Some(id), Some(secret)], [None, None])
        }
        UpstreamAuth::Password { username, password } => ([None, None], [Some(username), Some(password)]),
    };
    [
        (v::QUALYS_CLIENT_ID.name, client[0]),
        (v::QUALYS_CLIENT_SECRET.name, client[1]),
        (v::QUALYS_USERNAME.name, account[0]),
        (v::QUALYS_PASSWORD.name, account[1]),
    ]
}
