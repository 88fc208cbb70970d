//! The record of what was done, as an administrator and a tamperer meet it.

mod tamper;

use std::{collections::BTreeSet, time::Duration};

use opsconductor_core::{
    Engine, ErrorKind, JobSpec,
    audit::{ExportLine, Outcome, Verifier},
    engine::{RunOptions, Scoped},
    id::UserId,
    run::RunStatus,
    store::{AuditFilter, Limit, Page, RunFilter, Store},
    target::TargetSpec,
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
    vault::{Keyring, credential::Credential},
};
use opsconductor_store_pg::{PgOptions, PgStore};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use opsconductor_tests::fleet::{Fleet, PASSWORD, object, steps};
use serde_json::{Map, json};

use super::{LIMIT, quick};

on_each_store!(
    what_people_do_is_recorded_and_no_secret_of_it,
    what_was_refused_is_recorded_too,
    the_use_of_a_credential_is_recorded_with_its_tasks,
    a_change_and_its_record_are_both_there_or_neither,
    two_engines_chain_side_by_side,
    strict_records_come_with_their_changes_and_hold_nothing_up,
    an_export_holds_by_itself,
    a_prefix_goes_and_a_checkpoint_stands_for_it,
    tampering_with_the_database_is_found,
    what_cannot_be_chained_is_set_aside_and_holds_up_nobody,
    an_export_whose_records_go_meanwhile_says_so,
);

const ALL: Page = Page { skip: 0, limit: 100_000 };

/// What was done, the newest last, with the names of the things.
async fn done(fleet: &Fleet) -> Vec<(String, String)> {
    let list = fleet.ops.audit().list(&AuditFilter::default(), ALL).await.unwrap();
    let named = list.items.into_iter().rev().map(|chained| {
        let name = chained.record.details.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        (chained.record.action, name.to_owned())
    });
    named.collect()
}

fn target(name: &str) -> TargetSpec {
    TargetSpec {
        protocol: opsconductor_core::transport::Protocol::Http,
        port: 80,
        credential_ref: None,
        ..plain(name)
    }
}

fn plain(name: &str) -> TargetSpec {
    TargetSpec::winrm(name, "host", opsconductor_core::id::CredentialId::new(1))
}

fn someone(fleet: &Fleet, role: Role) -> Scoped {
    let actor = Actor::User { id: UserId::new(7), name: "eve".to_owned(), role };
    fleet.engine.scope(Scope::new(DEFAULT_TENANT, actor))
}

async fn what_people_do_is_recorded_and_no_secret_of_it(fleet: Fleet) {
    let before = done(&fleet).await.len();
    assert_eq!(before, 5, "a credential and four targets");
    let ops = someone(&fleet, Role::Operator);
    let secret = Credential::winrm("Administrator", "n3w-s3cret".into());
    ops.credentials().rotate("admin", &secret).await.unwrap();
    let made = ops.targets().create(target("api")).await.unwrap();
    ops.targets().update("api", target("api-2")).await.unwrap();
    ops.targets().delete("api-2").await.unwrap();
    let job = JobSpec::parse(&steps("job", &[("web-1", "print {{ what }}")])).unwrap();
    ops.jobs().create(&job).await.unwrap();
    ops.jobs().set_active("job", true).await.unwrap();
    let parameters = object(json!({"what": "s3cret-parameter"}));
    let run = ops.jobs().run("job", parameters, RunOptions::default()).await.unwrap();
    run.cancel().await.unwrap();
    let again = run.retry().await.unwrap();
    again.cancel().await.unwrap();
    ops.queue().set_limit(opsconductor_core::engine::QueuePart::Job("job"), Limit::running(2)).await.unwrap();
    ops.queue().pause(opsconductor_core::engine::QueuePart::Tenant, "s3cret-reason").await.unwrap();
    ops.queue().resume(opsconductor_core::engine::QueuePart::Tenant).await.unwrap();
    let list = fleet.ops.audit().list(&AuditFilter::default(), ALL).await.unwrap();
    let mine: Vec<_> = list.items.iter().rev().skip(before).map(|chained| &chained.record).collect();
    let actions: Vec<_> = mine.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "credentials.rotate",
            "targets.create",
            "targets.update",
            "targets.delete",
            "jobs.create",
            "jobs.update",
            "runs.create",
            "runs.cancel",
            "runs.retry",
            "runs.cancel",
            "queue.limit",
            "queue.pause",
            "queue.resume",
        ]
    );
    assert!(mine.iter().all(|record| record.actor == "eve" && record.actor_id == Some(UserId::new(7))));
    assert!(mine.iter().all(|record| record.outcome == Outcome::Done));
    assert_eq!(mine[1].resource_id, Some(made.id.get()), "the id that the store gave");
    assert_eq!((mine[6].resource_id, mine[7].resource_id), (Some(run.id().get()), Some(run.id().get())));
    assert_eq!(mine[8].resource_id, Some(again.id().get()));
    let text = format!("{list:?}");
    for secret in [PASSWORD, "n3w-s3cret", "s3cret-parameter", "s3cret-reason"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(fleet.ops.audit().verify(&[]).await.unwrap().is_ok());
}

