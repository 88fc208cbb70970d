//! Configuration as code: what is desired is made, what differs is told, what is not desired goes when that is asked for.

use opsconductor_core::{
    ErrorKind,
    config::Desired,
    engine::{ConfigChange, RunOptions},
    id::UserId,
    store::Page,
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};
use opsconductor_tests::fleet::{Fleet, object};
use serde_json::json;

on_each_store!(
    what_is_desired_is_made_and_then_nothing_differs,
    what_drifted_is_told_and_put_right,
    what_is_not_desired_goes_when_asked,
    what_cannot_be_changes_nothing,
    who_may_not_change_it_changes_nothing,
);

const HOSTS: &str = "
targets:
  - name: front-1
    hostname: 10.0.0.5
    credential: admin
    tags: [role:app]
    depends_on: [store-1]
  - name: store-1
    hostname: 10.0.0.6
    port: 5986
    credential: admin
    metadata: {winrm_use_https: true}
notifications:
  - {on: failure, channel: webhook, dest: 'https://hooks.example.com/ops'}
";

const JOB: &str = "
name: Restart
version: 1
steps:
  - {type: winrm.exec, shell: cmd, targets: {tags: [role:app]}, command: echo 1}
  - {type: winrm.exec, shell: cmd, target: store-1, command: echo 2}
";

fn desired(files: &[&str]) -> Desired {
    let mut desired = Desired::default();
    for (index, file) in files.iter().enumerate() {
        desired.add(&format!("{index}.yaml"), file).unwrap();
    }
    desired
}

fn told(changes: &[ConfigChange]) -> Vec<String> {
    let line = |it: &ConfigChange| {
        let line = format!("{} {} {} {}", it.action.as_str(), it.kind, it.name, it.differs.join(","));
        line.trim_end().to_owned()
    };
    changes.iter().map(line).collect()
}

async fn what_is_desired_is_made_and_then_nothing_differs(fleet: Fleet) {
    let config = fleet.ops.config();
    let desired = desired(&[JOB, HOSTS]);
    let planned = config.plan(&desired, false).await.unwrap();
    // A target comes after those before it, a job after its targets.
    let expected = [
        "create target store-1",
        "create target front-1",
        "create job Restart",
        "update notifications  rules",
    ];
    assert_eq!(told(&planned), expected);
    assert_eq!(
        fleet.ops.targets().get("store-1").await.unwrap_err().kind(),
        ErrorKind::NotFound,
        "a plan changes nothing"
    );
    assert_eq!(config.apply(&desired, false).await.unwrap(), planned);
    let (app, db) = (
        fleet.ops.targets().get("front-1").await.unwrap(),
        fleet.ops.targets().get("store-1").await.unwrap(),
    );
    assert_eq!((app.spec.port, app.spec.depends_on), (5985, vec![db.id]));
    assert_eq!((db.spec.port, &db.spec.metadata["winrm_use_https"]), (5986, &json!(true)));
    assert_eq!(fleet.ops.notifications().rules().await.unwrap().len(), 1);
    assert!(config.plan(&desired, false).await.unwrap().is_empty());
    assert!(config.apply(&desired, false).await.unwrap().is_empty());
    assert_eq!(fleet.ops.jobs().get("Restart").await.unwrap().version, 1, "nothing was saved again");
}

async fn what_drifted_is_told_and_put_right(fleet: Fleet) {
    let config = fleet.ops.config();
    let wanted = desired(&[HOSTS, JOB]);
    config.apply(&wanted, false).await.unwrap();
    let mut db = fleet.ops.targets().get("store-1").await.unwrap().spec;
    (db.hostname, db.tags) = ("10.9.9.9".to_owned(), vec!["odd".to_owned()]);
    fleet.ops.targets().update("store-1", db).await.unwrap();
    fleet.ops.jobs().set_active("Restart", false).await.unwrap();
    let drift = config.plan(&wanted, false).await.unwrap();
    assert_eq!(told(&drift), ["update target store-1 hostname,tags", "update job Restart is_active"]);
    config.apply(&wanted, false).await.unwrap();
    assert!(config.plan(&wanted, false).await.unwrap().is_empty());

    // The order of two targets turns round: neither ever comes after itself.
    let turned = HOSTS
        .replace("    depends_on: [store-1]\n", "")
        .replace("port: 5986", "port: 5986\n    depends_on: [front-1]");
    let changes = config.apply(&desired(&[&turned, JOB]), false).await.unwrap();
    assert_eq!(told(&changes), ["update target front-1 depends_on", "update target store-1 depends_on"]);
}

