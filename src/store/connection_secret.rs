//! Secrets of stored connections. The state holds them sealed alone (R35).
//!
//! All of them are sealed with one key, that of the canary. A process that does not have it writes
//! none: what it wrote could be opened by no other one.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionRefusal, Store, StoreError};
use crate::config::Secret;
use crate::failpoint::Commit;
use crate::secrets::{SealError, SealedSecret, SecretKey, SecretKeys, SecretPlace};

/// Place and text of the canary.
const CANARY_PLACE: SecretPlace<'_> = SecretPlace {
    connection: Uuid::nil(),
    field: "canary",
};
const CANARY: &str = "ad-connector";

/// Sealed secret of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSecret {
    /// Identity of the connection.
    pub connection: Uuid,
    /// Name of the field, such as `directory.password`.
    pub field: String,
    /// Octets in the state.
    pub sealed: SealedSecret,
    /// Time at which the secret was set, Unix seconds.
    pub changed_at: i64,
}

/// Change of one secret.
#[derive(Debug, Clone)]
pub enum SecretChange {
    /// Has this value from now on.
    Set(Secret),
    /// Is removed.
    Remove,
}

/// Secret that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnopenedSecret {
    /// Name of the connection.
    pub connection: String,
    /// Name of the field.
    pub field: String,
    /// Reason.
    pub error: SealError,
}

/// Result of sealing everything anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RekeyedSecrets {
    /// Secrets that were sealed anew.
    pub sealed: u64,
    /// Secrets that were sealed with the present key already.
    pub already: u64,
    /// Secrets that stay as they are, since they do not open.
    pub failed: Vec<UnopenedSecret>,
}

/// Result of opening every secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenedSecrets {
    /// Secrets that open.
    pub opened: u64,
    /// Secrets that do not.
    pub failed: Vec<UnopenedSecret>,
    /// Reason for which this process may not write secrets, where it has keys.
    pub other_key: Option<SealError>,
}

impl OpenedSecrets {
    /// Returns whether there is no secret and no canary that does not open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened == 0 && self.failed.is_empty() && self.other_key.is_none()
    }
}

impl ConnectionSecret {
    /// Opens the secret.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, keys: &SecretKeys) -> Result<Secret, SealError> {
        let text = self.sealed.open(keys, self.place())?;
        Ok(Secret::from(text.as_str()))
    }

    fn place(&self) -> SecretPlace<'_> {
        SecretPlace {
            connection: self.connection,
            field: &self.field,
        }
    }
}

impl Store {
    /// Seals everything with the present key that is sealed with an older one. From then on every
    /// process needs that key to write secrets. Each secret is replaced only where it is still what
    /// was opened; it can be repeated, and other instances may work meanwhile.
    ///
    /// # Errors
    /// The canary opens with none of the keys ([`ConnectionRefusal::OtherKey`]), or the file fails.
    pub fn rekey_secrets(&self, keys: &SecretKeys) -> Result<RekeyedSecrets, StoreError> {
        self.write(Commit::Register, |sql| {
            if canary(sql)?.is_some() {
                sealing_key(sql, Some(keys))?;
                sql.execute("DELETE FROM secrets_canary", &[])?;
                sealing_key(sql, Some(keys))?;
            }
            Ok(())
        })?;
        let mut result = RekeyedSecrets::default();
        for (name, secret) in self.read(all)? {
            let text = match secret.sealed.key_id() {
                Ok(id) if id == keys.present().id() => {
                    result.already += 1;
                    continue;
                }
                _ => secret.sealed.open(keys, secret.place()),
            };
            match text.and_then(|text| SealedSecret::seal(keys.present(), secret.place(), &text)) {
                Ok(sealed) => result.sealed += u64::from(self.replace_sealed(&secret, &sealed)?),
                Err(error) => result.failed.push(unopened(name, &secret, error)),
            }
        }
        Ok(result)
    }

    /// Replaces what is stored of a secret where it still is `before`; `false` where it is not.
    pub(super) fn replace_sealed(
        &self,
        before: &ConnectionSecret,
        sealed: &SealedSecret,
    ) -> Result<bool, StoreError> {
        let replaced = self.write(Commit::Register, |sql| {
            sql.execute(
                "UPDATE connection_secret SET sealed = $1 WHERE uuid = $2 AND field = $3 AND sealed = $4",
                values![
                    sealed.as_octets(),
                    before.connection,
                    before.field,
                    before.sealed.as_octets()
                ],
            )
        })?;
        Ok(replaced > 0)
    }

