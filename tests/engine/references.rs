//! Who refers to what: targets that jobs name, credentials that targets use, and names of jobs.

use opsconductor_core::{
    Error, ErrorKind, JobSpec,
    engine::{JobOptions, RunOptions},
    run::RunStatus,
    target::TargetSpec,
    tenant::DEFAULT_TENANT,
    vault::credential::Credential,
};
use opsconductor_tests::fleet::{Fleet, object, steps};
use serde_json::json;

use super::{LIMIT, quick};

on_each_store!(
    what_an_active_job_names_stays_under_its_name,
    a_credential_that_a_target_uses_stays,
    a_credential_of_another_type_is_refused_when_target_and_job_are_saved,
    two_jobs_of_one_definition_have_two_names,
    a_job_that_is_not_active_runs_again_when_it_is,
    two_changes_of_a_job_at_once_are_both_kept,
);

fn spec(name: &str, target: &str) -> JobSpec {
    JobSpec::parse(&steps(name, &[(target, "print x")])).unwrap()
}

fn pointers(error: &Error) -> Vec<&str> {
    error.problems().iter().map(|problem| problem.pointer.as_str()).collect()
}

async fn what_an_active_job_names_stays_under_its_name(fleet: Fleet) {
    let (jobs, targets) = (fleet.ops.jobs(), fleet.ops.targets());
    jobs.create(&spec("nightly", "web-1")).await.unwrap();
    let chosen = json!({"name": "chosen", "version": 1, "steps": [{"type": "winrm.exec", "shell": "cmd",
        "targets": {"tags": ["role:db"]}, "command": "print x"}]});
    jobs.create(&JobSpec::from_value(chosen)).await.unwrap();

    let web = targets.get("web-1").await.unwrap().spec;
    let renamed = TargetSpec { name: "web-9".to_owned(), ..web.clone() };
    for refused in [
        targets.delete("web-1").await.unwrap_err(),
        targets.update("web-1", renamed.clone()).await.unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        assert!(refused.to_string().contains("job nightly"), "{refused}");
    }
    targets.update("web-1", web.with_tag("more")).await.unwrap();
    // What a selector chooses is not named.
    targets.delete("db-1").await.unwrap();

    jobs.set_active("nightly", false).await.unwrap();
    targets.update("web-1", renamed).await.unwrap();
    let refused = jobs.set_active("nightly", true).await.unwrap_err();
    assert_eq!((refused.kind(), pointers(&refused)), (ErrorKind::InvalidJob, vec!["/steps/0/target"]));
    jobs.update_with(
        "nightly",
        &spec("nightly", "web-9"),
        JobOptions { is_active: Some(true), ..Default::default() },
    )
    .await
    .unwrap();
    assert_eq!(targets.delete("web-9").await.unwrap_err().kind(), ErrorKind::Conflict);
    jobs.delete("nightly").await.unwrap();
    targets.delete("web-9").await.unwrap();
}

async fn a_credential_that_a_target_uses_stays(fleet: Fleet) {
    let credentials = fleet.ops.credentials();
    let refused = credentials.delete("admin").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("target "), "{refused}");
    for name in ["web-1", "web-2", "db-1", "gone"] {
        fleet.ops.targets().delete(name).await.unwrap();
    }
    credentials.delete("admin").await.unwrap();
}

