//! `SECRETS_KEY`, `SECRETS_KEY_OLD`: keys of the secrets in the state.

use secrecy::ExposeSecret as _;

use super::environment::Variables;
use super::reader::VariableReader;
use super::refused::ValueFault;
use super::variables as v;
use crate::secrets::{SecretKey, SecretKeys};

const ADVICE: &str = "set it to what `ad-connector secrets new-key` prints";

/// Reads the keys. They are not read again while the program runs: what is sealed with another key
/// would not open.
pub(super) fn keys(reader: &mut VariableReader<'_, impl Variables>) -> Option<Option<SecretKeys>> {
    let present = reader.fixed_secret(&v::SECRETS_KEY, |text| parse(text).map(drop));
    let older = reader.fixed_secret(&v::SECRETS_KEY_OLD, |text| parse_older(text).map(drop));
    if present.is_absent() && older.is_given() {
        reader.require(&v::SECRETS_KEY, "is required beside SECRETS_KEY_OLD");
        return None;
    }
    let (present, older) = (present.optional()?, older.optional()?);
    // Both are checked: a text that is none does not get here.
    let present = present.and_then(|text| parse(text.expose_secret()).ok());
    let older = older.and_then(|text| parse_older(text.expose_secret()).ok());
    Some(present.map(|present| SecretKeys::new(present, older.unwrap_or_default())))
}

fn parse(text: &str) -> Result<SecretKey, ValueFault> {
    SecretKey::parse(text).map_err(|fault| ValueFault::new(fault.to_string(), ADVICE))
}

fn parse_older(text: &str) -> Result<Vec<SecretKey>, ValueFault> {
    let keys = text.split(',').enumerate().map(|(place, text)| {
        SecretKey::parse(text).map_err(|fault| {
            let cause = format!("has a key that cannot be used: number {} {fault}", place + 1);
            ValueFault::new(
                cause,
                "set it to the former values of SECRETS_KEY, comma-separated",
            )
        })
    });
    keys.collect()
}
