//! Calls of the queue.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Map, json};

use super::{NOBODY, Side, worker};
use crate::{
    Result,
    id::{RunId, TenantId},
    run::RunPlan,
    store::{
        CHUNK_BYTES_MAX, Claimed, Completion, Decision, Enqueued, Idempotency, JobRecord, NewRun,
        OutputPiece, Page, Requeue, RunRecord,
    },
    testing::store::{
        Fixture,
        model::{
            call::{Call, Key, RunShape, Text, Wrong},
            pick::Pick,
            plan::Shape,
        },
    },
};

impl Side {
    /// A call that moves something.
    pub(super) async fn move_on(&mut self, call: &Call) -> String {
        let store = self.store.clone();
        match call {
            Call::Enqueue { job, shape, run } => self.enqueue(*job, shape, run).await,
            Call::Enqueued { job, astray, key } => {
                let (tenant, job) = self.job(*job, *astray);
                let answer = store.enqueued(tenant, job, &idempotency(*key)).await;
                self.said(answer)
            }
            Call::Claim { worker: number, limit, ttl } => {
                let answer = store.claim(worker(*number), *limit, micros(*ttl)).await;
                answer.iter().flatten().for_each(|claimed: &Claimed| self.given(claimed.lease));
                self.all_claimed = answer.iter().any(|claimed| claimed.len() < *limit);
                self.said(answer)
            }
            Call::TakeExpired { worker: number, limit, ttl } => {
                let answer = store.take_expired(worker(*number), *limit, micros(*ttl)).await;
                answer.iter().flatten().for_each(|expired| self.given(expired.claimed.lease));
                self.said(answer)
            }
            Call::Dispatch { lease, handle } => {
                let handle = Fixture::handle(&handle.to_string());
                let answer = store.record_dispatch(&self.lease(*lease), &handle).await;
                self.said(answer)
            }
            Call::Renew { leases, ttl } => {
                let leases: Vec<_> = leases.iter().map(|pick| self.lease(*pick)).collect();
                let answer = store.renew(&leases, micros(*ttl)).await;
                self.said(answer)
            }
            Call::Output { pieces } => {
                let pieces = pieces.iter().map(|piece| OutputPiece {
                    lease: self.lease(piece.lease),
                    seq: piece.seq,
                    stream: piece.stream,
                    text: bytes(piece.text),
                });
                let answer = store.append_output(pieces.collect()).await;
                self.said(answer)
            }
            Call::Complete { ends } => {
                let ends = ends.iter().map(|(pick, status, number)| Completion {
                    exit_code: (!number.is_multiple_of(3)).then_some(i64::from(*number)),
                    stdout: format!("{number} ünicode\n"),
                    stderr: if number.is_multiple_of(2) { String::new() } else { "stderr".to_owned() },
                    metrics: Map::from_iter([("number".to_owned(), json!(number))]),
                    ..Fixture::completion(self.lease(*pick), *status)
                });
                let answer = store.complete(ends.collect()).await;
                format!("{} {}", self.said(answer), self.letters_came().await)
            }
            Call::Requeue { tasks } => {
                let tasks = tasks.iter().map(|(pick, delay, status, suspend)| Requeue {
                    lease: self.lease(*pick),
                    delay: micros(*delay),
                    reason: "again".to_owned(),
                    attempt_status: *status,
                    suspend: *suspend,
                });
                let answer = store.requeue(tasks.collect()).await;
                self.said(answer)
            }
            Call::Cancel { run, astray } => {
                let (tenant, run) = self.run(*run, *astray);
                let answer = store.cancel_run(tenant, run, "not needed").await;
                self.said(answer)
            }
            Call::Suspended { lease } => {
                let answer = store.suspended(&self.lease(*lease)).await;
                self.said(answer)
            }
            Call::Decide { run, astray, task, approved } => {
                let (tenant, run) = self.run(*run, *astray);
                let place = u64::from(*task);
                let found = store.tasks(tenant, run, Page { skip: place, limit: 1 }).await;
                let found = found.ok().and_then(|list| list.items.into_iter().next());
                let (step, target) = found.map_or((7, None), |task| (task.step, task.target));
                let decision = Decision { approved: *approved, by: format!("user {task}"), note: None };
                let answer = store.decide(tenant, run, step, target, decision).await;
                self.said(answer)
            }
            Call::StopOverdue { limit } => {
                let answer = store.stop_overdue(*limit).await;
                self.said(answer)
            }
            _ => unreachable!("{call:?} is not about the queue"),
        }
    }

