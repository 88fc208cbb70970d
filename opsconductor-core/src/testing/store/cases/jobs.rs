//! Jobs and their versions.

use serde_json::json;

use super::{kind, refusal};
use crate::{
    ErrorKind,
    id::{JobId, TenantId},
    store::{NewJob, Page},
    target::TargetSpec,
    testing::store::Fixture,
};

pub async fn what_was_stored_is_read(f: Fixture) {
    let new = f.new_job();
    let stored = f.store.insert_job(f.tenant, new.clone()).await.unwrap();
    assert_eq!((&stored.name, stored.version, &stored.definition), (&new.name, 1, &new.definition));
    assert!(stored.is_active);
    assert_eq!(f.store.job(f.tenant, stored.id).await.unwrap(), stored);
    assert_eq!(f.store.job_by_name(f.tenant, &new.name).await.unwrap(), stored);
    assert_eq!(kind(f.store.job(f.tenant, JobId::new(999)).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.job_by_name(f.tenant, "nobody's").await), ErrorKind::NotFound);
}

pub async fn a_name_is_used_once(f: Fixture) {
    let (first, second) = (f.job().await, f.job().await);
    let same = NewJob { name: first.name.clone(), ..f.new_job() };
    assert_eq!(kind(f.store.insert_job(f.tenant, same.clone()).await), ErrorKind::Conflict);
    assert_eq!(kind(f.store.update_job(f.tenant, second.id, same.clone()).await), ErrorKind::Conflict);
    assert_eq!(f.store.job(f.tenant, second.id).await.unwrap(), second);
    assert!(f.store.update_job(f.tenant, first.id, same).await.is_ok());
    assert_eq!(kind(f.store.insert_job(TenantId::new(999), f.new_job()).await), ErrorKind::NotFound);
}

