//! Limits of a gateway that calls showed, kept for the next process: each call that shows them
//! again is wasted.

use super::error::StoreFault;
use super::sql::{SqlRow, values};
use super::value::stored;
use super::{ConnectionId, Store, StoreError};
use crate::failpoint::Commit;

/// Limits and speed of a gateway, as its answers showed them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Most assets that it accepted in one request.
    pub taken_assets: Option<u64>,
    /// Fewest assets that it refused as too many.
    pub refused_assets: Option<u64>,
    /// Octets of a request that it accepts, where it refused more.
    pub taken_bytes: Option<u64>,
    /// Time at which it refused them, Unix seconds.
    pub refused_at: Option<i64>,
    /// Assets of the next request.
    pub request_assets: Option<u64>,
    /// Duration of a request, in milliseconds.
    pub request_ms: Option<u64>,
    /// Calls that it allows in a window.
    pub window_calls: Option<u64>,
    /// Length of the window in seconds.
    pub window_seconds: Option<u64>,
}

const SELECT: &str = "
    SELECT taken_assets, refused_assets, taken_bytes, refused_at, request_assets, request_ms, window_calls,
        window_seconds
    FROM target WHERE id = (SELECT target FROM connection WHERE id = $1)";

const UPDATE: &str = "
    UPDATE target SET taken_assets = $1, refused_assets = $2, taken_bytes = $3, refused_at = $4, request_assets = $5,
        request_ms = $6, window_calls = $7, window_seconds = $8
    WHERE id = (SELECT target FROM connection WHERE id = $9)";

impl Store {
    /// Returns what is known of the gateway that a connection posts to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn gateway_limits(&self, connection: ConnectionId) -> Result<GatewayLimits, StoreError> {
        let limits = self.read(|sql| sql.first(SELECT, values![connection], read))?;
        Ok(limits.unwrap_or_default())
    }

    /// Stores what is known of the gateway that a connection posts to.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_gateway_limits(
        &self,
        connection: ConnectionId,
        limits: &GatewayLimits,
    ) -> Result<(), StoreError> {
        let number = |value: Option<u64>| value.map(stored);
        self.write(Commit::SetGatewayLimits, |sql| {
            sql.execute(
                UPDATE,
                values![
                    number(limits.taken_assets),
                    number(limits.refused_assets),
                    number(limits.taken_bytes),
                    limits.refused_at,
                    number(limits.request_assets),
                    number(limits.request_ms),
                    number(limits.window_calls),
                    number(limits.window_seconds),
                    connection
                ],
            )?;
            Ok(())
        })
    }
}

fn read(row: &SqlRow<'_>) -> Result<GatewayLimits, StoreFault> {
    let number = |column| -> Result<Option<u64>, StoreFault> {
        let value: Option<i64> = row.get(column)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()))
    };
    Ok(GatewayLimits {
        taken_assets: number(0)?,
        refused_assets: number(1)?,
        taken_bytes: number(2)?,
        refused_at: row.get(3)?,
        request_assets: number(4)?,
        request_ms: number(5)?,
        window_calls: number(6)?,
        window_seconds: number(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{AssetTarget, StoreAccess};
    use super::*;
    use crate::config::derive_uuid;

    #[test]
    fn what_is_known_of_a_gateway_is_that_of_all_connections_with_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = Store::open(&path, StoreAccess::ReadWrite).unwrap();
        let target = |connector: &str| AssetTarget {
            gateway: "https://gateway.example".to_owned(),
            connector: connector.to_owned(),
        };
        let register = |name: &str, connector: &str| {
            store
                .register(derive_uuid(name), name, "", &target(connector), 0)
                .unwrap()
        };
        let (one, other) = (register("one", "a"), register("other", "a"));
        let elsewhere = register("elsewhere", "b");
        assert_eq!(store.gateway_limits(one).unwrap(), GatewayLimits::default());
        let limits = GatewayLimits {
            taken_assets: Some(1000),
            refused_assets: Some(2000),
            taken_bytes: Some(1 << 20),
            refused_at: Some(7),
            request_assets: Some(1000),
            request_ms: Some(1500),
            window_calls: Some(300),
            window_seconds: Some(3600),
        };
        store.set_gateway_limits(one, &limits).unwrap();
        drop(store);
        let store = Store::open(&path, StoreAccess::ReadOnly).unwrap();
        assert_eq!(store.gateway_limits(one).unwrap(), limits);
        assert_eq!(store.gateway_limits(other).unwrap(), limits);
        assert_eq!(store.gateway_limits(elsewhere).unwrap(), GatewayLimits::default());
    }
}