async fn what_is_not_desired_goes_when_asked(fleet: Fleet) {
    let config = fleet.ops.config();
    config.apply(&desired(&[HOSTS, JOB, &JOB.replace("Restart", "Once")]), true).await.unwrap();
    let names = || async {
        let targets = fleet.ops.targets().list(&[], Page::default()).await.unwrap();
        targets.items.into_iter().map(|target| target.spec.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["front-1", "store-1"], "those of the fleet were not desired");
    let run = fleet.ops.jobs().run("Once", object(json!({})), RunOptions::default()).await.unwrap();
    run.cancel().await.unwrap();
    let nothing = desired(&["notifications: []"]);
    assert_eq!(told(&config.plan(&nothing, false).await.unwrap()), ["update notifications  rules"]);
    let gone = config.apply(&nothing, true).await.unwrap();
    let mut gone = told(&gone);
    gone[1..3].sort();
    let expected = [
        "update notifications  rules",
        "delete job Once",
        "delete job Restart",
        "delete target front-1",
        "delete target store-1",
    ];
    assert_eq!(gone, expected);
    assert!(names().await.is_empty() && fleet.ops.notifications().rules().await.unwrap().is_empty());
    assert!(!fleet.ops.jobs().get("Once").await.unwrap().is_active, "it has a run, which stays");
    assert_eq!(fleet.ops.jobs().get("Restart").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(config.plan(&nothing, true).await.unwrap().is_empty());
}

async fn what_cannot_be_changes_nothing(fleet: Fleet) {
    let config = fleet.ops.config();
    let before = fleet.ops.targets().list(&[], Page::default()).await.unwrap().total;
    let bad = "
targets:
  - {name: one, hostname: h, credential: absent}
  - {name: two, hostname: 'a b', credential: admin}
  - {name: three, hostname: h, credential: admin, protocol: ssh}
  - {name: four, hostname: h, credential: admin, depends_on: [five, nobody]}
  - {name: five, hostname: h, credential: admin, depends_on: [four]}
jobs:
  - {name: J, version: 1, steps: [{type: winrm.exec, shell: cmd, target: nobody, command: x}]}
  - {name: K, version: 1, steps: []}
";
    let refused = config.apply(&desired(&[bad]), true).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused:?}");
    let mut places: Vec<_> = refused.problems().iter().map(|problem| problem.pointer.as_str()).collect();
    places.sort_unstable();
    let expected = [
        "0.yaml#/jobs/0/steps/0/target",
        "0.yaml#/jobs/1/steps",
        "0.yaml#/targets/0/credential",
        "0.yaml#/targets/1/hostname",
        "0.yaml#/targets/2/credential",
        "0.yaml#/targets/3/depends_on",
        "0.yaml#/targets/3/depends_on",
        "0.yaml#/targets/4/depends_on",
    ];
    assert_eq!(places, expected, "{:#?}", refused.problems());
    assert_eq!(fleet.ops.targets().list(&[], Page::default()).await.unwrap().total, before);
}

async fn who_may_not_change_it_changes_nothing(fleet: Fleet) {
    let scope =
        |role| Scope::new(DEFAULT_TENANT, Actor::User { id: UserId::new(7), name: "ann".to_owned(), role });
    let operator = fleet.engine.scope(scope(Role::Operator));
    let wanted = desired(&[HOSTS]);
    assert_eq!(operator.config().plan(&wanted, false).await.unwrap().len(), 3);
    // Rules for notifications are an admin's; the targets before them are not made either.
    assert_eq!(operator.config().apply(&wanted, false).await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(fleet.ops.targets().get("store-1").await.unwrap_err().kind(), ErrorKind::NotFound);
    let viewer = fleet.engine.scope(scope(Role::Viewer));
    assert_eq!(viewer.config().plan(&wanted, false).await.unwrap_err().kind(), ErrorKind::Forbidden);
}
