//! Objects that may be gone: noted with the watermark of the read that missed them, kept until it is certain (R22).

use rusqlite::{Transaction, named_params, params};

use super::error::Fault;
use super::run::open_run;
use super::witness::{self, RETURNED};
use super::{ConnectionId, Container, GuidSet, RunId, Store, StoreError, Watermark};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// What a read came to, beside the objects that it gave. All of it commits with the last page (R3): once the watermark
/// has moved on, no other read would miss these objects again.
#[derive(Debug, Clone)]
pub struct ReadEnd {
    /// How far the directory is known now.
    pub watermark: Watermark,
    /// Under which name of `AD_HOST` the controller was reached.
    pub host: String,
    /// Which server that is: the distinguished name of its settings (rootDSE dsServiceName).
    pub server: String,
    /// Where the next DirSync search goes on from; `None` when changes are not found that way.
    pub cookie: Option<Vec<u8>>,
    /// The kinds that were read; only objects of these can be missed.
    pub kinds: Vec<Kind>,
    /// Known objects that changed, and were not found in scope.
    pub missed: Vec<Guid>,
    /// After a full read, everything that it met: every other known object is missed. `None` after a delta, which says
    /// nothing about what it did not give (R4).
    pub met: Option<GuidSet>,
    /// Where containers are now; after a full read these are all.
    pub containers: Vec<Container>,
    /// Containers that are no more.
    pub containers_gone: Vec<Guid>,
}

/// An object that may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// objectGUID.
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Where it was.
    pub dn: String,
    /// Reason for the verdict of the last look-up.
    pub reason: Option<String>,
}

/// What a look-up said of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// In scope: it is staged as any other object, and with that is no candidate any more.
    Present,
    /// Gone, and why.
    Gone(String),
    /// The controller returns no such object, which proves nothing ([`Store::proven_by_absence`]),
    /// and why: it is kept.
    Missed(String),
    /// Neither there nor gone for certain, and why: it is kept, and looked up again by the next run.
    Unclear(String),
}

/// Which candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    Every,
    /// Those that the threshold holds back (R23).
    Held,
}

impl Store {
    /// Whether upstream holds nothing of the connection, nor is about to get anything.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn knows_nothing(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        self.read(|sql| {
            let any = sql
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM card WHERE connection = ?)")?
                .query_row([connection], |row| row.get::<_, bool>(0))?;
            Ok(!any)
        })
    }

    /// Those of `guids` that upstream holds or is about to get, of these kinds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn known_among(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        guids: &[Guid],
    ) -> Result<Vec<Guid>, StoreError> {
        self.read(|sql| {
            let mut kind_of =
                sql.prepare_cached("SELECT kind FROM expected WHERE connection = ? AND guid = ?")?;
            let mut known = Vec::new();
            for guid in guids {
                let mut rows = kind_of.query(params![connection, guid])?;
                if let Some(row) = rows.next()?
                    && kinds.contains(&row.get(0)?)
                {
                    known.push(*guid);
                }
            }
            Ok(known)
        })
    }

    /// The first `limit` candidates of these kinds whose GUID comes after `after`, by GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn candidates(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        which: Which,
        after: Option<Guid>,
        limit: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT guid, kind, dn, reason FROM candidate
                 WHERE connection = :connection AND guid > coalesce(:after, x'')
                     AND (NOT :held OR held_at IS NOT NULL) ORDER BY guid",
            )?;
            let mut rows = statement.query(named_params! {
                ":connection": connection, ":after": after, ":held": which == Which::Held,
            })?;
            let mut candidates = Vec::new();
            while let Some(row) = rows.next()?
                && candidates.len() < limit
            {
                let candidate = Candidate {
                    guid: row.get(0)?,
                    kind: row.get(1)?,
                    dn: row.get(2)?,
                    reason: row.get(3)?,
                };
                if kinds.contains(&candidate.kind) {
                    candidates.push(candidate);
                }
            }
            Ok(candidates)
        })
    }

    /// Notes what `run` found out about candidates. An object that is no longer gone is no longer held back either.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn note_verdicts(
        &self,
        run: RunId,
        verdicts: &[(Guid, Verdict)],
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(Commit::NoteVerdicts, |transaction| {
            let connection = open_run(transaction, run)?;
            let controller = witness::controller_of(transaction, run)?;
            let mut note = transaction.prepare_cached(
                "UPDATE candidate SET verdict = :verdict, reason = :reason, examined = :run,
                     held_at = iif(:verdict = 'gone', held_at, NULL)
                 WHERE connection = :connection AND guid = :guid",
            )?;
            for (guid, verdict) in verdicts {
                if let (Some(controller), Verdict::Missed(_)) = (controller, verdict) {
                    witness::record_missed(transaction, connection, controller, *guid, now)?;
                }
                let (verdict, reason) = match verdict {
                    Verdict::Present => (None, None),
                    Verdict::Gone(reason) => (Some("gone"), Some(reason)),
                    Verdict::Missed(reason) | Verdict::Unclear(reason) => (Some("unclear"), Some(reason)),
                };
                note.execute(named_params! {
                    ":verdict": verdict, ":reason": reason, ":run": run, ":connection": connection, ":guid": guid,
                })?;
            }
            Ok(())
        })
    }
}

