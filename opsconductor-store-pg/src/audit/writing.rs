//! A transaction that takes the entry of its call along.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use opsconductor_core::{
    audit::staging::{self, Staged},
    clock::Clock,
};
use sqlx::{PgConnection, Postgres, Transaction};

use super::chain;
use crate::{error::DbResult, sql::Statements};

/// What it takes to write entries.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) statements: Arc<Statements>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl Recorder {
    /// Writes entries in the transaction `tx`, right before it is committed: where an end of a chain is locked for it, that is the
    /// last lock it takes.
    pub(crate) async fn write(&self, tx: &mut PgConnection, entries: Vec<Staged>) -> DbResult<()> {
        let (strict, staged): (Vec<_>, Vec<_>) = entries.into_iter().partition(|staged| staged.strict);
        let moment = self.clock.as_ref().map(|clock| clock.now());
        let bare = |entries: Vec<Staged>| entries.into_iter().map(|staged| staged.entry).collect::<Vec<_>>();
        chain::stage(&self.statements, &mut *tx, moment, &bare(staged)).await?;
        chain::append(&self.statements, tx, moment, bare(strict)).await
    }
}

/// A transaction of a call, with the entry that came with it: both are committed, or neither.
pub(crate) struct Writing {
    tx: Transaction<'static, Postgres>,
    recorder: Recorder,
    staged: Option<Staged>,
}

impl Writing {
    /// In the task of the caller, whose entry it takes.
    pub(crate) fn new(tx: Transaction<'static, Postgres>, recorder: &Recorder) -> Self {
        Self { tx, recorder: recorder.clone(), staged: staging::take() }
    }

    /// The same with an entry that was taken before.
    pub(crate) fn with(
        tx: Transaction<'static, Postgres>,
        recorder: &Recorder,
        staged: Option<Staged>,
    ) -> Self {
        Self { tx, recorder: recorder.clone(), staged }
    }

    /// Says which thing the call made.
    pub(crate) fn concerns(&mut self, id: i64) {
        if let Some(staged) = &mut self.staged {
            staged.entry.concerns(id);
        }
    }

    /// Drops the entry: nothing was changed.
    pub(crate) fn changed_nothing(&mut self) {
        self.staged = None;
    }

    pub(crate) async fn commit(mut self) -> DbResult<()> {
        if let Some(staged) = self.staged.take() {
            self.recorder.write(&mut self.tx, vec![staged]).await?;
        }
        Ok(self.tx.commit().await?)
    }

    pub(crate) async fn rollback(self) -> DbResult<()> {
        Ok(self.tx.rollback().await?)
    }
}

impl Deref for Writing {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
