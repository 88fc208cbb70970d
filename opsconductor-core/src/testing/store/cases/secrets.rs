//! Secret parameters of runs.

use std::time::Duration;

use super::kind;
use crate::{
    ErrorKind,
    run::TaskStatus,
    store::{Idempotency, JobRecord, Keep, NewRun, SealedParameter},
    testing::store::{Fixture, PlanSketch},
};

/// A run with the secret parameters `a` and `b`.
fn new_run(f: &Fixture, job: &JobRecord) -> NewRun {
    let plan = PlanSketch::new(job, &[]).step(&[], &[]).secret("a").secret("b").build();
    let secrets = vec![sealed("a", b"\0\xff not text"), sealed("b", &[7; 70_000])];
    NewRun { secrets, ..f.new_run(job, plan) }
}

fn sealed(name: &str, sealed: &[u8]) -> SealedParameter {
    SealedParameter {
        name: name.to_owned(),
        id: format!("{name} \u{e9}"),
        version: i32::MAX,
        sealed: sealed.to_vec(),
    }
}

pub async fn sealed_parameters_are_kept_as_they_came(f: Fixture) {
    let new = new_run(&f, &f.job().await);
    let run = f.enqueue(new.clone()).await;
    assert_eq!(f.store.run_secrets(f.tenant, run.id).await.unwrap(), new.secrets);
    assert_eq!(f.store.run_plan(f.tenant, run.id).await.unwrap().secrets, ["a", "b"]);
    assert_eq!(run.parameters["a"], "[secret]");
    assert_eq!(f.run(run.id).await, run);
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    assert_eq!(f.store.run_secrets(f.tenant, run.id).await.unwrap(), new.secrets, "also when it is over");
}

pub async fn a_run_has_them_beside_all_else_that_it_says(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(3).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2], &[]).batches(&[1], None).secret("a");
    let secrets = vec![sealed("a", b"a")];
    let plan = plan.timeout_sec(60).max_parallel(2).build();
    let concurrency_key = Some("k".to_owned());
    let new = NewRun { secrets: secrets.clone(), concurrency_key, ..f.new_run(&job, plan) };
    let run = f.enqueue(new).await;
    assert_eq!(f.store.run_secrets(f.tenant, run.id).await.unwrap(), secrets);
    assert_eq!(f.claim(10).await.len(), 1, "the first batch");
}

pub async fn a_run_without_has_none_and_a_repeat_brings_none(f: Fixture) {
    let plain = f.single().await;
    assert_eq!(f.store.run_secrets(f.tenant, plain.id).await.unwrap(), []);
    let idempotency = Some(Idempotency { key: "k".to_owned(), digest: [1; 32] });
    let first = NewRun { idempotency, ..new_run(&f, &f.job().await) };
    let run = f.enqueue(first.clone()).await;
    let mut again = first.clone();
    again.secrets[0] = sealed("a", b"another");
    let repeat = f.store.enqueue(f.tenant, again).await.unwrap();
    assert!(repeat.repeated && repeat.run.id == run.id, "the store cannot tell them apart");
    assert_eq!(f.store.run_secrets(f.tenant, run.id).await.unwrap(), first.secrets);
}

pub async fn what_the_plan_does_not_name_is_refused(f: Fixture) {
    let job = f.job().await;
    let good = new_run(&f, &job);
    let plain = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    for wrong in [
        NewRun { secrets: Vec::new(), ..good.clone() },
        NewRun { secrets: good.secrets[..1].to_vec(), ..good.clone() },
        NewRun { secrets: good.secrets.iter().rev().cloned().collect(), ..good.clone() },
        NewRun { plan: plain, ..good.clone() },
    ] {
        assert_eq!(kind(f.store.enqueue(f.tenant, wrong).await), ErrorKind::InvalidInput);
    }
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
}

pub async fn they_are_of_their_tenant_alone(f: Fixture) {
    let run = f.enqueue(new_run(&f, &f.job().await)).await;
    let other = f.other_tenant().await;
    assert_eq!(kind(other.store.run_secrets(other.tenant, run.id).await), ErrorKind::NotFound);
}

pub async fn they_go_with_their_run_and_not_with_one_that_repeats_it(f: Fixture) {
    let job = f.job().await;
    let new = new_run(&f, &job);
    let first = f.enqueue(new.clone()).await;
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    let child = NewRun { parent: Some(first.id), ..new.clone() };
    let child = f.store.redrive(f.tenant, first.id, child).await.unwrap().run;
    f.clock.advance(Duration::from_secs(3600));
    let keep = Keep { age: Some(Duration::from_secs(60)), runs_per_job: None };
    assert_eq!(f.store.remove_runs(&keep, 10).await.unwrap(), 1);
    assert_eq!(kind(f.store.run_secrets(f.tenant, first.id).await), ErrorKind::NotFound);
    assert_eq!(f.store.run_secrets(f.tenant, child.id).await.unwrap(), new.secrets);
}
