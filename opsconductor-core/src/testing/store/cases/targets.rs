//! Targets.

use serde_json::json;

use super::{credentials, kind, refusal};
use crate::{
    ErrorKind,
    id::{CredentialId, TargetId, TenantId},
    run::TaskStatus,
    store::NewJob,
    target::TargetSpec,
    testing::store::Fixture,
};

pub async fn what_was_stored_is_read(f: Fixture) {
    let credential = credentials::new(&f, "c").await;
    f.store.insert_credential(f.tenant, credential.clone()).await.unwrap();
    let before = f.targets(1).await;
    let spec = TargetSpec {
        depends_on: before,
        ..TargetSpec::winrm("wéb", "host.example", credential.id)
            .with_port(5986)
            .with_tag("role:web")
            .with_tag("environment:dev")
            .with_metadata("domain", json!({"name": "EXAMPLE", "n": [1, null]}))
    };
    let stored = f.store.insert_target(f.tenant, spec.clone()).await.unwrap();
    assert_eq!(stored.spec, spec);
    assert_eq!(f.store.target(f.tenant, stored.id).await.unwrap(), stored);
    assert_eq!(kind(f.store.target(f.tenant, TargetId::new(999)).await), ErrorKind::NotFound);
}

pub async fn an_update_replaces_what_it_is(f: Fixture) {
    let stored = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    let spec = f.new_target().with_tag("role:db");
    let changed = f.store.update_target(f.tenant, stored.id, spec.clone()).await.unwrap();
    assert_eq!((changed.id, changed.created_at, &changed.spec), (stored.id, stored.created_at, &spec));
    assert_eq!(f.store.target(f.tenant, stored.id).await.unwrap(), changed);
    let absent = f.store.update_target(f.tenant, TargetId::new(999), f.new_target()).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

pub async fn a_name_is_used_once(f: Fixture) {
    let first = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    let second = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    assert_eq!(kind(f.store.insert_target(f.tenant, first.spec.clone()).await), ErrorKind::Conflict);
    let renamed = f.store.update_target(f.tenant, second.id, first.spec.clone()).await;
    assert_eq!(kind(renamed), ErrorKind::Conflict);
    assert_eq!(f.store.target(f.tenant, second.id).await.unwrap(), second);
    assert!(f.store.update_target(f.tenant, first.id, first.spec.clone()).await.is_ok());
    let nowhere = f.store.insert_target(TenantId::new(999), f.new_target()).await;
    assert_eq!(kind(nowhere), ErrorKind::NotFound);
}

pub async fn what_it_refers_to_must_exist(f: Fixture) {
    let no_credential = TargetSpec { credential_ref: Some(CredentialId::new(999)), ..f.new_target() };
    assert_eq!(kind(f.store.insert_target(f.tenant, no_credential.clone()).await), ErrorKind::InvalidInput);
    let no_target = TargetSpec { depends_on: vec![TargetId::new(999)], ..f.new_target() };
    assert_eq!(kind(f.store.insert_target(f.tenant, no_target.clone()).await), ErrorKind::InvalidInput);
    let stored = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    for wrong in [no_credential, no_target] {
        assert_eq!(kind(f.store.update_target(f.tenant, stored.id, wrong).await), ErrorKind::InvalidInput);
    }
    assert_eq!(f.store.list_targets(f.tenant, &[], Fixture::ALL).await.unwrap().items, [stored]);
}

pub async fn names_that_do_not_exist_are_left_out(f: Fixture) {
    let first = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    let second = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    f.targets(1).await;
    let names = [second.spec.name.clone(), "nobody's".to_owned(), first.spec.name.clone()];
    let mut found = f.store.targets_by_name(f.tenant, &names).await.unwrap();
    found.sort_by_key(|target| target.id);
    assert_eq!(found, [first, second]);
    assert!(f.store.targets_by_name(f.tenant, &[]).await.unwrap().is_empty());
}

pub async fn a_list_by_tags_wants_every_one(f: Fixture) {
    let both = f.new_target().with_tag("role:web").with_tag("environment:dev");
    let both = f.store.insert_target(f.tenant, both).await.unwrap().id;
    let one = f.store.insert_target(f.tenant, f.new_target().with_tag("role:web")).await.unwrap().id;
    let none = f.targets(1).await[0];
    for (tags, expected) in [
        (vec![], vec![none, one, both]),
        (vec!["role:web".to_owned()], vec![one, both]),
        (vec!["role:web".to_owned(), "environment:dev".to_owned()], vec![both]),
        (vec!["role".to_owned()], vec![]),
    ] {
        let listing = f.store.list_targets(f.tenant, &tags, Fixture::ALL).await.unwrap();
        let found: Vec<_> = listing.items.iter().map(|target| target.id).collect();
        assert_eq!(found, expected, "{tags:?}");
        assert_eq!(listing.total, expected.len() as u64);
    }
}

pub async fn a_target_that_another_depends_on_stays(f: Fixture) {
    let first = f.targets(1).await;
    let spec = TargetSpec { depends_on: first.clone(), ..f.new_target() };
    let second = f.store.insert_target(f.tenant, spec).await.unwrap();
    assert_eq!(kind(f.store.delete_target(f.tenant, first[0]).await), ErrorKind::Conflict);
    f.store.delete_target(f.tenant, second.id).await.unwrap();
    f.store.delete_target(f.tenant, first[0]).await.unwrap();
    assert_eq!(kind(f.store.delete_target(f.tenant, first[0]).await), ErrorKind::NotFound);
}

pub async fn a_target_of_a_live_run_stays_and_its_trace_remains(f: Fixture) {
    let run = f.wide(2).await;
    let target = f.tasks(run.id).await[0].target.unwrap();
    assert_eq!(kind(f.store.delete_target(f.tenant, target).await), ErrorKind::Conflict);
    let claimed = f.claim(2).await;
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    assert_eq!(
        kind(f.store.delete_target(f.tenant, target).await),
        ErrorKind::Conflict,
        "the run is still alive"
    );
    f.end(claimed[1].lease, TaskStatus::Succeeded).await;
    f.store.delete_target(f.tenant, target).await.unwrap();
    assert_eq!(f.tasks(run.id).await[0].target, Some(target));
    assert!(f.store.run_plan(f.tenant, run.id).await.unwrap().target(target).is_some());
    assert!(f.targets(1).await[0] != target, "ids are not used again");
}

pub async fn a_target_that_an_active_job_names_stays_and_keeps_its_name(f: Fixture) {
    let target = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    let naming = |targets: &[&str], is_active| NewJob {
        targets: targets.iter().map(|name| (*name).to_owned()).collect(),
        is_active,
        ..f.new_job()
    };
    let job = f.store.insert_job(f.tenant, naming(&[&target.spec.name], true)).await.unwrap();
    let renamed = TargetSpec { name: f.name("renamed"), ..target.spec.clone() };
    let refused = refusal(f.store.delete_target(f.tenant, target.id).await);
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains(&job.name), "{refused}");
    let refused = refusal(f.store.update_target(f.tenant, target.id, renamed.clone()).await);
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains(&job.name), "{refused}");
    assert_eq!(f.store.target(f.tenant, target.id).await.unwrap(), target, "nothing changed");
    let other = TargetSpec { hostname: "192.0.2.7".to_owned(), ..target.spec.clone() };
    f.store.update_target(f.tenant, target.id, other).await.unwrap();

    // A job of the same words in another tenant names another target.
    let elsewhere = f.other_tenant().await;
    elsewhere.store.insert_target(elsewhere.tenant, target.spec.clone()).await.unwrap();
    elsewhere.store.insert_job(elsewhere.tenant, naming(&[&target.spec.name], true)).await.unwrap();

    let idle = naming(&[&target.spec.name], false);
    f.store.update_job(f.tenant, job.id, idle.clone()).await.unwrap();
    f.store.update_target(f.tenant, target.id, renamed.clone()).await.unwrap();
    f.store.update_job(f.tenant, job.id, naming(&[&renamed.name], true)).await.unwrap();
    assert_eq!(kind(f.store.delete_target(f.tenant, target.id).await), ErrorKind::Conflict);
    f.store.update_job(f.tenant, job.id, naming(&[], true)).await.unwrap();
    f.store.delete_target(f.tenant, target.id).await.unwrap();
    let again = f.store.update_job(f.tenant, job.id, NewJob { is_active: true, ..idle }).await;
    assert_eq!(kind(again), ErrorKind::InvalidInput);
}

pub async fn a_job_and_the_end_of_its_target_do_not_both_come_through(f: Fixture) {
    for round in 0..10 {
        let target = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
        let job = NewJob { targets: vec![target.spec.name.clone()], ..f.new_job() };
        let renamed = TargetSpec { name: f.name("renamed"), ..target.spec.clone() };
        let taken = async {
            match round % 2 {
                0 => f.store.delete_target(f.tenant, target.id).await,
                _ => f.store.update_target(f.tenant, target.id, renamed).await.map(|_| ()),
            }
        };
        let (saved, taken) = tokio::join!(f.store.insert_job(f.tenant, job), taken);
        match (saved, taken) {
            (Ok(_), Err(error)) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            (Err(error), Ok(())) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
            (saved, taken) => panic!("one of the two comes through: {saved:?}, {taken:?}"),
        }
    }
}
