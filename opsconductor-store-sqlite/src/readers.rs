//! A few connections that read, each call in one snapshot, never behind the writer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opsconductor_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;

use crate::error::{DbResult, Failure};

/// The connections that are free, and how many there are.
pub(crate) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    patience: Duration,
}

impl Readers {
    /// Connections that each wait for a lock for as long as `patience`.
    pub(crate) fn new(connections: Vec<Connection>, patience: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { free: Arc::new(Mutex::new(connections)), permits, patience }
    }

    /// Runs `work` on one snapshot of the database, off the async threads.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> DbResult<T> + Send + 'static,
    {
        let gone = || Error::new(ErrorKind::StoreUnavailable, "the store is closed");
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| gone())?;
        let free = self.free.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let lent = Lent { free, connection };
            let connection = lent.connection.as_ref().ok_or_else(gone)?;
            let snapshot = connection.unchecked_transaction().map_err(Failure::from)?;
            let answer = work(&snapshot)?;
            drop(snapshot);
            Ok(answer)
        });
        task.await.map_err(|source| {
            Error::new(ErrorKind::Internal, "a reader stopped; please report it").with_source(source)
        })?
    }
}

impl Readers {
    /// Runs `work`, a short statement or two that find their rows by an index, on the caller's own thread if that is free to
    /// begin at once: to go to another thread and back takes longer than it does.
    pub(crate) async fn glance<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> DbResult<T> + Send + 'static,
    {
        match self.try_glance(&work) {
            Some(answer) => Ok(answer?),
            None => self.read(work).await,
        }
    }

    /// None when it would have to wait.
    fn try_glance<T>(&self, work: impl Fn(&Connection) -> DbResult<T>) -> Option<DbResult<T>> {
        let _permit = self.permits.try_acquire().ok()?;
        let connection = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lent = Lent { free: self.free.clone(), connection };
        let connection = lent.connection.as_ref()?;
        // A caller's thread waits for no lock, however short.
        connection.busy_timeout(Duration::ZERO).ok()?;
        let answer = work(connection);
        let restored = connection.busy_timeout(self.patience);
        match answer {
            Err(Failure::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => None,
            answer => restored.is_ok().then_some(answer),
        }
    }
}

/// Gives its connection back also when the work panics.
struct Lent {
    free: Arc<Mutex<Vec<Connection>>>,
    connection: Option<Connection>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
