//! Lists in parts.

use crate::{
    ErrorKind,
    run::{RunStatus, TaskStatus},
    store::{Page, RunFilter},
    testing::store::{Fixture, PlanSketch, cases::credentials},
};

const SECOND: Page = Page { skip: 2, limit: 2 };
const BEYOND: Page = Page { skip: u64::MAX, limit: 2 };

pub async fn targets_come_newest_first_in_parts(f: Fixture) {
    let mut ids = f.targets(5).await;
    ids.reverse();
    let page = f.store.list_targets(f.tenant, &[], SECOND).await.unwrap();
    assert_eq!(page.items.iter().map(|target| target.id).collect::<Vec<_>>(), ids[2..4]);
    assert_eq!(page.total, 5, "the length of the whole");
    let beyond = f.store.list_targets(f.tenant, &[], BEYOND).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total), (0, 5));
}

pub async fn credentials_come_newest_first_in_parts(f: Fixture) {
    for name in ["a", "b", "c", "d", "e"] {
        let new = credentials::new(&f, name).await;
        f.store.insert_credential(f.tenant, new).await.unwrap();
    }
    let page = f.store.list_credentials(f.tenant, SECOND).await.unwrap();
    assert_eq!(page.items.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    assert_eq!(page.total, 5);
}

pub async fn jobs_come_newest_first_in_parts(f: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, f.job().await.id);
    }
    let page = f.store.list_jobs(f.tenant, false, SECOND).await.unwrap();
    assert_eq!(page.items.iter().map(|job| job.id).collect::<Vec<_>>(), ids[2..4]);
    assert_eq!(page.total, 5);
}

pub async fn runs_come_newest_first_and_by_filter(f: Fixture) {
    let runs = [f.single().await, f.single().await, f.single().await, f.single().await];
    f.store.cancel_run(f.tenant, runs[0].id, "x").await.unwrap();
    f.store.cancel_run(f.tenant, runs[2].id, "x").await.unwrap();
    let list = async |filter: RunFilter, page| {
        let listing = f.store.list_runs(f.tenant, filter, page).await.unwrap();
        (listing.items.iter().map(|run| run.id).collect::<Vec<_>>(), listing.total)
    };
    let [a, b, c, d] = runs.each_ref().map(|run| run.id);
    let any = RunFilter::default();
    assert_eq!(list(any.clone(), Fixture::ALL).await, (vec![d, c, b, a], 4));
    assert_eq!(list(any.clone(), SECOND).await, (vec![b, a], 4));
    let canceled = RunFilter { status: Some(RunStatus::Canceled), ..any.clone() };
    assert_eq!(list(canceled.clone(), Fixture::ALL).await, (vec![c, a], 2));
    let of_job = RunFilter { job: Some(runs[1].job), ..any };
    assert_eq!(list(of_job.clone(), Fixture::ALL).await, (vec![b], 1));
    let both = RunFilter { job: Some(runs[1].job), ..canceled };
    assert_eq!(list(both, Fixture::ALL).await, (vec![], 0));
}

pub async fn tasks_come_in_their_order_in_parts(f: Fixture) {
    let run = f.wide(5).await;
    let claimed = f.claim(3).await;
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    let all = f.tasks(run.id).await;
    let page = f.store.tasks(f.tenant, run.id, SECOND).await.unwrap();
    assert_eq!((page.items.as_slice(), page.total), (&all[2..4], 5));
    let statuses: Vec<_> = page.items.iter().map(|task| task.status).collect();
    assert_eq!(statuses, [TaskStatus::Running, TaskStatus::Queued], "each as it stands");
}

pub async fn a_task_is_found_by_its_place(f: Fixture) {
    let targets = f.targets(3).await;
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2], &[]).step(&[2, 0], &[]).build();
    let run = f.enqueue(f.new_run(&job, plan.clone())).await;
    f.single().await;
    for (place, (key, _)) in plan.tasks().enumerate() {
        let task = f.store.task_at(f.tenant, run.id, place as u64).await.unwrap();
        assert_eq!((task.run, task.step, task.target), (run.id, key.step, key.target), "at {place}");
    }
    for place in [5, u64::MAX] {
        let error = f.store.task_at(f.tenant, run.id, place).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "at {place}");
    }
    let elsewhere = f.other_tenant().await;
    assert_eq!(f.store.task_at(elsewhere.tenant, run.id, 0).await.unwrap_err().kind(), ErrorKind::NotFound);
}
