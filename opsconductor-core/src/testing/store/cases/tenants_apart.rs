//! What is another tenant's does not exist.

use super::{credentials, kind};
use crate::{
    ErrorKind,
    run::TaskStatus,
    store::{Idempotency, NewRun, OutputQuery, RunFilter},
    target::TargetSpec,
    testing::store::{Fixture, PlanSketch},
};

use ErrorKind::{InvalidInput, NotFound};

pub async fn credentials_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let mine = credentials::new(&f, "c").await;
    let id = mine.id;
    f.store.insert_credential(f.tenant, mine.clone()).await.unwrap();
    assert_eq!(kind(f.store.credential(other.tenant, id).await), NotFound);
    assert_eq!(kind(f.store.credential_by_name(other.tenant, "c").await), NotFound);
    assert_eq!(kind(f.store.update_credential(other.tenant, 1, mine).await), NotFound);
    assert_eq!(kind(f.store.delete_credential(other.tenant, id).await), NotFound);
    assert_eq!(f.store.list_credentials(other.tenant, Fixture::ALL).await.unwrap().total, 0);
    let same_name = credentials::new(&f, "c").await;
    assert!(f.store.insert_credential(other.tenant, same_name).await.is_ok(), "names are the tenant's own");
    assert!(f.store.credential(f.tenant, id).await.is_ok());
}

pub async fn targets_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let credential = credentials::new(&f, "c").await;
    f.store.insert_credential(f.tenant, credential.clone()).await.unwrap();
    let mine = f.store.insert_target(f.tenant, f.new_target().with_tag("role:web")).await.unwrap();
    let name = mine.spec.name.clone();
    assert_eq!(kind(f.store.target(other.tenant, mine.id).await), NotFound);
    let update = f.store.update_target(other.tenant, mine.id, other.new_target()).await;
    assert_eq!(kind(update), NotFound);
    assert_eq!(kind(f.store.delete_target(other.tenant, mine.id).await), NotFound);
    assert!(f.store.targets_by_name(other.tenant, &[name]).await.unwrap().is_empty());
    let tags = ["role:web".to_owned()];
    assert_eq!(f.store.list_targets(other.tenant, &tags, Fixture::ALL).await.unwrap().total, 0);
    let stolen = TargetSpec { credential_ref: Some(credential.id), ..other.new_target() };
    assert_eq!(kind(f.store.insert_target(other.tenant, stolen).await), InvalidInput);
    let leaning = TargetSpec { depends_on: vec![mine.id], ..other.new_target() };
    assert_eq!(kind(f.store.insert_target(other.tenant, leaning).await), InvalidInput);
    assert!(f.store.insert_target(other.tenant, mine.spec.clone()).await.is_ok());
    assert_eq!(f.store.target(f.tenant, mine.id).await.unwrap(), mine);
}

pub async fn jobs_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let mine = f.job().await;
    assert_eq!(kind(f.store.job(other.tenant, mine.id).await), NotFound);
    assert_eq!(kind(f.store.job_by_name(other.tenant, &mine.name).await), NotFound);
    assert_eq!(kind(f.store.update_job(other.tenant, mine.id, other.new_job()).await), NotFound);
    assert_eq!(kind(f.store.delete_job(other.tenant, mine.id).await), NotFound);
    assert_eq!(f.store.list_jobs(other.tenant, false, Fixture::ALL).await.unwrap().total, 0);
    assert_eq!(f.store.job(f.tenant, mine.id).await.unwrap(), mine);
}

pub async fn runs_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.append_output(vec![Fixture::piece(lease, 1, "mine")]).await.unwrap();
    let (tenant, id) = (other.tenant, run.id);
    assert_eq!(kind(f.store.run(tenant, id).await), NotFound);
    assert_eq!(kind(f.store.run_plan(tenant, id).await), NotFound);
    assert_eq!(kind(f.store.tasks(tenant, id, Fixture::ALL).await), NotFound);
    assert_eq!(kind(f.store.attempts(tenant, id, lease.task).await), NotFound);
    assert_eq!(kind(f.store.events(tenant, id, 0, 10).await), NotFound);
    assert_eq!(kind(f.store.output(tenant, id, OutputQuery::default(), 10).await), NotFound);
    assert_eq!(kind(f.store.cancel_run(tenant, id, "not yours").await), NotFound);
    let listing = f.store.list_runs(tenant, RunFilter::default(), Fixture::ALL).await.unwrap();
    assert_eq!((listing.items.len(), listing.total), (0, 0));
    let by_job = RunFilter { job: Some(run.job), ..RunFilter::default() };
    assert_eq!(f.store.list_runs(tenant, by_job, Fixture::ALL).await.unwrap().total, 0);
    assert_eq!(f.statuses(id).await, [TaskStatus::Running]);
}

pub async fn enqueue_stays_in_the_tenant(f: Fixture) {
    let other = f.other_tenant().await;
    let (mine, theirs) = (f.job().await, other.job().await);
    let plan = |job| PlanSketch::new(job, &[]).step(&[], &[]).build();
    let foreign_job = f.new_run(&mine, plan(&mine));
    assert_eq!(kind(f.store.enqueue(other.tenant, foreign_job).await), NotFound);
    let parent = f.enqueue(f.new_run(&mine, plan(&mine))).await.id;
    let foreign_parent = NewRun { parent: Some(parent), ..other.new_run(&theirs, plan(&theirs)) };
    assert_eq!(kind(f.store.enqueue(other.tenant, foreign_parent).await), NotFound);
    let key = |digest| Some(Idempotency { key: "k".to_owned(), digest: [digest; 32] });
    f.enqueue(NewRun { idempotency: key(1), ..f.new_run(&mine, plan(&mine)) }).await;
    other.enqueue(NewRun { idempotency: key(2), ..other.new_run(&theirs, plan(&theirs)) }).await;
}

pub async fn workers_serve_every_tenant(f: Fixture) {
    let other = f.other_tenant().await;
    let (mine, theirs) = (f.single().await, other.single().await);
    let claimed = f.claim(10).await;
    let tenants: Vec<_> = claimed.iter().map(|task| (task.lease.run, task.tenant)).collect();
    assert_eq!(tenants, [(mine.id, f.tenant), (theirs.id, other.tenant)]);
}

pub async fn a_task_is_read_through_its_own_run(f: Fixture) {
    let (first, second) = (f.single().await, f.single().await);
    let task = f.tasks(first.id).await[0].id;
    assert_eq!(kind(f.store.attempts(f.tenant, second.id, task).await), NotFound);
    assert!(f.store.attempts(f.tenant, first.id, task).await.unwrap().is_empty());
}