async fn a_credential_of_another_type_is_refused_when_target_and_job_are_saved(fleet: Fleet) {
    let key = Credential::ApiKey { api_key: "k".into(), header: None };
    let key = fleet.ops.credentials().create("key", &key).await.unwrap().id;
    let targets = fleet.ops.targets();
    let wrong = TargetSpec { port: 0, ..TargetSpec::ssh("unix", "a b", key) };
    let refused = targets.create(wrong).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(pointers(&refused), ["/hostname", "/port", "/credential_ref"], "all at once");
    let message = &refused.problems()[2].message;
    assert!(message.contains("of the type api_key") && message.contains("one of the type ssh"), "{message}");
    let web = targets.get("web-2").await.unwrap().spec;
    let refused = targets.update("web-2", web.clone().with_credential(key)).await.unwrap_err();
    assert_eq!(pointers(&refused), ["/credential_ref"]);

    // As another program wrote it, past the engine.
    let store = fleet.engine.store();
    let stored = store.insert_target(DEFAULT_TENANT, TargetSpec::winrm("odd", "host", key)).await.unwrap();
    let step =
        |targets| json!({"type": "winrm.exec", "shell": "cmd", "targets": targets, "command": "print x"});
    let job = json!({"name": "j", "version": 1, "steps": [
        step(json!(["web-1", "odd", "zzz"])),
        step(json!({"protocol": "winrm"})),
        {"type": "ssh.exec", "target": "web-1", "command": "x"},
    ]});
    let job = JobSpec::from_value(job);
    let refused = fleet.ops.jobs().create(&job).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidJob);
    assert_eq!(
        pointers(&refused),
        ["/steps/0/targets/1", "/steps/0/targets/2", "/steps/1/targets", "/steps/2/target"]
    );
    let said = &refused.problems()[0].message;
    assert_eq!(
        said,
        "`odd` has a credential of the type api_key, but a winrm.exec step needs one of the type winrm"
    );
    assert_eq!(fleet.ops.jobs().validate(&job).await.unwrap(), refused.problems());
    store.delete_target(DEFAULT_TENANT, stored.id).await.unwrap();
}

async fn two_jobs_of_one_definition_have_two_names(fleet: Fleet) {
    let jobs = fleet.ops.jobs();
    let definition = spec("print", "web-1");
    let named = |name: &str| JobOptions { name: Some(name.to_owned()), ..JobOptions::default() };
    jobs.create_with(&definition, named("one")).await.unwrap();
    let two = JobOptions { version: Some(7), ..named("two") };
    let two = jobs.create_with(&definition, two).await.unwrap();
    assert_eq!((two.name.as_str(), two.version, &two.definition["name"]), ("two", 7, &json!("print")));
    assert_eq!(jobs.create_with(&definition, named("one")).await.unwrap_err().kind(), ErrorKind::Conflict);
    for name in [String::new(), "n".repeat(256)] {
        let refused = jobs.create_with(&definition, named(&name)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
    let renamed = jobs.update_with("two", &definition, named("three")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version, renamed.id), ("three", 8, two.id));
    let worker = fleet.engine.worker(quick()).unwrap();
    for name in ["one", "three"] {
        let run = jobs.run(name, object(json!({})), RunOptions::default()).await.unwrap();
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    worker.shutdown().await;
}

async fn a_job_that_is_not_active_runs_again_when_it_is(fleet: Fleet) {
    let jobs = fleet.ops.jobs();
    let idle = JobOptions { is_active: Some(false), ..JobOptions::default() };
    jobs.create_with(&spec("j", "web-1"), idle).await.unwrap();
    let run = async || jobs.run("j", object(json!({})), RunOptions::default()).await.map(|_| ());
    assert_eq!(run().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!jobs.update("j", &spec("j", "web-2")).await.unwrap().is_active, "an update leaves it as it is");
    let active = jobs.set_active("j", true).await.unwrap();
    assert!(active.is_active && active.definition["steps"][0]["target"] == "web-2");
    run().await.unwrap();
}

async fn two_changes_of_a_job_at_once_are_both_kept(fleet: Fleet) {
    let jobs = fleet.ops.jobs();
    jobs.create(&spec("j", "web-1")).await.unwrap();
    for round in 0..20 {
        let (target, other) = if round % 2 == 0 { ("web-2", "web-1") } else { ("web-1", "web-2") };
        jobs.update("j", &spec("j", other)).await.unwrap();
        jobs.set_active("j", true).await.unwrap();
        let definition = spec("j", target);
        let (updated, idle) = tokio::join!(jobs.update("j", &definition), jobs.set_active("j", false));
        updated.unwrap();
        idle.unwrap();
        let now = jobs.get("j").await.unwrap();
        assert_eq!((now.is_active, &now.definition["steps"][0]["target"]), (false, &json!(target)));
    }
}