    async fn enqueue(&mut self, job: Pick, shape: &Shape, run: &RunShape) -> String {
        let Some(job) = job.of(&self.jobs).cloned() else { return "no job".to_owned() };
        let (tenant, new) = self.new_run(job, shape, run).await;
        let answer = self.store.enqueue(tenant, new).await;
        self.answered(tenant, answer).await
    }

    /// A run to enqueue, and in which tenant.
    pub(super) async fn new_run(
        &self,
        (home, record): (TenantId, JobRecord),
        shape: &Shape,
        run: &RunShape,
    ) -> (TenantId, NewRun) {
        let targets = self.store.list_targets(home, &[], Fixture::ALL).await.unwrap();
        let version = match run.wrong {
            Some(Wrong::Version) => record.version + 1,
            _ => record.version,
        };
        let plan = match run.wrong {
            Some(Wrong::NoSteps) => {
                Arc::new(RunPlan { steps: Vec::new(), ..(*shape.plan(&record, version, &[])).clone() })
            }
            _ => shape.plan(&record, version, &targets.items),
        };
        // One fault at a time: which of two is named is nobody's promise.
        let right = run.wrong.is_none();
        let new = NewRun {
            job: record.id,
            plan,
            secrets: Vec::new(),
            if_current: run.current && right,
            requested_by: None,
            correlation_id: run.key.map(|key| format!("of key {}", key.name)),
            idempotency: run.key.filter(|_| right).map(idempotency),
            priority: run.priority,
            concurrency_key: run.turn.map(|turn| format!("turn{turn}")),
            parent: run.parent.filter(|_| right).map(|parent| self.parent(parent)),
            labels: BTreeMap::from([("ünicode".to_owned(), "läbel".to_owned())]),
        };
        (self.home(home, matches!(run.wrong, Some(Wrong::Tenant))), new)
    }

    /// Takes note of what an enqueue answered.
    pub(super) async fn answered(&mut self, tenant: TenantId, answer: Result<Enqueued>) -> String {
        self.jobs_of.extend(answer.iter().map(|enqueued| (enqueued.run.id, enqueued.run.job)));
        let fresh = answer.iter().find(|enqueued| !enqueued.repeated).map(|enqueued| enqueued.run.id);
        let said = self.said(answer);
        match fresh {
            Some(run) => format!("{said} {}", self.came(tenant, run).await),
            None => said,
        }
    }

    fn parent(&self, pick: Pick) -> RunId {
        pick.of(&self.runs).map_or(RunId::new(NOBODY), |(_, run)| *run)
    }

    /// Takes note of a new run and its tasks.
    async fn came(&mut self, tenant: TenantId, run: RunId) -> String {
        self.runs.push((tenant, run));
        let tasks = self.store.tasks(tenant, run, Fixture::ALL).await;
        self.tasks.extend(tasks.iter().flat_map(|list| &list.items).map(|task| task.id));
        let read = self.store.run(tenant, run).await;
        format!("{} {}", self.said::<RunRecord>(read), self.said(tasks))
    }
}

fn idempotency(key: Key) -> Idempotency {
    Idempotency { key: format!("key{}", key.name), digest: [key.digest; 32] }
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn bytes(text: Text) -> Bytes {
    match text {
        Text::Line(number) => Bytes::from(format!("line {number} ünicode\n")),
        Text::WithNul => Bytes::from_static(b"before\0after"),
        Text::Empty => Bytes::new(),
        Text::TooLong => Bytes::from(vec![b'x'; CHUNK_BYTES_MAX + 1]),
        Text::NotUtf8 => Bytes::from_static(&[0xff, 0xfe]),
    }
}
