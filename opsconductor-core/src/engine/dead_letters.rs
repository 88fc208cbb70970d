//! Dead letters: what went wrong for good, seen to by a person.

use super::{Run, Scoped, noted, repeat::Over};
use crate::{
    Result,
    auth::policy::{Action, Resource},
    id::{LetterId, RunId},
    store::{DeadLetter, Listing, Page},
};

/// Calls on the dead letters of a tenant: one for each task that failed or was lost for good, whose step did not say to go on.
pub struct DeadLetterBox<'a> {
    pub(super) at: &'a Scoped,
}

impl DeadLetterBox<'_> {
    /// Letters, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<DeadLetter>> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.list_dead_letters(self.at.scope.tenant, None, page).await
    }

    /// The letters of one run, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn of_run(&self, run: RunId, page: Page) -> Result<Listing<DeadLetter>> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.list_dead_letters(self.at.scope.tenant, Some(run), page).await
    }

    /// One letter.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, id: LetterId) -> Result<DeadLetter> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.dead_letter(self.at.scope.tenant, id).await
    }

    /// Removes a letter; the history of its run stays.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn discard(&self, id: LetterId) -> Result<()> {
        let entry = self.at.permit(noted::LETTER_DISCARDED, "").await?.about(id.get());
        self.at.noted(entry, self.at.inner.store.discard_dead_letter(self.at.scope.tenant, id)).await
    }

    /// Does again what did not succeed in the letter's run, as [`Run::retry`] does. Every letter of the run goes.
    ///
    /// # Errors
    ///
    /// As [`Run::retry`]; `NotFound` for a letter that is gone, also because someone else was quicker.
    pub async fn redrive(&self, id: LetterId) -> Result<Run> {
        let entry = self.at.permit(noted::LETTER_REDRIVEN, "").await?.about(id.get());
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let letter = store.dead_letter(tenant, id).await?;
        let over = Over::read(self.at, letter.run).await?;
        let rest = over.what_failed()?;
        let new = over.new_run(rest).await?;
        let entry = entry.with("run", letter.run.get());
        let enqueued = self.at.noted(entry, store.redrive(tenant, letter.run, new)).await?;
        Ok(Run::new(self.at.clone(), enqueued.run.id))
    }
}
