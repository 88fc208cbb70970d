//! What is read back.

use proptest::{option, prelude::*};

use super::{
    call::{astray, stream},
    pick::{Pick, pick},
    promise::{ScopePick, scope},
    side::Side,
};
use crate::{
    clock::Timestamp,
    id::{RunId, TaskId, TenantId},
    run::{Event, EventKind, RunStatus},
    store::{OutputQuery, Page, RunFilter},
    testing::store::Fixture,
    transport::Stream,
};

/// A call that changes nothing.
#[derive(Debug, Clone)]
pub(super) enum Look {
    TenantByName {
        name: u8,
    },
    Credential {
        credential: Pick,
        astray: bool,
    },
    CredentialByName {
        tenant: Pick,
        name: u8,
    },
    Credentials {
        tenant: Pick,
        page: (u64, u32),
    },
    Target {
        target: Pick,
        astray: bool,
    },
    TargetsByName {
        tenant: Pick,
        names: Vec<u8>,
    },
    Targets {
        tenant: Pick,
        tags: u8,
        page: (u64, u32),
    },
    Job {
        job: Pick,
        astray: bool,
    },
    JobByName {
        tenant: Pick,
        name: u8,
    },
    Jobs {
        tenant: Pick,
        active_only: bool,
        page: (u64, u32),
    },
    Run {
        run: Pick,
        astray: bool,
    },
    Runs {
        tenant: Pick,
        job: Option<Pick>,
        status: Option<RunStatus>,
        page: (u64, u32),
    },
    Tasks {
        run: Pick,
        astray: bool,
        page: (u64, u32),
    },
    Attempts {
        run: Pick,
        task: Pick,
        astray: bool,
    },
    Events {
        run: Pick,
        astray: bool,
        after: u64,
        limit: usize,
    },
    Output {
        run: Pick,
        astray: bool,
        task: Option<Pick>,
        stream: Option<Stream>,
        after: Option<(Pick, u32, u32)>,
        limit: usize,
    },
    Limit {
        scope: ScopePick,
        astray: bool,
    },
    Limits {
        tenant: Pick,
        page: (u64, u32),
    },
    Letter {
        letter: Pick,
        astray: bool,
    },
    Letters {
        tenant: Pick,
        run: Option<Pick>,
        page: (u64, u32),
    },
    Questions {
        tenant: Pick,
        page: (u64, u32),
    },
}

pub(super) fn look() -> impl Strategy<Value = Look> {
    let name = || 0_u8..6;
    let page = || (0_u64..4, 0_u32..6);
    let catalog = prop_oneof![
        name().prop_map(|name| Look::TenantByName { name }),
        (pick(), astray()).prop_map(|(credential, astray)| Look::Credential { credential, astray }),
        (pick(), name()).prop_map(|(tenant, name)| Look::CredentialByName { tenant, name }),
        (pick(), page()).prop_map(|(tenant, page)| Look::Credentials { tenant, page }),
        (pick(), astray()).prop_map(|(target, astray)| Look::Target { target, astray }),
        (pick(), prop::collection::vec(name(), 0..4))
            .prop_map(|(tenant, names)| Look::TargetsByName { tenant, names }),
        (pick(), 0_u8..8, page()).prop_map(|(tenant, tags, page)| Look::Targets { tenant, tags, page }),
        (pick(), astray()).prop_map(|(job, astray)| Look::Job { job, astray }),
        (pick(), name()).prop_map(|(tenant, name)| Look::JobByName { tenant, name }),
        (pick(), any::<bool>(), page()).prop_map(|(tenant, active_only, page)| Look::Jobs {
            tenant,
            active_only,
            page
        }),
    ];
    let status = prop::sample::select(RunStatus::ALL.to_vec());
    let history = prop_oneof![
        (pick(), astray()).prop_map(|(run, astray)| Look::Run { run, astray }),
        (pick(), option::of(pick()), option::of(status), page())
            .prop_map(|(tenant, job, status, page)| Look::Runs { tenant, job, status, page }),
        (pick(), astray(), page()).prop_map(|(run, astray, page)| Look::Tasks { run, astray, page }),
        (pick(), pick(), astray()).prop_map(|(run, task, astray)| Look::Attempts { run, task, astray }),
        (pick(), astray(), 0_u64..12, 0_usize..12).prop_map(|(run, astray, after, limit)| Look::Events {
            run,
            astray,
            after,
            limit
        }),
        (
            (pick(), astray(), option::of(pick()), option::of(stream())),
            option::of((pick(), 0_u32..3, 0_u32..4)),
            0_usize..6
        )
            .prop_map(|((run, astray, task, stream), after, limit)| Look::Output {
                run,
                astray,
                task,
                stream,
                after,
                limit
            }),
    ];
    let promises = prop_oneof![
        (scope(), astray()).prop_map(|(scope, astray)| Look::Limit { scope, astray }),
        (pick(), page()).prop_map(|(tenant, page)| Look::Limits { tenant, page }),
        (pick(), astray()).prop_map(|(letter, astray)| Look::Letter { letter, astray }),
        (pick(), option::of(pick()), page()).prop_map(|(tenant, run, page)| Look::Letters {
            tenant,
            run,
            page
        }),
        (pick(), page()).prop_map(|(tenant, page)| Look::Questions { tenant, page }),
    ];
    prop_oneof![2 => catalog, 4 => history, 1 => promises]
}

