//! Leases: taken, renewed, taken over.

use std::{cmp::Reverse, time::Duration};

use super::{LiveRow, LiveState, State};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{TaskId, WorkerId},
    run::{event::EventKind, phase::Stopping, state::RunStatus, state::TaskStatus},
    store::{Claimed, Expired, Lease, LeaseState, Passage},
    transport::RemoteHandle,
};

impl State {
    pub(super) fn claim(&mut self, worker: WorkerId, limit: usize, ttl: Duration) -> Vec<Claimed> {
        let mut ready: Vec<_> = self
            .live
            .iter()
            .filter(|(_, row)| row.state == LiveState::Queued && row.due_at <= self.now)
            .map(|(id, row)| (Reverse(row.priority), row.due_at, *id))
            .collect();
        ready.sort_unstable();
        let mut gates = self.gates();
        let mut claimed = Vec::new();
        for (_, _, id) in ready {
            if claimed.len() == limit {
                break;
            }
            let on = self.scopes_of(id);
            if gates.passage(&on) == Passage::Open {
                gates.start(&on);
                claimed.extend(self.claim_one(id, worker, ttl));
            }
        }
        self.keep_rates(&gates);
        claimed
    }

    fn claim_one(&mut self, id: TaskId, worker: WorkerId, ttl: Duration) -> Option<Claimed> {
        let (now, lease_until) = (self.now, self.after(ttl));
        let row = self.live.get_mut(&id)?;
        row.state = LiveState::Running { worker, started_at: now, lease_until };
        row.epoch += 1;
        row.attempt += 1;
        (row.dispatched, row.dispatched_at) = (None, None);
        let (epoch, attempt, run_id) = (row.epoch, row.attempt, row.run);
        let (run, task) = self.run_and_task(id)?;
        task.record.status = TaskStatus::Running;
        task.record.attempt = attempt;
        task.record.started_at = Some(now);
        let claimed = Claimed {
            lease: Lease { task: id, run: run_id, epoch, worker },
            tenant: run.tenant,
            step: task.record.step,
            target: task.record.target,
            attempt,
            ttl,
        };
        if run.record.status == RunStatus::Queued {
            run.record.status = RunStatus::Running;
            run.record.started_at = Some(now);
            self.run_event(run_id, EventKind::RunStarted);
        }
        self.task_event(id, EventKind::StepStarted { attempt });
        Some(claimed)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let gates = self.gates();
        let next = |(id, row): (&TaskId, &LiveRow)| match row.state {
            LiveState::Queued if row.due_at > self.now => Some(row.due_at),
            LiveState::Queued => match gates.passage(&self.scopes_of(*id)) {
                Passage::From(micros) => Timestamp::from_timestamp_micros(micros),
                _ => None,
            },
            _ => None,
        };
        self.live.iter().filter_map(next).min()
    }

    pub(super) fn record_dispatch(&mut self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        if self.held(lease).is_none() {
            return Err(Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
                .with("task", lease.task));
        }
        if self.stops(lease.task).is_some() {
            return Err(Error::new(ErrorKind::Canceled, "the run is being canceled").with("run", lease.run));
        }
        let now = self.now;
        if let Some(row) = self.live.get_mut(&lease.task) {
            row.dispatched = Some(handle.clone());
            row.dispatched_at.get_or_insert(now);
        }
        Ok(())
    }

    pub(super) fn renew(&mut self, leases: &[Lease], ttl: Duration) -> Vec<LeaseState> {
        let until = self.after(ttl);
        let renew = |lease: &Lease| {
            if self.held(lease).is_none() {
                return LeaseState::Lost;
            }
            if let Some(LiveRow { state: LiveState::Running { lease_until, .. }, .. }) =
                self.live.get_mut(&lease.task)
            {
                *lease_until = until;
            }
            match self.stops(lease.task) {
                None => LeaseState::Held,
                Some(Stopping::Overdue) => LeaseState::Overdue,
                Some(_) => LeaseState::Canceled,
            }
        };
        leases.iter().map(renew).collect()
    }

    pub(super) fn take_expired(&mut self, worker: WorkerId, limit: usize, ttl: Duration) -> Vec<Expired> {
        let mut expired: Vec<_> = self
            .live
            .iter()
            .filter_map(|(id, row)| match row.state {
                LiveState::Running { lease_until, .. } if lease_until <= self.now => Some((lease_until, *id)),
                _ => None,
            })
            .collect();
        expired.sort_unstable();
        expired.truncate(limit);
        expired.into_iter().filter_map(|(_, id)| self.take_over(id, worker, ttl)).collect()
    }

    fn take_over(&mut self, id: TaskId, rescuer: WorkerId, ttl: Duration) -> Option<Expired> {
        let until = self.after(ttl);
        let row = self.live.get_mut(&id)?;
        let LiveState::Running { worker: former, started_at, .. } = row.state else { return None };
        row.state = LiveState::Running { worker: rescuer, started_at, lease_until: until };
        row.epoch += 1;
        let row = row.clone();
        let attempt = row.attempt;
        let output_seq = self
            .output
            .range((id, attempt, 0)..=(id, attempt, u32::MAX))
            .next_back()
            .map_or(0, |((_, _, seq), _)| *seq);
        let canceled = self.stops(id).is_some();
        let since_dispatch =
            row.dispatched_at.and_then(|at| (self.now - at).to_std().ok()).unwrap_or_default();
        let (run, task) = self.run_and_task(id)?;
        Some(Expired {
            claimed: Claimed {
                lease: Lease { task: id, run: row.run, epoch: row.epoch, worker: rescuer },
                tenant: run.tenant,
                step: task.record.step,
                target: task.record.target,
                attempt,
                ttl,
            },
            worker: former,
            dispatched: row.dispatched,
            since_dispatch,
            output_seq,
            canceled,
        })
    }
}