async fn what_was_refused_is_recorded_too(fleet: Fleet) {
    let before = done(&fleet).await.len();
    let viewer = someone(&fleet, Role::Viewer);
    let refused = viewer.targets().delete("web-1").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    let job = JobSpec::parse(&steps("job", &[("web-1", "print x")])).unwrap();
    assert_eq!(viewer.jobs().create(&job).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let run = viewer.jobs().run("nothing", Map::new(), RunOptions::default()).await;
    assert!(run.is_err_and(|error| error.kind() == ErrorKind::Forbidden));
    let operator = someone(&fleet, Role::Operator);
    for forbidden in [
        operator.audit().list(&AuditFilter::default(), ALL).await.err(),
        operator.audit().verify(&[]).await.err(),
        operator.audit().checkpoint().await.err(),
        operator.audit().public_key().await.err(),
    ] {
        assert_eq!(
            forbidden.map(|error| error.kind()),
            Some(ErrorKind::Forbidden),
            "the record is the admins'"
        );
    }
    let list = fleet.ops.audit().list(&AuditFilter::default(), ALL).await.unwrap();
    let mine: Vec<_> = list.items.iter().rev().skip(before).map(|chained| &chained.record).collect();
    let actions: Vec<_> = mine.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["targets.delete", "jobs.create", "runs.create", "audit.checkpoint"]);
    assert!(mine.iter().all(|record| record.outcome == Outcome::Refused && record.actor == "eve"));
    assert!(fleet.ops.targets().get("web-1").await.is_ok());
}

async fn the_use_of_a_credential_is_recorded_with_its_tasks(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let both = steps("both", &[("web-1", "print a"), ("web-2", "print b"), ("db-1", "print c")]);
    let run = fleet.run(&both, json!({})).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    worker.shutdown().await;
    let filter = AuditFilter { action: Some("credentials.use".to_owned()), ..AuditFilter::default() };
    let list = fleet.ops.audit().list(&filter, ALL).await.unwrap();
    let mut tasks = BTreeSet::new();
    for chained in &list.items {
        assert_eq!(chained.record.actor, "worker");
        let credential = fleet.ops.credentials().get("admin").await.unwrap();
        assert_eq!(chained.record.resource_id, Some(credential.id.get()));
        for used in chained.record.details["tasks"].as_array().unwrap() {
            assert_eq!(used["run"], run.id().get());
            assert!(tasks.insert(used["task"].as_i64().unwrap()), "each task once");
        }
    }
    assert_eq!(tasks.len(), 3);
}