/// More events than a run has.
const ALL_EVENTS: usize = 100_000;

/// `part` of the events of a run, in an order that every store has: in which order the tasks of one claim are said to have
/// started is nobody's promise.
fn in_order(all: &[Event], part: &[Event]) -> Vec<Event> {
    let mut ordered = all.to_vec();
    let at_once = |a: &Event, b: &Event| {
        let started = |event: &Event| matches!(event.kind, EventKind::StepStarted { .. });
        started(a) && started(b) && a.at == b.at
    };
    for block in ordered.chunk_by_mut(at_once) {
        let first = block[0].seq;
        block.sort_by_key(|event| event.task);
        block.iter_mut().zip(first..).for_each(|(event, seq)| event.seq = seq);
    }
    // What is no part of the whole is shown as it is.
    let place = |event: &Event| all.iter().position(|other| other == event);
    part.iter().map(|event| place(event).map_or(event, |at| &ordered[at]).clone()).collect()
}

/// What stands in the queue.
pub(super) struct Standing {
    pub(super) depth: String,
    pub(super) due: Option<Timestamp>,
}

impl Side {
    /// What a reading call answers.
    pub(super) async fn look(&mut self, look: &Look) -> String {
        let store = self.store.clone();
        let page = |(skip, limit): (u64, u32)| Page { skip, limit };
        match *look {
            Look::TenantByName { name } => {
                let answer = store.tenant_by_name(&format!("tenant{name}")).await;
                self.said(answer)
            }
            Look::Credential { credential, astray } => {
                let (tenant, credential) = self.credential(credential, astray);
                let answer = store.credential(tenant, credential.0).await.map(Self::shown);
                self.said(answer)
            }
            Look::CredentialByName { tenant, name } => {
                let answer = store.credential_by_name(self.tenant(tenant), &format!("name{name}")).await;
                self.said(answer.map(Self::shown))
            }
            Look::Credentials { tenant, page: at } => {
                let answer = store.list_credentials(self.tenant(tenant), page(at)).await;
                let shown = answer
                    .map(|list| (list.total, list.items.into_iter().map(Self::shown).collect::<Vec<_>>()));
                self.said(shown)
            }
            Look::Target { target, astray } => {
                let (tenant, target) = self.target(target, astray);
                let answer = store.target(tenant, target).await;
                self.said(answer)
            }
            Look::TargetsByName { tenant, ref names } => {
                let names: Vec<_> = names.iter().map(|name| format!("name{name}")).collect();
                let mut answer = store.targets_by_name(self.tenant(tenant), &names).await;
                if let Ok(targets) = &mut answer {
                    targets.sort_by_key(|target| target.id);
                }
                self.said(answer)
            }
            Look::Targets { tenant, tags, page: at } => {
                let answer = store.list_targets(self.tenant(tenant), &Self::tags(tags), page(at)).await;
                self.said(answer)
            }
            Look::Job { job, astray } => {
                let (tenant, job) = self.job(job, astray);
                let answer = store.job(tenant, job).await;
                self.said(answer)
            }
            Look::JobByName { tenant, name } => {
                let answer = store.job_by_name(self.tenant(tenant), &format!("name{name}")).await;
                self.said(answer)
            }
            Look::Jobs { tenant, active_only, page: at } => {
                let answer = store.list_jobs(self.tenant(tenant), active_only, page(at)).await;
                self.said(answer)
            }
            Look::Run { run, astray } => {
                let (tenant, run) = self.run(run, astray);
                let answer = (store.run(tenant, run).await, store.run_plan(tenant, run).await);
                format!("{} {}", self.said(answer.0), self.said(answer.1))
            }
            Look::Runs { tenant, job, status, page: at } => {
                let job = job.map(|job| self.job(job, false).1);
                let filter = RunFilter { job, status };
                let answer = store.list_runs(self.tenant(tenant), filter, page(at)).await;
                self.said(answer)
            }
            Look::Tasks { run, astray, page: at } => {
                let (tenant, run) = self.run(run, astray);
                let answer = store.tasks(tenant, run, page(at)).await;
                self.said(answer)
            }
            Look::Attempts { run, task, astray } => {
                let (tenant, run) = self.run(run, astray);
                let answer = store.attempts(tenant, run, self.task(task)).await;
                self.said(answer)
            }
            Look::Events { run, astray, after, limit } => {
                let (tenant, run) = self.run(run, astray);
                let answer = store.events(tenant, run, after, limit).await;
                let all = store.events(tenant, run, 0, ALL_EVENTS).await.unwrap_or_default();
                self.said(answer.map(|events| in_order(&all, &events)))
            }
            Look::Output { run, astray, task, stream, after, limit } => {
                let (tenant, run) = self.run(run, astray);
                let task = task.map(|task| self.task(task));
                let after = after.map(|(task, attempt, seq)| (self.task(task), attempt, seq));
                let query = OutputQuery { task, stream, after };
                let answer = store.output(tenant, run, query, limit).await;
                self.said(answer)
            }
            Look::Limit { scope, astray } => {
                let (tenant, scope) = self.scope(scope, astray);
                let answer = store.limit(tenant, scope).await;
                self.said(answer)
            }
            Look::Limits { tenant, page: at } => {
                let answer = store.list_limits(self.tenant(tenant), page(at)).await;
                self.said(answer)
            }
            Look::Letter { letter, astray } => {
                let (tenant, letter) = self.letter(letter, astray);
                let answer = store.dead_letter(tenant, letter).await.map(Self::sorted);
                self.said(answer)
            }
            Look::Letters { tenant, run, page: at } => {
                let run = run.map(|run| self.run(run, false).1);
                let answer = store.list_dead_letters(self.tenant(tenant), run, page(at)).await;
                let answer = answer.map(Self::all_sorted);
                self.said(answer)
            }
            Look::Questions { tenant, page: at } => {
                let answer = store.questions(self.tenant(tenant), page(at)).await;
                self.said(answer)
            }
        }
    }

