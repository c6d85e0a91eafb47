//! Reviews of Qualys accounts: the last ones, each as one document.

use super::error::StoreFault;
use super::sql::{SqlRow, values};
use super::{Store, StoreError};
use crate::failpoint::Commit;

/// Reviews kept; one of 5,000 accounts takes some 5 MB.
const KEPT: i64 = 10;

/// Seconds that a review is kept, as the names of removed objects are.
const KEPT_FOR: i64 = 400 * 86_400;

/// Review without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSummary {
    /// Its number, one more than that of the review before.
    pub number: i64,
    /// Moment at which it was made, Unix seconds.
    pub at: i64,
    /// Nothing was missing.
    pub complete: bool,
    /// Number of findings by kind, JSON.
    pub counts: String,
}

impl Store {
    /// Keeps a review, and forgets old ones.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_review(
        &self,
        at: i64,
        complete: bool,
        counts: &str,
        document: &str,
    ) -> Result<(), StoreError> {
        self.write(Commit::KeepReview, |sql| {
            sql.execute(
                "INSERT INTO review (id, at, complete, counts, document)
                 SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4 FROM review",
                values![at, complete, counts, document],
            )?;
            sql.execute(
                "DELETE FROM review WHERE id <= (SELECT max(id) FROM review) - $1 OR at < $2",
                values![KEPT, at.saturating_sub(KEPT_FOR)],
            )?;
            Ok(())
        })
    }

    /// Returns the documents of the last `limit` reviews, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reviews(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        self.read(|sql| {
            sql.rows(
                "SELECT document FROM review ORDER BY id DESC LIMIT $1",
                values![i64::from(limit)],
                |row| row.get("document"),
            )
        })
    }

    /// Returns the last review without its document.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_review(&self) -> Result<Option<ReviewSummary>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT id, at, complete, counts FROM review ORDER BY id DESC LIMIT 1",
                &[],
                summary,
            )
        })
    }
}

fn summary(row: &SqlRow<'_>) -> Result<ReviewSummary, StoreFault> {
    Ok(ReviewSummary {
        number: row.get("id")?,
        at: row.get("at")?,
        complete: row.get("complete")?,
        counts: row.get("counts")?,
    })
}
