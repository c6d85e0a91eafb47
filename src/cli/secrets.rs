//! `secrets`: the key of the secrets in the state, and their sealing with a new one.

use crate::config::Config;
use crate::exit_code::UNAVAILABLE;
use crate::secrets::SecretKey;
use crate::store::{OpenedSecrets, Store, StoreAccess, UnopenedSecret};

use super::arguments::SecretsCommand;
use super::failure::CommandFailure;
use super::output::say;
use super::setup;
use crate::check::list_below;

/// Works on the secrets in the state.
pub(super) fn run(command: &SecretsCommand) -> Result<u8, CommandFailure> {
    match command {
        SecretsCommand::NewKey => new_key(),
        SecretsCommand::Rekey => rekey(),
    }
}

/// Prints a key. It needs no configuration: a service may lack one because of the key.
fn new_key() -> Result<u8, CommandFailure> {
    let key =
        SecretKey::generate().map_err(|error| CommandFailure::new(UNAVAILABLE, &error, error.advice()))?;
    say(key.expose_text().as_str())?;
    Ok(0)
}

/// Seals every secret with `SECRETS_KEY` that is sealed with one of `SECRETS_KEY_OLD`.
fn rekey() -> Result<u8, CommandFailure> {
    let config = setup::service_configuration()?;
    let Some(keys) = &config.secrets else {
        return Err(CommandFailure::new(
            crate::exit_code::USAGE,
            "SECRETS_KEY is not set",
            "set it to what `ad-connector secrets new-key` prints, and SECRETS_KEY_OLD to the former key",
        ));
    };
    let store = Store::open(&config.state, StoreAccess::ReadWrite)?;
    let rekeyed = store.rekey_secrets(keys)?;
    say(format_args!(
        "key {}: {} secrets sealed anew, {} were already",
        keys.present().id(),
        rekeyed.sealed,
        rekeyed.already
    ))?;
    match rekeyed.failed.as_slice() {
        [] => Ok(0),
        failed => Err(unopened("secrets do not open, and stay as they are", failed)),
    }
}

/// Step of `check`: opens every secret in the state. `None` where there is none and no key is set.
pub(super) fn step(config: &Config) -> Option<Result<String, CommandFailure>> {
    // The step before reports a state that cannot be read.
    let store = Store::open(&config.state, StoreAccess::ReadOnly).ok()?;
    let opened = store.open_secrets(config.secrets.as_ref()).ok()?;
    if config.secrets.is_none() && opened.is_empty() {
        return None;
    }
    Some(conclude(&opened))
}

fn conclude(opened: &OpenedSecrets) -> Result<String, CommandFailure> {
    if !opened.failed.is_empty() {
        return Err(unopened("secrets do not open", &opened.failed));
    }
    if let Some(error) = &opened.other_key {
        let refusal = crate::store::ConnectionRefusal::OtherKey(error.clone());
        return Err(CommandFailure::new(UNAVAILABLE, &refusal, refusal.advice()));
    }
    Ok(format!("{} open", opened.opened))
}

/// Returns the failure of secrets that do not open, each with its connection and field.
fn unopened(what: &str, failed: &[UnopenedSecret]) -> CommandFailure {
    let lines: Vec<String> = failed
        .iter()
        .map(|secret| {
            format!(
                "connection {}, {}: {}",
                secret.connection, secret.field, secret.error
            )
        })
        .collect();
    let advice = failed.first().map_or("", |secret| secret.error.advice());
    CommandFailure::new(
        UNAVAILABLE,
        list_below(&format!("{} {what}", failed.len()), &lines.join("\n")),
        advice,
    )
}