pub async fn an_update_adds_the_next_version(f: Fixture) {
    let job = f.job().await;
    let definition = json!({"steps": []});
    let next = NewJob { definition: definition.clone(), is_active: false, ..f.new_job() };
    let second = f.store.update_job(f.tenant, job.id, next.clone()).await.unwrap();
    assert_eq!((second.id, second.version, second.is_active), (job.id, 2, false));
    assert_eq!((&second.definition, second.created_at), (&definition, job.created_at));
    let far = NewJob { version: 7, ..next.clone() };
    assert_eq!(f.store.update_job(f.tenant, job.id, far.clone()).await.unwrap().version, 7);
    assert_eq!(f.store.update_job(f.tenant, job.id, far).await.unwrap().version, 8);
    assert_eq!(f.store.job(f.tenant, job.id).await.unwrap().version, 8);
    let absent = f.store.update_job(f.tenant, JobId::new(999), f.new_job()).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

pub async fn a_version_is_at_least_one(f: Fixture) {
    let zero = NewJob { version: 0, ..f.new_job() };
    assert_eq!(kind(f.store.insert_job(f.tenant, zero).await), ErrorKind::InvalidInput);
    let third = NewJob { version: 3, ..f.new_job() };
    assert_eq!(f.store.insert_job(f.tenant, third).await.unwrap().version, 3);
}

pub async fn a_list_can_leave_out_the_inactive(f: Fixture) {
    let first = f.job().await;
    let idle = NewJob { is_active: false, ..f.new_job() };
    let idle = f.store.insert_job(f.tenant, idle).await.unwrap();
    let all = f.store.list_jobs(f.tenant, false, Fixture::ALL).await.unwrap();
    assert_eq!(all.items, [idle, first.clone()]);
    let active = f.store.list_jobs(f.tenant, true, Fixture::ALL).await.unwrap();
    assert_eq!((active.items, active.total), (vec![first], 1));
}

pub async fn a_job_with_runs_stays(f: Fixture) {
    let run = f.single().await;
    assert_eq!(kind(f.store.delete_job(f.tenant, run.job).await), ErrorKind::Conflict);
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert_eq!(kind(f.store.delete_job(f.tenant, run.job).await), ErrorKind::Conflict);
    let idle = f.job().await;
    f.store.update_job(f.tenant, idle.id, f.new_job()).await.unwrap();
    f.store.delete_job(f.tenant, idle.id).await.unwrap();
    assert_eq!(kind(f.store.job(f.tenant, idle.id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.delete_job(f.tenant, idle.id).await), ErrorKind::NotFound);
}

pub async fn versions_stay_and_come_newest_first(f: Fixture) {
    let (job, other) = (f.job().await, f.job().await);
    let second = NewJob { definition: json!({"second": true}), ..f.new_job() };
    f.store.update_job(f.tenant, job.id, second.clone()).await.unwrap();
    f.store.update_job(f.tenant, job.id, NewJob { version: 9, ..f.new_job() }).await.unwrap();
    f.store.update_job(f.tenant, other.id, f.new_job()).await.unwrap();
    let all = f.store.job_versions(f.tenant, job.id, Fixture::ALL).await.unwrap();
    assert_eq!(all.items.iter().map(|version| version.version).collect::<Vec<_>>(), [9, 2, 1]);
    let [_, kept, first] = &all.items[..] else { panic!("three versions") };
    assert_eq!((&kept.name, &kept.definition), (&second.name, &second.definition));
    assert_eq!((&first.name, &first.definition), (&job.name, &job.definition));
    let part = f.store.job_versions(f.tenant, job.id, Page { skip: 1, limit: 1 }).await.unwrap();
    assert_eq!((&part.items[..], part.total), (&all.items[1..2], 3));
    let absent = f.store.job_versions(f.tenant, JobId::new(999), Fixture::ALL).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
    let elsewhere = f.other_tenant().await;
    let foreign = f.store.job_versions(elsewhere.tenant, job.id, Fixture::ALL).await;
    assert_eq!(kind(foreign), ErrorKind::NotFound);
}

pub async fn an_active_job_names_targets_that_are_there(f: Fixture) {
    let there = f.store.insert_target(f.tenant, f.new_target()).await.unwrap().spec.name;
    let naming = |name: &str| NewJob { targets: vec![there.clone(), name.to_owned()], ..f.new_job() };
    let elsewhere = f.other_tenant().await;
    let foreign = TargetSpec { name: "foreign".to_owned(), ..f.new_target() };
    elsewhere.store.insert_target(elsewhere.tenant, foreign).await.unwrap();
    for name in ["nobody's", "foreign"] {
        let refused = refusal(f.store.insert_job(f.tenant, naming(name)).await);
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert_eq!(f.store.list_jobs(f.tenant, false, Fixture::ALL).await.unwrap().total, 0);
    let idle = NewJob { is_active: false, ..naming("nobody's") };
    let idle = f.store.insert_job(f.tenant, idle).await.unwrap();
    let woken = f.store.update_job(f.tenant, idle.id, naming("nobody's")).await;
    assert_eq!(kind(woken), ErrorKind::InvalidInput);
    assert_eq!(f.store.job(f.tenant, idle.id).await.unwrap(), idle, "nothing changed");
}

pub async fn a_change_of_a_job_that_was_changed_meanwhile_is_refused(f: Fixture) {
    let job = f.job().await;
    let expecting = |version| NewJob { expected_version: Some(version), ..f.new_job() };
    let saved = f.store.update_job(f.tenant, job.id, expecting(job.version)).await.unwrap();
    let late = f.store.update_job(f.tenant, job.id, expecting(job.version)).await;
    assert_eq!(kind(late), ErrorKind::Conflict);
    assert_eq!(f.store.job(f.tenant, job.id).await.unwrap(), saved, "nothing changed");
    assert!(f.store.update_job(f.tenant, job.id, expecting(saved.version)).await.is_ok());
}

pub async fn whoever_is_refused_a_name_finds_who_has_it(f: Fixture) {
    for _ in 0..20 {
        let new = f.new_job();
        let one = async || {
            let answer = f.store.insert_job(f.tenant, new.clone()).await;
            // The moment that the answer is there.
            (answer.map(|job| job.id), f.store.job_by_name(f.tenant, &new.name).await.map(|job| job.id))
        };
        let answers = tokio::join!(one(), one(), one());
        let answers = [answers.0, answers.1, answers.2];
        let [there] = answers.iter().filter_map(|(made, _)| made.as_ref().ok()).collect::<Vec<_>>()[..]
        else {
            panic!("one of them gets the name")
        };
        for (made, found) in &answers {
            assert!(
                made.as_ref().is_ok_and(|made| made == there)
                    || made.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict)
            );
            assert_eq!(found.as_ref().unwrap(), there);
        }
    }
}
