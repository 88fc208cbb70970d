//! What happens to a run, as it happens.

use std::{sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::sync::broadcast;

use super::{Inner, Run};
use crate::{
    Result,
    clock::Timestamp,
    id::RunId,
    run::{
        event::{Event, EventKind},
        plan::RunPlan,
    },
    store::Notice,
};

/// How often a run is looked at without being told of news: other processes may be working on it.
const POLL: Duration = Duration::from_millis(250);

/// How many events are read at a time.
const EVENTS_MAX: usize = 500;

/// Something that happened to a run, with names instead of ids.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunEvent {
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// The id of the step, for events of a step.
    pub step: Option<String>,
    /// The name of the target.
    pub target: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
}

impl Run {
    /// What happened and what happens, from the beginning until the run ends.
    pub fn events(&self) -> RunEvents {
        self.events_after(0)
    }

    /// What comes after the event with number `seq`: a follower that was cut off misses nothing and sees nothing twice.
    pub fn events_after(&self, seq: u64) -> RunEvents {
        RunEvents {
            watch: self.watch(),
            run: self.clone(),
            plan: None,
            after: seq,
            read: Vec::new().into_iter(),
            over: false,
        }
    }

    pub(super) fn watch(&self) -> Watch {
        Watch { run: self.id, notices: self.store().notices() }
    }
}

/// Waits for news of one run.
pub(super) struct Watch {
    run: RunId,
    notices: Option<broadcast::Receiver<Notice>>,
}

impl Watch {
    pub(super) async fn changed(&mut self, inner: &Inner) {
        tokio::select! {
            () = self.told() => {}
            () = inner.clock.sleep(POLL) => {}
        }
    }

    async fn told(&mut self) {
        let Some(notices) = &mut self.notices else { return std::future::pending().await };
        loop {
            match notices.recv().await {
                Ok(Notice::Run(run)) if run == self.run => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// The events of a run, in order, until it ends.
pub struct RunEvents {
    run: Run,
    watch: Watch,
    plan: Option<Arc<RunPlan>>,
    after: u64,
    read: std::vec::IntoIter<Event>,
    over: bool,
}

impl RunEvents {
    /// The next event, or `None` after `run.finished`. Waits for it as long as it takes.
    ///
    /// # Errors
    ///
    /// Those of the store; calling again goes on where it was.
    pub async fn next(&mut self) -> Result<Option<RunEvent>> {
        loop {
            // The plan first: an error here must not cost the event that it was to name.
            let plan = self.plan().await?;
            if let Some(event) = self.read.next() {
                self.after = event.seq;
                self.over = matches!(event.kind, EventKind::RunFinished { .. });
                return Ok(Some(named(Some(&plan), event)));
            }
            if self.over {
                return Ok(None);
            }
            let (store, tenant, id) = (self.run.store(), self.run.tenant(), self.run.id);
            let events = store.events(tenant, id, self.after, EVENTS_MAX).await?;
            if !events.is_empty() {
                self.read = events.into_iter();
            } else if store.run(tenant, id).await?.status.is_final() {
                // Asked to begin after the last event.
                let last = store.events(tenant, id, self.after, 1).await?;
                self.over = last.is_empty();
                self.read = last.into_iter();
            } else {
                self.watch.changed(&self.run.at.inner).await;
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<RunEvent>> + Send {
        futures_util::stream::try_unfold(self, |mut events| async move {
            Ok(events.next().await?.map(|event| (event, events)))
        })
    }

    async fn plan(&mut self) -> Result<Arc<RunPlan>> {
        if let Some(plan) = &self.plan {
            return Ok(Arc::clone(plan));
        }
        let plan = self.run.store().run_plan(self.run.tenant(), self.run.id).await?;
        Ok(Arc::clone(self.plan.insert(plan)))
    }
}

/// An event with the names that the plan has for it.
pub(super) fn named(plan: Option<&RunPlan>, event: Event) -> RunEvent {
    let step = event.step.and_then(|index| plan?.step(index));
    let target = event.target.and_then(|id| plan?.target(id));
    RunEvent {
        seq: event.seq,
        step: step.map(|step| step.id.clone()),
        target: target.map(|target| target.name.clone()),
        kind: event.kind,
        at: event.at,
    }
}
