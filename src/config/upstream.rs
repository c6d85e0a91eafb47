//! `QUALYS_*`: the gateway to which the assets are sent.

use std::time::Duration;

use super::environment::Variables;
use super::reader::{FieldValue, VariableReader};
use super::refused::ValueFault;
use super::secret;
use super::values::{certificate, no_proxy, plain, quantity, url};
use super::variables::{self as v, VariableDefinition};
use super::{BatchAssets, Secret, UpstreamAuth, UpstreamSettings};

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the settings of the Qualys gateway; `None` when anything in it is bad.
pub(super) fn upstream(reader: &mut VariableReader<'_, impl Variables>) -> Option<UpstreamSettings> {
    let gateway = reader.value(&v::QUALYS_GATEWAY_URL, url::gateway);
    let auth = auth(reader);
    let connector_uuid = reader.value(&v::QUALYS_CONNECTOR_UUID, plain::uuid);
    let source = reader.value(&v::QUALYS_SOURCE, plain::text(256));
    let ingest_path = reader.value(&v::QUALYS_INGEST_PATH, url::ingest_path);
    let certificates = reader
        .optional(&v::QUALYS_CA_CERTIFICATE, certificate::certificates)
        .optional();
    let batch_assets = reader.value(&v::QUALYS_BATCH_ASSETS, batch_assets);
    let batch_bytes = reader.value(&v::QUALYS_BATCH_BYTES, quantity::size(256..=64 << 20));
    let concurrency = reader.value(&v::QUALYS_CONCURRENCY, quantity::number(1..=32));
    let timeout = reader.value(
        &v::QUALYS_TIMEOUT,
        quantity::duration(Duration::from_millis(1)..=DAY),
    );
    let give_up_after = reader.value(
        &v::QUALYS_GIVE_UP_AFTER,
        quantity::duration(Duration::ZERO..=30 * DAY),
    );
    let accept_unknown = reader.value(&v::QUALYS_ACCEPT_UNKNOWN, plain::boolean);
    let https_proxy = reader
        .either(&v::HTTPS_PROXY, "https_proxy", url::proxy)
        .optional();
    let port = gateway.as_deref().and_then(url::port);
    let no_proxy = reader
        .either(
            &v::NO_PROXY,
            "no_proxy",
            no_proxy::exceptions(port.unwrap_or(443)),
        )
        .optional();
    Some(UpstreamSettings {
        gateway: gateway?,
        auth: auth?,
        connector_uuid: connector_uuid?,
        source: source?,
        ingest_path: ingest_path?,
        certificates: certificates?.unwrap_or_default(),
        batch_assets: batch_assets?,
        batch_bytes: batch_bytes?,
        concurrency: concurrency?,
        timeout: timeout?,
        give_up_after: give_up_after?,
        accept_unknown: accept_unknown?,
        https_proxy: https_proxy?.map(Secret::from),
        no_proxy: no_proxy?,
    })
}

/// Reads `auto`, or a number.
fn batch_assets(text: &str) -> Result<BatchAssets, ValueFault> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(BatchAssets::Auto);
    }
    let number = quantity::number(1..=10_000)(text);
    number.map(BatchAssets::AtMost).map_err(|_| {
        ValueFault::new(
            "is neither `auto` nor a whole number from 1 to 10000",
            "give one of them",
        )
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenEndpoint {
    Client,
    Subscription,
    Password,
}

fn auth(reader: &mut VariableReader<'_, impl Variables>) -> Option<UpstreamAuth> {
    let asked = reader.optional(
        &v::QUALYS_AUTH,
        plain::choice(&[
            ("client", TokenEndpoint::Client),
            ("subscription", TokenEndpoint::Subscription),
            ("password", TokenEndpoint::Password),
        ]),
    );
    let client = [
        header_secret(reader, &v::QUALYS_CLIENT_ID),
        header_secret(reader, &v::QUALYS_CLIENT_SECRET),
    ];
    let account = [
        reader.secret(&v::QUALYS_USERNAME),
        reader.secret(&v::QUALYS_PASSWORD),
    ];
    let begun = |pair: &[FieldValue<Secret>; 2]| !pair.iter().all(FieldValue::is_absent);
    let endpoint = match asked {
        FieldValue::Given(endpoint) => endpoint,
        // It is unknown which secrets are needed until this value is corrected, so none is asked
        // for.
        FieldValue::Bad => return None,
        FieldValue::Absent => match (begun(&client), begun(&account)) {
            (true, false) => TokenEndpoint::Client,
            (false, true) => TokenEndpoint::Password,
            (true, true)
                if !client.iter().all(FieldValue::is_given) || !account.iter().all(FieldValue::is_given) =>
            {
                missing_half(
                    reader,
                    &client,
                    CLIENT,
                    "is required beside the other half of the pair",
                );
                missing_half(
                    reader,
                    &account,
                    ACCOUNT,
                    "is required beside the other half of the pair",
                );
                return None;
            }
            (true, true) => {
                let fault = ValueFault::new(
                    "is ambiguous: both a client and a user name with password are set",
                    "set it to client, subscription or password, or take one of the two pairs away",
                );
                reader.refuse(&v::QUALYS_AUTH, fault);
                return None;
            }
            (false, false) => {
                let why = "is required, unless QUALYS_USERNAME and QUALYS_PASSWORD are set";
                reader.require(&v::QUALYS_CLIENT_ID, why);
                reader.require(&v::QUALYS_CLIENT_SECRET, why);
                return None;
            }
        },
    };
    match endpoint {
        TokenEndpoint::Client => {
            let (id, secret) = pair(reader, client, CLIENT, "is required for QUALYS_AUTH=client")?;
            Some(UpstreamAuth::Client { id, secret })
        }
        TokenEndpoint::Subscription => {
            let (id, secret) = pair(reader, client, CLIENT, "is required for QUALYS_AUTH=subscription")?;
            Some(UpstreamAuth::Subscription { id, secret })
        }
        TokenEndpoint::Password => {
            let (username, password) =
                pair(reader, account, ACCOUNT, "is required for QUALYS_AUTH=password")?;
            Some(UpstreamAuth::Password { username, password })
        }
    }
}

const CLIENT: [&VariableDefinition; 2] = [&v::QUALYS_CLIENT_ID, &v::QUALYS_CLIENT_SECRET];
const ACCOUNT: [&VariableDefinition; 2] = [&v::QUALYS_USERNAME, &v::QUALYS_PASSWORD];

fn pair(
    reader: &mut VariableReader<'_, impl Variables>,
    pair: [FieldValue<Secret>; 2],
    names: [&VariableDefinition; 2],
    why: &str,
) -> Option<(Secret, Secret)> {
    missing_half(reader, &pair, names, why);
    match pair {
        [FieldValue::Given(first), FieldValue::Given(second)] => Some((first, second)),
        _ => None,
    }
}

fn missing_half(
    reader: &mut VariableReader<'_, impl Variables>,
    pair: &[FieldValue<Secret>; 2],
    names: [&VariableDefinition; 2],
    why: &str,
) {
    for (field, name) in pair.iter().zip(names) {
        if field.is_absent() {
            reader.require(name, why);
        }
    }
}

/// Reads a secret that goes into an HTTP header.
pub(super) fn header_secret(
    reader: &mut VariableReader<'_, impl Variables>,
    variable: &'static VariableDefinition,
) -> FieldValue<Secret> {
    reader.checked_secret(variable, secret::check_header)
}
