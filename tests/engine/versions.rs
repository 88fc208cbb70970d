//! Former versions of credentials, and credentials that expire.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    Engine, ErrorKind, JobSpec,
    clock::Clock,
    engine::{Expired, WorkerSettings},
    run::{RunStatus, TaskStatus},
    store::memory::MemoryStore,
    target::TargetSpec,
    testing::ManualClock,
    vault::{Credential, Keyring},
};
use opsconductor_tests::{
    fleet::{Fleet, PASSWORD, object, steps},
    scripted::Scripted,
};
use serde_json::json;

use super::{LIMIT, passing};

const DAY: Duration = Duration::from_secs(24 * 3_600);

on_each_store!(one_goes_back_to_a_former_version, an_expiry_is_shown_and_rotation_takes_it_away);

fn secret(password: &str) -> Credential {
    Credential::winrm("Administrator", password.into())
}

async fn one_goes_back_to_a_former_version(fleet: Fleet) {
    let credentials = fleet.ops.credentials();
    assert_eq!(credentials.versions("admin").await.unwrap(), []);
    credentials.rotate("admin", &secret("second")).await.unwrap();
    credentials.rotate("admin", &secret("third")).await.unwrap();
    let kept = credentials.versions("admin").await.unwrap();
    assert_eq!(kept.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(kept[0].kept_until - kept[0].replaced_at, chrono::TimeDelta::days(7));
    let back = credentials.restore("admin", 1).await.unwrap();
    assert_eq!(back.version, 4);
    let opened = credentials.reveal("admin").await.unwrap();
    assert_eq!(opened.secrets().next().unwrap().expose(), PASSWORD);
    let kept: Vec<_> = credentials.versions("admin").await.unwrap().iter().map(|kept| kept.version).collect();
    assert_eq!(kept, [3, 2, 1]);
    for (name, version) in [("admin", 4), ("admin", 9), ("absent", 1)] {
        assert_eq!(credentials.restore(name, version).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

async fn an_expiry_is_shown_and_rotation_takes_it_away(fleet: Fleet) {
    let credentials = fleet.ops.credentials();
    let at = "2031-05-06T07:08:09Z".parse().unwrap();
    assert_eq!(credentials.get("admin").await.unwrap().expires_at, None);
    let set = credentials.set_expiry("admin", Some(at)).await.unwrap();
    assert_eq!((set.expires_at, set.version), (Some(at), 1));
    assert_eq!(credentials.get("admin").await.unwrap(), set);
    assert_eq!(credentials.rotate("admin", &secret("second")).await.unwrap().expires_at, None);
    assert_eq!(credentials.set_expiry("absent", None).await.unwrap_err().kind(), ErrorKind::NotFound);
    for never in [chrono::DateTime::<chrono::Utc>::MIN_UTC, chrono::DateTime::<chrono::Utc>::MAX_UTC] {
        let refused = credentials.set_expiry("admin", Some(never)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
    }
}

/// A worker, its clock, and a job whose credential expires in a day.
async fn expiring(expired: Expired) -> (Engine, Scripted, Arc<ManualClock>) {
    let (clock, hosts) = (Arc::new(ManualClock::new()), Scripted::default());
    let engine = Engine::builder()
        .store(MemoryStore::new(clock.clone()))
        .keys(Keyring::generate().unwrap())
        .connector(hosts.clone())
        .clock(clock.clone())
        .keep_versions(DAY * 2)
        .expired_credentials(expired)
        .build()
        .unwrap();
    let ops = engine.local();
    let credential = ops.credentials().create("admin", &secret("first")).await.unwrap();
    ops.credentials().set_expiry("admin", Some(clock.now() + DAY)).await.unwrap();
    ops.targets().create(TargetSpec::winrm("web-1", "host", credential.id)).await.unwrap();
    ops.jobs().create(&JobSpec::parse(&steps("j", &[("web-1", "print x")])).unwrap()).await.unwrap();
    (engine, hosts, clock)
}

#[tokio::test]
async fn a_task_is_refused_an_expired_credential_where_that_was_asked_for() {
    for expired in [Expired::Refuse, Expired::Use] {
        let (engine, hosts, clock) = expiring(expired).await;
        let worker = engine.worker(WorkerSettings::default()).unwrap();
        let run = async || {
            let run = engine.local().jobs().run("j", object(json!({})), Default::default()).await.unwrap();
            passing(&clock, run.wait(LIMIT)).await.unwrap()
        };
        assert_eq!(run().await.status, RunStatus::Succeeded, "it is good for a day");
        clock.advance(DAY);
        let late = run().await;
        let step = &late.steps[0];
        match expired {
            Expired::Refuse => {
                assert_eq!(step.status, TaskStatus::Failed);
                let said = step.error.as_deref().unwrap();
                assert!(said.contains("expired") && said.contains("admin"), "{said}");
                assert_eq!(hosts.received().len(), 1, "nothing was sent");
            }
            _ => assert_eq!(step.status, TaskStatus::Succeeded, "{step:?}"),
        }
        engine.local().credentials().rotate("admin", &secret("second")).await.unwrap();
        assert_eq!(run().await.status, RunStatus::Succeeded, "the new secret is good");
        passing(&clock, worker.shutdown()).await;
    }
}

#[tokio::test]
async fn workers_remove_versions_that_are_not_kept_any_more() {
    let (engine, _, clock) = expiring(Expired::Use).await;
    let credentials = engine.local();
    credentials.credentials().rotate("admin", &secret("second")).await.unwrap();
    clock.advance(DAY);
    credentials.credentials().rotate("admin", &secret("third")).await.unwrap();
    clock.advance(DAY + Duration::from_secs(1));
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let gone = async {
        while credentials.credentials().versions("admin").await.unwrap().len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    passing(&clock, gone).await;
    let kept = credentials.credentials().versions("admin").await.unwrap();
    assert_eq!(kept.iter().map(|version| version.version).collect::<Vec<_>>(), [2]);
    passing(&clock, worker.shutdown()).await;
}