/// Makes targets until it is stopped in the middle of one.
async fn make_targets(ops: Scoped, prefix: String) {
    for n in 0.. {
        ops.targets().create(target(&format!("{prefix}-{n}"))).await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// How many targets there are, and the same ones in the record. A call that was abandoned may yet be committed, so it is looked
/// again for a while.
async fn together(fleet: &Fleet) -> usize {
    let same = async {
        loop {
            if let Some(made) = same(fleet).await {
                return made;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, same).await.expect("what was made is what is recorded")
}

async fn same(fleet: &Fleet) -> Option<usize> {
    let recorded: Vec<_> =
        done(fleet).await.into_iter().filter(|(action, _)| action == "targets.create").collect();
    let recorded: Vec<String> = recorded.into_iter().map(|(_, name)| name).collect();
    let once: BTreeSet<&String> = recorded.iter().collect();
    assert_eq!(once.len(), recorded.len(), "each once");
    let made = fleet.ops.targets().list(&[], ALL).await.unwrap().items;
    let made: BTreeSet<String> = made.into_iter().map(|target| target.spec.name).collect();
    (once.into_iter().cloned().collect::<BTreeSet<_>>() == made).then_some(made.len())
}

async fn a_change_and_its_record_are_both_there_or_neither(fleet: Fleet) {
    for round in 0.. {
        if round >= 20 && fleet.ops.targets().list(&[], ALL).await.unwrap().total > 24 {
            break;
        }
        let callers: Vec<_> = (0..4)
            .map(|caller| tokio::spawn(make_targets(fleet.ops.clone(), format!("t-{round}-{caller}"))))
            .collect();
        tokio::time::sleep(Duration::from_millis(3 + round % 50)).await;
        // Wherever each of them is in its call.
        callers.iter().for_each(|caller| caller.abort());
        for caller in callers {
            let _ = caller.await;
        }
    }
    assert!(together(&fleet).await > 24);
    assert!(fleet.ops.audit().verify(&[]).await.unwrap().is_ok());
}

/// Another store on the same place, as another process has it.
async fn another(fleet: &Fleet) -> std::sync::Arc<dyn Store> {
    match (&fleet.folder, &fleet.place) {
        (Some(folder), _) => {
            let file = folder.path().join("ops.db");
            std::sync::Arc::new(SqliteStore::open(file, SqliteOptions::default()).unwrap())
        }
        (_, Some(place)) => {
            let options = PgOptions::default().with_schema(place.schema());
            std::sync::Arc::new(PgStore::connect(place.url(), options).await.unwrap())
        }
        _ => fleet.engine.store().clone(),
    }
}

async fn engine_on(store: std::sync::Arc<dyn Store>, is_strict: bool) -> Engine {
    let keys = Keyring::generate().unwrap();
    Engine::builder().shared_store(store).keys(keys).strict_audit(is_strict).build().unwrap()
}

async fn two_engines_chain_side_by_side(fleet: Fleet) {
    let other = engine_on(another(&fleet).await, false).await;
    let workers = [fleet.engine.worker(quick()).unwrap(), other.worker(quick()).unwrap()];
    let mut callers = Vec::new();
    for (n, ops) in
        [fleet.ops.clone(), other.local(), fleet.ops.clone(), other.local()].into_iter().enumerate()
    {
        callers.push(tokio::spawn(async move {
            for m in 0..25 {
                ops.targets().create(target(&format!("t-{n}-{m}"))).await.unwrap();
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    for worker in workers {
        worker.shutdown().await;
    }
    assert_eq!(
        fleet.engine.store().audit_state(DEFAULT_TENANT).await.unwrap().staged,
        0,
        "chained at shutdown"
    );
    assert_eq!(together(&fleet).await, 104);
    let report = fleet.ops.audit().verify(&[]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.records, 105);
}

async fn strict_records_come_with_their_changes_and_hold_nothing_up(fleet: Fleet) {
    // Twice as many callers as there are connections, all in one tenant, while a second engine chains what is staged and takes tasks.
    let strict = engine_on(another(&fleet).await, true).await;
    let worker = fleet.engine.worker(quick().with_concurrency(4)).unwrap();
    let job = JobSpec::parse(&steps("job", &[("web-1", "print x")])).unwrap();
    strict.local().jobs().create(&job).await.unwrap();
    let mut callers = Vec::new();
    for n in 0..24 {
        let ops = if n % 4 == 0 { fleet.ops.clone() } else { strict.local() };
        callers.push(tokio::spawn(async move {
            for m in 0..5 {
                let made = ops.targets().create(target(&format!("t-{n}-{m}"))).await.unwrap();
                ops.targets().update(&made.spec.name, target(&format!("u-{n}-{m}"))).await.unwrap();
                ops.jobs().run("job", Map::new(), RunOptions::default()).await.unwrap();
            }
        }));
    }
    let all = async {
        for caller in callers {
            caller.await.unwrap();
        }
        while fleet
            .ops
            .runs()
            .list(RunFilter { status: Some(RunStatus::Succeeded), ..RunFilter::default() }, ALL)
            .await
            .unwrap()
            .total
            < 120
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("nobody waits for ever");
    worker.shutdown().await;
    let before = fleet.engine.store().audit_state(DEFAULT_TENANT).await.unwrap();
    strict.local().targets().create(target("last")).await.unwrap();
    let after = fleet.engine.store().audit_state(DEFAULT_TENANT).await.unwrap();
    assert_eq!((after.head.size, after.staged), (before.head.size + 1, 0), "chained when the call returns");
    let report = fleet.ops.audit().verify(&[]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let actions = done(&fleet).await;
    for (action, count) in [("targets.create", 125), ("targets.update", 120), ("runs.create", 120)] {
        assert_eq!(actions.iter().filter(|(done, _)| done == action).count(), count, "{action}");
    }
}

/// The whole export.
async fn export(fleet: &Fleet) -> Vec<String> {
    let mut export = fleet.ops.audit().export().await.unwrap();
    let mut all = String::new();
    while let Some((lines, _)) = export.next().await.unwrap() {
        all += &lines;
    }
    all.lines().map(str::to_owned).collect()
}

async fn an_export_holds_by_itself(fleet: Fleet) {
    let lines = export(&fleet).await;
    assert_eq!(lines.len(), 6, "five records and a checkpoint");
    let key = fleet.ops.audit().public_key().await.unwrap();
    let mut verifier = Verifier::new(DEFAULT_TENANT, Default::default());
    let ExportLine::Checkpoint(note) = ExportLine::parse(&lines[5]).unwrap() else {
        panic!("no checkpoint at the end")
    };
    verifier.expect(key.open(&note).unwrap().head);
    for line in &lines[..5] {
        let ExportLine::Record(record) = ExportLine::parse(line).unwrap() else {
            panic!("no record: {line}")
        };
        verifier.read_alone(&record);
    }
    let report = verifier.finish();
    assert!(report.is_ok(), "{report:?}");
    assert!(fleet.ops.audit().verify(&[&note]).await.unwrap().is_ok());
    let elsewhere = Fleet::memory().await.unwrap();
    let foreign = elsewhere.ops.audit().checkpoint().await.unwrap().note;
    let refused = fleet.ops.audit().verify(&[&foreign]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Vault, "a checkpoint by another key is no reference");
}

async fn a_prefix_goes_and_a_checkpoint_stands_for_it(fleet: Fleet) {
    let kept = fleet.ops.audit().checkpoint().await.unwrap();
    let old = fleet.ops.audit().state().await.unwrap().head.size;
    assert_eq!(old, 6, "five changes, and the checkpoint itself");
    let now = chrono::Utc::now() + Duration::from_secs(3_600);
    assert_eq!(fleet.ops.audit().remove_before(now).await.unwrap(), old);
    let state = fleet.ops.audit().state().await.unwrap();
    assert_eq!((state.begins.size, state.head.size), (old, old + 1), "that it went is recorded");
    assert_eq!(done(&fleet).await, [("audit.remove".to_owned(), String::new())]);
    fleet.ops.targets().create(target("later")).await.unwrap();
    let report = fleet.ops.audit().verify(&[]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.records, 2);
    // One from before the prefix went says nothing of what is left, and does no harm.
    assert!(fleet.ops.audit().verify(&[&kept.note]).await.unwrap().is_ok());
    let lines = export(&fleet).await;
    assert!(lines[0].starts_with("{\"checkpoint\":") && lines.len() == 4, "{lines:?}");
    let ExportLine::Checkpoint(note) = ExportLine::parse(&lines[0]).unwrap() else { panic!("{lines:?}") };
    let begins = fleet.ops.audit().public_key().await.unwrap().open(&note).unwrap();
    assert!((begins.head, begins.removed) == (state.begins, true), "it says what became of the rest");
    assert_eq!(fleet.ops.audit().remove_before(chrono::DateTime::UNIX_EPOCH).await.unwrap(), 0);
}

async fn tampering_with_the_database_is_found(fleet: Fleet) {
    if fleet.folder.is_none() && fleet.place.is_none() {
        // Nobody reaches into the memory of a process.
        return;
    }
    let kept = fleet.ops.audit().checkpoint().await.unwrap().note;
    fleet.ops.audit().state().await.unwrap();
    tamper::refused(&fleet, "UPDATE audit_log SET actor = 'eve' WHERE seq = 2").await;
    tamper::refused(&fleet, "DELETE FROM audit_log WHERE seq = 2").await;
    assert!(fleet.ops.audit().verify(&[&kept]).await.unwrap().is_ok());
    let null_hash = "UPDATE audit_log SET record_hash = NULL WHERE seq = 3";
    for (tampering, needs_checkpoint) in [
        ("UPDATE audit_log SET actor = 'eve' WHERE seq = 2", false),
        ("UPDATE audit_log SET details = '{}' WHERE seq = 2", false),
        ("UPDATE audit_log SET details = '[1]' WHERE seq = 2", false),
        ("UPDATE audit_log SET outcome = 'what?', actor = NULL WHERE seq = 6", false),
        ("UPDATE audit_log SET resource_id = 999 WHERE seq = 5", false),
        ("UPDATE audit_log SET prev_hash = record_hash WHERE seq = 5", false),
        (null_hash, false),
        ("DELETE FROM audit_log WHERE seq = 4", false),
        ("DELETE FROM audit_log WHERE seq > 3", false),
        ("UPDATE audit_log SET seq = 100 WHERE seq = 4", false),
        (
            "INSERT INTO tenants (id, name, created_at) SELECT 99, 'other', created_at FROM tenants WHERE id = 1; \
             UPDATE audit_log SET tenant_id = 99 WHERE seq = 4",
            false,
        ),
        (
            "DELETE FROM audit_log WHERE seq > 3; DELETE FROM audit_checkpoints; UPDATE audit_heads SET size = 3, \
             hash = (SELECT record_hash FROM audit_log WHERE seq = 3)",
            true,
        ),
        (
            "UPDATE audit_heads SET begins = 3, begins_hash = (SELECT record_hash FROM audit_log WHERE seq = 3)",
            false,
        ),
        (
            "UPDATE audit_heads SET begins = (SELECT max(size) FROM audit_checkpoints), \
             begins_hash = (SELECT hash FROM audit_checkpoints ORDER BY size DESC LIMIT 1); \
             DELETE FROM audit_log WHERE seq <= (SELECT max(size) FROM audit_checkpoints)",
            false,
        ),
        ("UPDATE audit_checkpoints SET note = 'none'", false),
    ] {
        let undo = tamper::with(&fleet, tampering).await;
        let audit = fleet.ops.audit();
        let alone = audit.verify(&[]).await.unwrap();
        assert_eq!(alone.is_ok(), needs_checkpoint, "{tampering}: {alone:?}");
        let against = audit.verify(&[&kept]).await.unwrap();
        assert!(!against.is_ok(), "{tampering}");
        if tampering.contains("begins") {
            let exported = audit.export().await.map(drop);
            assert_eq!(exported.unwrap_err().kind(), ErrorKind::Conflict, "{tampering}: it is not signed");
        }
        if !tampering.contains("heads") {
            let removed = audit.remove_before(chrono::Utc::now() + Duration::from_secs(60)).await;
            assert_eq!(removed.unwrap_err().kind(), ErrorKind::Conflict, "{tampering}: it is not signed");
        }
        undo.await;
        assert!(fleet.ops.audit().verify(&[&kept]).await.unwrap().is_ok(), "{tampering}");
    }
}

async fn what_cannot_be_chained_is_set_aside_and_holds_up_nobody(fleet: Fleet) {
    if fleet.folder.is_none() && fleet.place.is_none() {
        return;
    }
    done(&fleet).await;
    fleet.ops.targets().create(target("first")).await.unwrap();
    let copy = |tenant: u32, at: &str, entry: &str| {
        format!(
            "INSERT INTO audit_staged (tenant_id, at, entry) SELECT {tenant}, {at}, {entry} FROM audit_staged \
             WHERE tenant_id = 1 AND entry LIKE '%\"first\"%' ORDER BY id LIMIT 1; "
        )
    };
    let never = if fleet.folder.is_some() { "9223372036854775807" } else { "'infinity'::timestamptz" };
    let mut sql =
        "INSERT INTO tenants (id, name, created_at) SELECT 99, 'other', created_at FROM tenants WHERE id = 1; "
            .to_owned();
    // Under another tenant's name, of a tenant that is not there, without a form, with a character that no record holds, at no time.
    sql += &copy(99, "at", "entry");
    sql += &copy(98, "at", "entry");
    sql += &copy(1, "at", "'what?'");
    sql += &copy(1, "at", "replace(entry, '\"targets.create\"', '\"a\\u0000b\"')");
    sql += &copy(1, never, "entry");
    let mut wrong = 3;
    if fleet.folder.is_some() {
        sql += &copy(1, "at", "CAST(x'ff' AS TEXT)");
        wrong += 1;
    }
    tamper::free(&fleet, &sql).await;
    fleet.ops.targets().create(target("second")).await.unwrap();
    let listed = done(&fleet).await;
    let mut expected = vec![("targets.create".to_owned(), "first".to_owned())];
    expected.extend(std::iter::repeat_n(("audit.set_aside".to_owned(), String::new()), wrong));
    expected.push(("targets.create".to_owned(), "second".to_owned()));
    assert_eq!(listed[listed.len() - expected.len()..], expected);
    let report = fleet.ops.audit().verify(&[]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let store = fleet.engine.store();
    let (other, absent) =
        (opsconductor_core::id::TenantId::new(99), opsconductor_core::id::TenantId::new(98));
    let theirs = store.audit_records(other, 0, 10).await.unwrap();
    assert_eq!(theirs.len(), 1);
    assert_eq!(theirs[0].record.action, "audit.set_aside");
    assert_eq!(theirs[0].record.details["why"], "it names another tenant");
    assert_eq!(store.audit_state(absent).await.unwrap(), Default::default(), "it waits no more");
    // A chain that was tampered with so that it cannot go on waits alone.
    tamper::free(&fleet, "UPDATE audit_heads SET size = 0 WHERE tenant_id = 99;").await;
    let actor = Actor::User { id: UserId::new(7), name: "eve".to_owned(), role: Role::Admin };
    let elsewhere = fleet.engine.scope(Scope::new(other, actor));
    elsewhere.targets().create(target("theirs")).await.unwrap();
    fleet.ops.targets().create(target("third")).await.unwrap();
    assert_eq!(done(&fleet).await.last().unwrap().1, "third");
    assert!(fleet.ops.audit().verify(&[]).await.unwrap().is_ok());
    assert!(elsewhere.audit().state().await.is_err(), "and says so to those whose it is");
    assert_eq!(store.audit_state(other).await.unwrap().staged, 1);
}

async fn an_export_whose_records_go_meanwhile_says_so(fleet: Fleet) {
    let mut export = fleet.ops.audit().export().await.unwrap();
    assert_eq!(export.next().await.unwrap().unwrap().1, 0, "what it begins with");
    let now = chrono::Utc::now() + Duration::from_secs(3_600);
    assert!(fleet.ops.audit().remove_before(now).await.unwrap() > 0);
    fleet.ops.targets().create(target("later")).await.unwrap();
    fleet.ops.audit().state().await.unwrap();
    let gone = export.next().await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Conflict, "{gone}");
    assert_eq!(
        export.next().await.unwrap_err().kind(),
        ErrorKind::Conflict,
        "and it does not go on after all"
    );
}
