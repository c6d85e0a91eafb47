//! Protection of the service account against lock-outs (R40).
//!
//! Active Directory counts refused passwords and locks the account at a threshold (`badPwdCount`,
//! `lockoutThreshold`; MS-ADTS 3.1.1.5.3.1.5). Connections of one process often share an account.
//! INVARIANTS: a password that a controller refused is not tried again for [`PUT_OFF_FOR`], unless
//! an operator asks; of one account at most [`MOST_REFUSED`] attempts are refused within that time,
//! attempts without an answer yet included; a password that was not accepted recently is tried by
//! one connection alone, while the others wait for the result.
//!
//! All of it is in memory: another process knows nothing of it. A password is kept only as a salted
//! digest.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::error::DirectoryError;
use super::put_off::{MOST_REFUSED, PutOff};
use crate::clock;
use crate::config::{self, DirectoryAuth};

/// Time for which a refused password is not tried again.
const PUT_OFF_FOR: Duration = Duration::from_secs(3600);

/// Time after which an accepted password is again tried by one connection alone: it may have been
/// changed meanwhile.
const PROVEN_FOR: Duration = Duration::from_secs(60);

/// Time after which a bind without an answer no longer holds up the others: the controller hangs,
/// and they may have another.
const ALONE_FOR: Duration = Duration::from_secs(5);

/// One connection's handle on the attempts to bind of its process. [`Default`] begins a record of
/// its own; [`BindGuard::for_connection`] shares it.
#[derive(Clone, Default)]
pub struct BindGuard {
    attempts: Arc<BindAttempts>,
    /// Number of the refusal that the connection's log has already, 0 for none.
    logged: Arc<AtomicU64>,
}

/// Attempts to bind of one process.
struct BindAttempts {
    accounts: Mutex<HashMap<AccountKey, AccountAttempts>>,
    /// Notified whenever an attempt ends.
    ended: Notify,
    salt: [u64; 2],
    /// Number of the last attempt.
    last: AtomicU64,
}

/// Account and directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AccountKey {
    account: String,
    /// The domain, or the hosts.
    directory: Vec<String>,
}

/// Salted digest of a password, or of the keytab that stands for it.
type PasswordDigest = [u8; 32];

/// Attempts of one account.
#[derive(Debug, Default)]
struct AccountAttempts {
    /// Refused attempts of the last hour.
    refused: Vec<RefusedBind>,
    /// Refusals that hold back the password until the hour has passed, or an operator asks.
    put_off: HashMap<PasswordDigest, RefusedBind>,
    /// Last time that a password was accepted, unless it was refused since.
    accepted: HashMap<PasswordDigest, Instant>,
    /// Attempts without an answer yet, by number.
    open: HashMap<u64, Instant>,
}

/// One refused attempt.
#[derive(Debug, Clone)]
struct RefusedBind {
    number: u64,
    at: Instant,
    utc: DateTime<Utc>,
    cause: String,
    advice: String,
}

/// Answer to a connection that wants to bind.
#[derive(Debug)]
enum BindTurn {
    Now,
    /// Once another attempt has ended, at this moment at the latest.
    AfterAnother(Option<Instant>),
    /// Not before this moment, because of this refusal.
    PutOff(RefusedBind, Instant),
}

impl BindGuard {
    /// Returns the handle of another connection on the same record.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self {
            attempts: Arc::clone(&self.attempts),
            logged: Arc::default(),
        }
    }

    /// Lets a refused password of the account be tried once more before the hour has passed: an
    /// operator asks for it.
    pub fn allow_now(&self, settings: &config::DirectorySettings) {
        let mut accounts = self.attempts.accounts();
        if let Some(account) = accounts.get_mut(&AccountKey::of(settings)) {
            account.put_off.clear();
        }
    }

    /// Checks, before anything is connected, that the bind would be tried.
    ///
    /// # Errors
    /// When it would be put off.
    pub(super) fn check(&self, settings: &config::DirectorySettings) -> Result<(), Box<PutOff>> {
        let password = self.attempts.digest(settings);
        let now = clock::timer_instant();
        let mut accounts = self.attempts.accounts();
        let account = accounts.entry(AccountKey::of(settings)).or_default();
        match account.turn(&password, now) {
            BindTurn::PutOff(refusal, until) => Err(self.put_off(settings, refusal, until, now)),
            BindTurn::Now | BindTurn::AfterAnother(_) => Ok(()),
        }
    }

    /// Runs `bind` when it is the connection's turn, and records the outcome.
    ///
    /// # Errors
    /// The errors of `bind`, and [`DirectoryError::PutOff`].
    pub(super) async fn attempt<T>(
        &self,
        settings: &config::DirectorySettings,
        bind: impl Future<Output = Result<T, DirectoryError>>,
    ) -> Result<T, DirectoryError> {
        let key = AccountKey::of(settings);
        let password = self.attempts.digest(settings);
        let open = self.wait_for_turn(settings, &key, &password).await?;
        let bound = bind.await;
        let mut accounts = self.attempts.accounts();
        let account = accounts.entry(key).or_default();
        match &bound {
            Ok(_) => account.accept(password, clock::timer_instant()),
            Err(error) if error.refuses_password() => {
                self.logged.store(open.number, Ordering::Relaxed);
                account.refuse(
                    password,
                    RefusedBind {
                        number: open.number,
                        at: clock::timer_instant(),
                        utc: clock::now(),
                        cause: error.to_string(),
                        advice: error.advice(),
                    },
                );
            }
            // The account was not judged.
            Err(_) => {}
        }
        drop(accounts);
        drop(open);
        bound
    }

    async fn wait_for_turn(
        &self,
        settings: &config::DirectorySettings,
        key: &AccountKey,
        password: &PasswordDigest,
    ) -> Result<OpenAttempt<'_>, DirectoryError> {
        loop {
            let ended = self.attempts.ended.notified();
            tokio::pin!(ended);
            // From here on each end of an attempt is noticed.
            ended.as_mut().enable();
            let now = clock::timer_instant();
            let turn = {
                let mut accounts = self.attempts.accounts();
                let account = accounts.entry(key.clone()).or_default();
                let turn = account.turn(password, now);
                if matches!(turn, BindTurn::Now) {
                    let number = self.attempts.last.fetch_add(1, Ordering::Relaxed) + 1;
                    account.open.insert(number, now);
                    return Ok(OpenAttempt {
                        attempts: &self.attempts,
                        key: key.clone(),
                        number,
                    });
                }
                turn
            };
            match turn {
                BindTurn::Now => {}
                BindTurn::PutOff(refusal, until) => {
                    return Err(self.put_off(settings, refusal, until, now).into());
                }
                BindTurn::AfterAnother(None) => ended.await,
                BindTurn::AfterAnother(Some(latest)) => {
                    // Either way the turn is looked at again.
                    let _ = timeout_at(latest, ended).await;
                }
            }
        }
    }

    fn put_off(
        &self,
        settings: &config::DirectorySettings,
        refusal: RefusedBind,
        until: Instant,
        now: Instant,
    ) -> Box<PutOff> {
        let repeated = self.logged.swap(refusal.number, Ordering::Relaxed) == refusal.number;
        let left = TimeDelta::from_std(until.saturating_duration_since(now)).unwrap_or_default();
        Box::new(PutOff {
            account: account_name(settings),
            refused: refusal.utc,
            next: clock::now() + left,
            cause: refusal.cause,
            cause_advice: refusal.advice,
            repeated,
        })
    }
}