/// Notes everything that the read missed, and what of that its controller never returned (R22). To
/// be called before its watermark is stored.
pub(super) fn note(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    end: &ReadEnd,
    now: i64,
) -> Result<(), Fault> {
    let controller = end.watermark.controller;
    let mut expected = transaction.prepare_cached(&format!(
        "SELECT guid, kind, dn, {RETURNED} FROM expected AS o WHERE connection = :connection AND guid = :guid"
    ))?;
    let mut note = Noting::new(transaction, connection, controller, now)?;
    for guid in &end.missed {
        let mut rows = expected.query(named_params! {
            ":connection": connection, ":controller": controller, ":guid": guid,
        })?;
        if let Some(row) = rows.next()? {
            note.note(*guid, row.get(1)?, row.get_ref(2)?.as_str()?, row.get(3)?)?;
        }
    }
    let Some(met) = end.met.as_ref().filter(|met| !met.is_everything()) else {
        return Ok(());
    };
    // `+`: through the table from its beginning to its end, and not from place to place in the order of the GUIDs.
    let mut all = transaction.prepare_cached("SELECT guid, kind FROM expected WHERE +connection = ?")?;
    let mut rows = all.query([connection])?;
    while let Some(row) = rows.next()? {
        let (guid, kind): (Guid, Kind) = (row.get(0)?, row.get(1)?);
        if end.kinds.contains(&kind) && !met.contains(guid) {
            let mut rows = expected.query(named_params! {
                ":connection": connection, ":controller": controller, ":guid": guid,
            })?;
            if let Some(row) = rows.next()? {
                note.note(guid, kind, row.get_ref(2)?.as_str()?, row.get(3)?)?;
            }
        }
    }
    Ok(())
}

struct Noting<'t> {
    transaction: &'t Transaction<'t>,
    connection: ConnectionId,
    controller: Guid,
    now: i64,
    insert: rusqlite::CachedStatement<'t>,
}

impl<'t> Noting<'t> {
    fn new(
        transaction: &'t Transaction<'t>,
        connection: ConnectionId,
        controller: Guid,
        now: i64,
    ) -> Result<Self, Fault> {
        Ok(Self {
            transaction,
            connection,
            controller,
            now,
            insert: transaction.prepare_cached(
                "INSERT OR IGNORE INTO candidate (connection, guid, kind, dn, since) VALUES (?, ?, ?, ?, ?)",
            )?,
        })
    }

    /// `returned` says that the controller returned the object before.
    fn note(&mut self, guid: Guid, kind: Kind, dn: &str, returned: bool) -> Result<(), Fault> {
        self.insert
            .execute(params![self.connection, guid, kind, dn, self.now])?;
        if !returned {
            witness::record_missed(self.transaction, self.connection, self.controller, guid, self.now)?;
        }
        Ok(())
    }
}