    /// What stands in the queue.
    pub(super) async fn queue(&mut self) -> Standing {
        let (depth, due) = (self.store.queue_depth().await, self.store.next_due().await);
        Standing { depth: self.said(depth), due: due.unwrap() }
    }

    /// Everything that can be read, a part each.
    pub(super) async fn everything(&mut self) -> Vec<String> {
        let mut parts = Vec::new();
        for tenant in self.tenants.clone() {
            parts.extend(self.catalog_of(tenant).await);
        }
        for (tenant, run) in self.runs.clone() {
            parts.extend(self.history_of(tenant, run).await);
        }
        parts
    }

    async fn catalog_of(&mut self, tenant: TenantId) -> [String; 7] {
        let store = self.store.clone();
        let credentials = store.list_credentials(tenant, Fixture::ALL).await;
        let credentials = credentials.map(|list| list.items.into_iter().map(Self::shown).collect::<Vec<_>>());
        let targets = store.list_targets(tenant, &[], Fixture::ALL).await;
        let jobs = store.list_jobs(tenant, false, Fixture::ALL).await;
        let runs = store.list_runs(tenant, RunFilter::default(), Fixture::ALL).await;
        let limits = store.list_limits(tenant, Fixture::ALL).await;
        let letters = store.list_dead_letters(tenant, None, Fixture::ALL).await.map(Self::all_sorted);
        let questions = store.questions(tenant, Fixture::ALL).await;
        let [credentials, targets] = [self.said(credentials), self.said(targets)];
        let [jobs, runs] = [self.said(jobs), self.said(runs)];
        [credentials, targets, jobs, runs, self.said(limits), self.said(letters), self.said(questions)]
    }

    async fn history_of(&mut self, tenant: TenantId, run: RunId) -> Vec<String> {
        let store = self.store.clone();
        let tasks = store.tasks(tenant, run, Fixture::ALL).await;
        let ids: Vec<TaskId> = tasks.iter().flat_map(|list| &list.items).map(|task| task.id).collect();
        let (plan, tasks) = (store.run_plan(tenant, run).await, self.said(tasks));
        let mut parts = vec![self.said(plan), tasks];
        for task in ids {
            let attempts = store.attempts(tenant, run, task).await;
            parts.push(self.said(attempts));
        }
        let events = store.events(tenant, run, 0, ALL_EVENTS).await.map(|all| in_order(&all, &all));
        let output = store.output(tenant, run, OutputQuery::default(), 100_000).await;
        parts.extend([self.said(events), self.said(output)]);
        parts
    }
}