impl fmt::Debug for BindGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindGuard")
    }
}

impl BindAttempts {
    /// Locks the record. No change of the record can be left half-done by a panic.
    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountKey, AccountAttempts>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, settings: &config::DirectorySettings) -> PasswordDigest {
        let mut digest = Sha256::new();
        for part in self.salt {
            digest.update(part.to_be_bytes());
        }
        match &settings.auth {
            DirectoryAuth::Simple { password, .. } => digest.update(password.expose_secret()),
            // The key is in the keytab, which may be replaced while the process runs. A file that
            // cannot be read, or a credential cache, has no key to compare.
            DirectoryAuth::Kerberos { keytab, .. } => {
                let content = keytab.as_ref().and_then(|keytab| std::fs::read(keytab).ok());
                digest.update(content.unwrap_or_default());
            }
        }
        digest.finalize().into()
    }
}

impl Default for BindAttempts {
    fn default() -> Self {
        // Keyed by the random numbers of the system.
        let random = RandomState::new();
        Self {
            accounts: Mutex::default(),
            ended: Notify::new(),
            salt: [random.hash_one(0), random.hash_one(1)],
            last: AtomicU64::new(0),
        }
    }
}

impl AccountKey {
    fn of(settings: &config::DirectorySettings) -> Self {
        let mut directory = match &settings.domain {
            Some(domain) if settings.hosts.is_empty() => vec![domain.name.to_lowercase()],
            _ => settings.hosts.iter().map(|host| host.to_lowercase()).collect(),
        };
        directory.sort();
        Self {
            account: account_name(settings).to_lowercase(),
            directory,
        }
    }
}

fn account_name(settings: &config::DirectorySettings) -> String {
    match &settings.auth {
        DirectoryAuth::Simple { name, .. } => name.clone(),
        DirectoryAuth::Kerberos { principal, .. } => principal
            .clone()
            .unwrap_or_else(|| "the Kerberos account".to_owned()),
    }
}

impl AccountAttempts {
    fn turn(&mut self, password: &PasswordDigest, now: Instant) -> BindTurn {
        self.refused.retain(|refusal| now < refusal.at + PUT_OFF_FOR);
        self.put_off.retain(|_, refusal| now < refusal.at + PUT_OFF_FOR);
        let accepted = self.accepted.get(password);
        let room = MOST_REFUSED.saturating_sub(self.refused.len());
        if let Some(refusal) = self.put_off.get(password) {
            return BindTurn::PutOff(refusal.clone(), refusal.at + PUT_OFF_FOR);
        }
        if let (0, None, Some(last), Some(first)) =
            (room, accepted, self.refused.last(), self.refused.first())
        {
            return BindTurn::PutOff(last.clone(), first.at + PUT_OFF_FOR);
        }
        // A password that works must not wait because another connection has a wrong one.
        if self.open.len() >= room.max(1) {
            return BindTurn::AfterAnother(None);
        }
        let is_proven = accepted.is_some_and(|at| now < *at + PROVEN_FOR);
        let alone_until = self.open.values().max().map(|begun| *begun + ALONE_FOR);
        match alone_until {
            Some(until) if !is_proven && now < until => BindTurn::AfterAnother(Some(until)),
            _ => BindTurn::Now,
        }
    }

    fn accept(&mut self, password: PasswordDigest, now: Instant) {
        self.put_off.remove(&password);
        self.accepted.insert(password, now);
    }

    fn refuse(&mut self, password: PasswordDigest, refusal: RefusedBind) {
        self.accepted.remove(&password);
        self.refused.push(refusal.clone());
        self.put_off.insert(password, refusal);
    }
}

/// Attempt without an answer yet; dropped when it has ended, in whatever way.
struct OpenAttempt<'a> {
    attempts: &'a BindAttempts,
    key: AccountKey,
    number: u64,
}

impl Drop for OpenAttempt<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.attempts.accounts().get_mut(&self.key) {
            account.open.remove(&self.number);
        }
        self.attempts.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
