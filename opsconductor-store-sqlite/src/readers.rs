//! A few connections that read, each call in one snapshot, never behind the writer.

use std::sync::{Arc, Mutex, PoisonError};

use opsconductor_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::DbResult;

/// The connections that are free, and how many there are.
pub(crate) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { free: Arc::new(Mutex::new(connections)), permits }
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
            let snapshot = connection.unchecked_transaction().map_err(crate::error::Failure::from)?;
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
    /// Runs `work`, one short statement that finds its rows by an index, on the caller's own thread if a connection is free:
    /// to go to another thread and back takes longer than it does.
    pub(crate) async fn glance<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> DbResult<T> + Send + 'static,
    {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else { return self.read(work).await };
        let _permit = permit;
        let connection = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lent = Lent { free: self.free.clone(), connection };
        let Some(connection) = lent.connection.as_ref() else {
            return Err(Error::new(ErrorKind::StoreUnavailable, "the store is closed"));
        };
        Ok(work(connection)?)
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
