//! A run comes in with a transaction of the host's.

use std::{fs, path::Path};

use opsconductor_core::{
    Error, ErrorKind, Result,
    id::TenantId,
    store::{Enqueued, NewRun, Notice},
};
use rusqlite::{Connection, Transaction};

use super::enqueue::{self, Prepared};
use crate::{
    SqliteStore,
    error::DbResult,
    tables::Tables,
    writer::{Effects, Tx},
};

impl SqliteStore {
    /// Enqueues a run in a transaction of the host's: it is there when that commits, together with the host's own rows, and
    /// gone when that is rolled back. The promises are those of [`Queue::enqueue`](opsconductor_core::store::Queue::enqueue).
    ///
    /// The transaction is of a connection of the host's that has this store's data file open, as its main database or
    /// attached under any name; the host's tables may have the names of ours. When the host's rows are in another file than
    /// ours, a power cut in the middle of the commit may keep one file's and not the other's: SQLite promises no more in
    /// write-ahead mode. Begin it `IMMEDIATE`, so that it does not fail for having read first, and keep it short: nobody else
    /// can write meanwhile.
    ///
    /// When this fails, what it did is undone and the transaction goes on as it stood before. Of the connection only what
    /// SQLite counts by itself is changed, such as `last_insert_rowid`.
    ///
    /// Workers find the run when they look, within their poll interval; call [`SqliteStore::wake`] after the commit, and they
    /// look at once.
    ///
    /// # Errors
    ///
    /// As [`Queue::enqueue`](opsconductor_core::store::Queue::enqueue); `InvalidInput` when the connection does not have the
    /// data file open; `StoreUnavailable` when another process writes.
    pub fn enqueue_in(&self, tx: &Transaction<'_>, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        Ok(self.try_enqueue_in(tx, tenant, &prepared)?)
    }

    /// Tells this process's workers that something may be ready: after a transaction that
    /// [`SqliteStore::enqueue_in`] took part in was committed.
    pub fn wake(&self) {
        // Nobody listening is no error: notices are speed, never correctness.
        let _ = self.notices.send(Notice::Ready);
    }

    fn try_enqueue_in(&self, host: &Connection, tenant: TenantId, prepared: &Prepared) -> DbResult<Enqueued> {
        let database = self.name_in(host)?;
        let mut effects = Effects::default();
        let times = (self.clock.now().timestamp_micros(), self.steady.now());
        host.execute_batch("SAVEPOINT opsconductor_enqueue")?;
        let enqueued = {
            let mut joined = Tx::joined((host, Tables::In(&database)), times, &self.plans, &mut effects);
            enqueue::enqueue(&mut joined, tenant, prepared)
        };
        // What it would tell is not true before the host commits, so nobody is told.
        drop(effects);
        if enqueued.is_err() && !host.is_autocommit() {
            host.execute_batch("ROLLBACK TO opsconductor_enqueue; RELEASE opsconductor_enqueue")?;
        } else if enqueued.is_ok() {
            host.execute_batch("RELEASE opsconductor_enqueue")?;
        }
        enqueued
    }

    /// The name under which the host's connection has our data file open.
    fn name_in(&self, host: &Connection) -> DbResult<String> {
        let ours = fs::canonicalize(&self.path).ok();
        let mut list = host.prepare_cached("SELECT name, file FROM pragma_database_list")?;
        let names = list
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let same = |file: &str| ours.is_some() && fs::canonicalize(Path::new(file)).ok() == ours;
        let found = names.into_iter().find(|(_, file)| file.as_deref().is_some_and(same));
        Ok(found.map(|(name, _)| name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "the transaction's connection does not have the data file open; attach it before the transaction begins",
            )
            .with("path", self.path.display())
        })?)
    }
}