    /// Opens every secret, and forgets it again.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_secrets(&self, keys: Option<&SecretKeys>) -> Result<OpenedSecrets, StoreError> {
        let (canary, secrets) = self.snapshot(|sql| Ok((canary(sql)?, all(sql)?)))?;
        let mut result = OpenedSecrets::default();
        for (name, secret) in secrets {
            let opened = match keys {
                Some(keys) => secret.open(keys).map(drop),
                None => secret
                    .sealed
                    .key_id()
                    .and_then(|id| Err(SealError::UnknownKey(id))),
            };
            match opened {
                Ok(()) => result.opened += 1,
                Err(error) => result.failed.push(unopened(name, &secret, error)),
            }
        }
        result.other_key = canary
            .zip(keys)
            .and_then(|(canary, keys)| canary.open(keys, CANARY_PLACE).err());
        Ok(result)
    }
}

fn unopened(connection: String, secret: &ConnectionSecret, error: SealError) -> UnopenedSecret {
    UnopenedSecret {
        connection,
        field: secret.field.clone(),
        error,
    }
}

/// Returns every secret with the name of its connection.
fn all(sql: &dyn Sql) -> Result<Vec<(String, ConnectionSecret)>, StoreFault> {
    sql.rows(
        "SELECT n.name, s.uuid, s.field, s.sealed, s.changed_at
         FROM connection_secret AS s JOIN stored_connection AS n ON n.uuid = s.uuid
         ORDER BY n.name, s.field",
        &[],
        |row| {
            let secret = ConnectionSecret {
                connection: row.get("uuid")?,
                field: row.get("field")?,
                sealed: SealedSecret::from(row.get::<Vec<u8>>("sealed")?),
                changed_at: row.get("changed_at")?,
            };
            Ok((row.get("name")?, secret))
        },
    )
}

/// Returns the secrets of a connection, by field.
pub(super) fn of(sql: &dyn Sql, uuid: Uuid) -> Result<BTreeMap<String, ConnectionSecret>, StoreFault> {
    let secrets = sql.rows(
        "SELECT field, sealed, changed_at FROM connection_secret WHERE uuid = $1",
        values![uuid],
        |row| {
            let field: String = row.get("field")?;
            let secret = ConnectionSecret {
                connection: uuid,
                field: field.clone(),
                sealed: SealedSecret::from(row.get::<Vec<u8>>("sealed")?),
                changed_at: row.get("changed_at")?,
            };
            Ok((field, secret))
        },
    )?;
    Ok(secrets.into_iter().collect())
}

/// Sets and removes secrets of a connection.
pub(super) fn change(
    sql: &dyn Sql,
    uuid: Uuid,
    changes: &BTreeMap<String, SecretChange>,
    keys: Option<&SecretKeys>,
    now: i64,
) -> Result<(), StoreFault> {
    for (field, change) in changes {
        let SecretChange::Set(secret) = change else {
            sql.execute(
                "DELETE FROM connection_secret WHERE uuid = $1 AND field = $2",
                values![uuid, field],
            )?;
            continue;
        };
        let key = sealing_key(sql, keys)?;
        let place = SecretPlace {
            connection: uuid,
            field,
        };
        let sealed = sealed(key, place, secret.expose_secret())?;
        sql.execute(
            "INSERT INTO connection_secret (uuid, field, sealed, changed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (uuid, field) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at",
            values![uuid, field, sealed.as_octets(), now],
        )?;
    }
    Ok(())
}

/// Returns the key that secrets are sealed with: that of the canary, or the present one where there
/// is no canary yet, which then is stored.
fn sealing_key<'k>(sql: &dyn Sql, keys: Option<&'k SecretKeys>) -> Result<&'k SecretKey, StoreFault> {
    let keys = keys.ok_or(ConnectionRefusal::NoKey)?;
    let Some(canary) = canary(sql)? else {
        let canary = sealed(keys.present(), CANARY_PLACE, CANARY)?;
        sql.execute(
            "INSERT INTO secrets_canary (sealed) VALUES ($1)",
            values![canary.as_octets()],
        )?;
        return Ok(keys.present());
    };
    canary
        .open(keys, CANARY_PLACE)
        .and_then(|_| canary.key_id())
        .and_then(|id| keys.find(id).ok_or(SealError::UnknownKey(id)))
        .map_err(|error| ConnectionRefusal::OtherKey(error).into())
}

fn canary(sql: &dyn Sql) -> Result<Option<SealedSecret>, StoreFault> {
    sql.first("SELECT sealed FROM secrets_canary", &[], |row| {
        Ok(SealedSecret::from(row.get::<Vec<u8>>(0)?))
    })
}

fn sealed(key: &SecretKey, place: SecretPlace<'_>, text: &str) -> Result<SealedSecret, StoreFault> {
    SealedSecret::seal(key, place, text).map_err(|error| ConnectionRefusal::NotSealed(error).into())
}
