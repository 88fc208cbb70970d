//! The record of what was done.

use std::time::Duration;

use serde_json::json;

use super::{credentials, kind};
use crate::{
    ErrorKind,
    audit::{
        Chained, Entry, Head, Outcome, Report, Verifier,
        staging::{self, Staged},
    },
    clock::Clock as _,
    id::{LetterId, TenantId, UserId},
    run::TaskStatus,
    store::{
        AuditFilter, Decision, Idempotency, Limit, LimitScope, NewRun, Page, Repeats, Requeue, RunRecord,
        WaitsFor,
    },
    target::TargetSpec,
    tenant::{Actor, Role, Scope},
    testing::store::{Fixture, PlanSketch},
};

fn entry(f: &Fixture, action: &str) -> Entry {
    let actor = Actor::User { id: UserId::new(7), name: "eve".to_owned(), role: Role::Admin };
    Entry::new(&Scope::new(f.tenant, actor), action, "thing").with("name", "n")
}

fn staged(f: &Fixture, action: &str) -> Staged {
    Staged { entry: entry(f, action), strict: false }
}

fn strict(f: &Fixture, action: &str) -> Staged {
    Staged { entry: entry(f, action), strict: true }
}

async fn append(f: &Fixture, count: usize) {
    let entries = (0..count).map(|n| Staged { entry: entry(f, "a.b").with("n", n), strict: false });
    f.store.append_audit(entries.collect()).await.unwrap();
}

/// The whole chain, with all that waits for its place.
async fn chain(f: &Fixture) -> Vec<Chained> {
    while f.store.sequence_audit(100).await.unwrap() > 0 {}
    f.store.audit_records(f.tenant, 0, 100_000).await.unwrap()
}

async fn actions(f: &Fixture) -> Vec<String> {
    chain(f).await.into_iter().map(|chained| chained.record.action).collect()
}

async fn verify(f: &Fixture) -> Report {
    let records = chain(f).await;
    let state = f.store.audit_state(f.tenant).await.unwrap();
    let mut verifier = Verifier::new(f.tenant, state.begins);
    verifier.expect(state.head);
    records.iter().for_each(|chained| verifier.read(chained));
    verifier.finish()
}

pub async fn an_entry_is_chained_when_the_sequencer_comes_by(f: Fixture) {
    assert_eq!(f.store.sequence_audit(10).await.unwrap(), 0);
    assert_eq!(f.store.audit_state(f.tenant).await.unwrap().head, Head::START);
    append(&f, 3).await;
    let state = f.store.audit_state(f.tenant).await.unwrap();
    assert_eq!((state.staged, state.head), (3, Head::START), "it waits for its place");
    assert!(f.store.audit_records(f.tenant, 0, 10).await.unwrap().is_empty());
    assert_eq!(f.store.sequence_audit(2).await.unwrap(), 2);
    assert_eq!(f.store.sequence_audit(2).await.unwrap(), 1);
    assert_eq!(f.store.sequence_audit(2).await.unwrap(), 0);
    let records = f.store.audit_records(f.tenant, 0, 10).await.unwrap();
    let seen: Vec<_> = records.iter().map(|one| (one.record.seq, one.record.details["n"].clone())).collect();
    assert_eq!(seen, [(1, json!(0)), (2, json!(1)), (3, json!(2))]);
    let state = f.store.audit_state(f.tenant).await.unwrap();
    assert_eq!(state.head, Head { size: 3, hash: records[2].hash });
    assert_eq!(state.staged, 0);
    assert!(verify(&f).await.is_ok());
    let nowhere = Entry::by(TenantId::new(999), None, "x", "a.b", "a");
    let refused = f.store.append_audit(vec![Staged { entry: nowhere, strict: false }]).await;
    assert_eq!(kind(refused), ErrorKind::NotFound);
}

/// A run of one task that failed.
async fn failed(f: &Fixture) -> RunRecord {
    let run = f.single().await;
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    run
}

/// The same run again.
async fn again(f: &Fixture, run: &RunRecord) -> NewRun {
    let plan = f.store.run_plan(f.tenant, run.id).await.unwrap();
    let job = f.store.job(f.tenant, run.job).await.unwrap();
    NewRun { parent: Some(run.id), ..f.new_run(&job, plan) }
}

async fn letter(f: &Fixture, run: &RunRecord) -> LetterId {
    f.store.list_dead_letters(f.tenant, Some(run.id), Fixture::ALL).await.unwrap().items[0].id
}

fn id_of<T>(made: &T, id: impl FnOnce(&T) -> i64) -> i64 {
    id(made)
}

/// Makes each call that takes an entry, and gives what was recorded: what was done, and to which id.
async fn changes(f: &Fixture, is_strict: bool) -> Vec<(&'static str, i64)> {
    let (store, tenant) = (&f.store, f.tenant);
    let mut done = Vec::new();
    macro_rules! noted {
        ($action:literal, $call:expr, $id:expr) => {{
            let staged = Staged { entry: entry(f, $action), strict: is_strict };
            let answer = staging::with(staged, $call).await.unwrap();
            done.push(($action, id_of(&answer, $id)));
            answer
        }};
        ($action:literal, $call:expr) => {{
            let staged = Staged { entry: entry(f, $action).about(5), strict: is_strict };
            staging::with(staged, $call).await.unwrap();
            done.push(($action, 5));
        }};
    }
    let credential = credentials::new(f, &f.name("credential")).await;
    noted!("credential.insert", store.insert_credential(tenant, credential.clone()));
    let next = crate::store::NewCredential { version: 2, ..credential.clone() };
    noted!("credential.update", store.update_credential(tenant, 1, next));
    noted!("credential.delete", store.delete_credential(tenant, credential.id));
    let target = noted!("target.insert", store.insert_target(tenant, f.new_target()), |made| made.id.get());
    noted!("target.update", store.update_target(tenant, target.id, target.spec.clone()));
    noted!("target.delete", store.delete_target(tenant, target.id));
    let job = noted!("job.insert", store.insert_job(tenant, f.new_job()), |made| made.id.get());
    noted!("job.update", store.update_job(tenant, job.id, f.new_job()));
    noted!("job.delete", store.delete_job(tenant, job.id));

    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let run =
        noted!("enqueue", store.enqueue(tenant, f.new_run(&job, plan.clone())), |made| made.run.id.get());
    noted!("cancel", store.cancel_run(tenant, run.run.id, "enough"));
    let keyed = NewRun { concurrency_key: Some("k".to_owned()), ..f.new_run(&job, plan) };
    let run = noted!("enqueue.keyed", store.enqueue(tenant, keyed), |made| made.run.id.get());
    store.cancel_run(tenant, run.run.id, "enough").await.unwrap();
    let first = failed(f).await;
    let new = again(f, &first).await;
    let second = noted!("redrive", store.redrive(tenant, first.id, new), |made| made.run.id.get());
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    let new = again(f, &second.run).await;
    let repeat = store.repeat(tenant, second.run.id, new, Repeats::Once);
    noted!("repeat", repeat, |made| made.run.id.get());
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    let gone = failed(f).await;
    let id = letter(f, &gone).await;
    noted!("discard", store.discard_dead_letter(tenant, id));

    let asks = f.single().await;
    let waits = Requeue {
        suspend: Some(WaitsFor::Approval),
        ..Fixture::requeue(f.claim_one().await.lease, Duration::from_secs(60))
    };
    store.requeue(vec![waits]).await.unwrap();
    let yes = Decision { approved: true, by: "eve".to_owned(), note: None };
    noted!("decide", store.decide(tenant, asks.id, 0, None, yes));
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;

    noted!("limit", store.set_limit(tenant, LimitScope::Tenant, Limit::running(3)));
    noted!("pause", store.pause(tenant, LimitScope::Tenant, "x"));
    noted!("resume", store.resume(tenant, LimitScope::Tenant));
    store.set_limit(tenant, LimitScope::Tenant, Limit::default()).await.unwrap();
    done
}

async fn recorded(f: &Fixture) -> Vec<(String, i64)> {
    let of = |chained: Chained| (chained.record.action, chained.record.resource_id.unwrap_or_default());
    chain(f).await.into_iter().map(of).collect()
}

pub async fn every_change_takes_its_entry_along(f: Fixture) {
    let done = changes(&f, false).await;
    assert_eq!(done.len(), 19);
    let expected: Vec<_> = done.into_iter().map(|(action, id)| (action.to_owned(), id)).collect();
    assert_eq!(recorded(&f).await, expected);
    assert!(verify(&f).await.is_ok());
}

pub async fn a_change_that_fails_leaves_no_entry(f: Fixture) {
    let target = f.store.insert_target(f.tenant, f.new_target()).await.unwrap();
    for staged in [staged(&f, "target.insert"), strict(&f, "target.insert")] {
        let taken = staging::with(staged.clone(), f.store.insert_target(f.tenant, target.spec.clone())).await;
        assert_eq!(kind(taken), ErrorKind::Conflict);
        let lost = TargetSpec { credential_ref: Some(crate::id::CredentialId::new(999)), ..f.new_target() };
        let lost = staging::with(staged.clone(), f.store.insert_target(f.tenant, lost)).await;
        assert_eq!(kind(lost), ErrorKind::InvalidInput);
        let other = f.other_tenant().await;
        let foreign = staging::with(staged.clone(), f.store.delete_target(other.tenant, target.id)).await;
        assert_eq!(kind(foreign), ErrorKind::NotFound);
        let run = f.single().await;
        let plan = f.store.run_plan(f.tenant, run.id).await.unwrap();
        let job = f.store.job(f.tenant, run.job).await.unwrap();
        let nowhere = NewRun { job: crate::id::JobId::new(999), ..f.new_run(&job, plan) };
        assert_eq!(
            kind(staging::with(staged, f.store.enqueue(f.tenant, nowhere)).await),
            ErrorKind::NotFound
        );
    }
    assert!(chain(&f).await.is_empty());
    assert_eq!(staging::take(), None);
}

pub async fn a_repeat_leaves_no_entry(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let key = Idempotency { key: "k".to_owned(), digest: [1; 32] };
    let new = NewRun { idempotency: Some(key), ..f.new_run(&job, plan) };
    for repeated in [false, true, true] {
        let enqueued = staging::with(staged(&f, "enqueue"), f.store.enqueue(f.tenant, new.clone())).await;
        assert_eq!(enqueued.unwrap().repeated, repeated);
    }
    assert_eq!(actions(&f).await, ["enqueue"]);
    let run = f.store.list_runs(f.tenant, Default::default(), Fixture::ALL).await.unwrap().items.remove(0);
    for _ in 0..2 {
        staging::with(staged(&f, "cancel"), f.store.cancel_run(f.tenant, run.id, "x")).await.unwrap();
    }
    assert_eq!(actions(&f).await, ["enqueue", "cancel"], "the second changed nothing");
}

pub async fn a_strict_entry_is_chained_with_its_change(f: Fixture) {
    let done = changes(&f, true).await;
    let state = f.store.audit_state(f.tenant).await.unwrap();
    assert_eq!((state.staged, state.head.size), (0, done.len() as u64), "nothing waits");
    let expected: Vec<_> = done.into_iter().map(|(action, id)| (action.to_owned(), id)).collect();
    assert_eq!(recorded(&f).await, expected);
    assert!(verify(&f).await.is_ok());
}

pub async fn strict_and_staged_entries_make_one_chain(f: Fixture) {
    append(&f, 2).await;
    f.store
        .append_audit(vec![strict(&f, "at.once"), staged(&f, "later"), strict(&f, "at.once")])
        .await
        .unwrap();
    assert_eq!(actions(&f).await, ["at.once", "at.once", "a.b", "a.b", "later"]);
    assert!(verify(&f).await.is_ok());
}

pub async fn a_chain_holds_and_belongs_to_its_tenant(f: Fixture) {
    let other = f.other_tenant().await;
    append(&f, 2).await;
    append(&other, 3).await;
    append(&f, 1).await;
    assert_eq!(chain(&f).await.len(), 3);
    assert_eq!(chain(&other).await.len(), 3);
    for (mine, theirs) in [(&f, &other), (&other, &f)] {
        let report = verify(mine).await;
        assert!(report.is_ok(), "{report:?}");
        assert_eq!(report.head.size, 3);
        assert!(chain(mine).await.iter().all(|chained| chained.record.tenant == mine.tenant));
        let list = mine.store.list_audit(mine.tenant, &AuditFilter::default(), Fixture::ALL).await.unwrap();
        assert!(list.items.iter().all(|chained| chained.record.tenant == mine.tenant));
        let head = mine.store.audit_state(mine.tenant).await.unwrap().head;
        let foreign = theirs.store.add_checkpoint(theirs.tenant, head, "x").await;
        assert_eq!(kind(foreign), ErrorKind::Conflict, "it is another chain");
    }
}

pub async fn sequencers_at_once_leave_no_gap(f: Fixture) {
    for _ in 0..10 {
        append(&f, 20).await;
    }
    let mut at_work = Vec::new();
    for n in 0..4 {
        let (store, late) = (f.store.clone(), strict(&f, "late"));
        at_work.push(tokio::spawn(async move {
            for _ in 0..20 {
                store.sequence_audit(7).await.unwrap();
                if n == 0 {
                    store.append_audit(vec![late.clone()]).await.unwrap();
                }
            }
        }));
    }
    for done in at_work {
        done.await.unwrap();
    }
    let records = chain(&f).await;
    assert_eq!(records.len(), 220);
    assert!(verify(&f).await.is_ok());
    let of_batches = records.iter().filter(|chained| chained.record.action == "a.b");
    assert_eq!(of_batches.count(), 200, "each once");
}

pub async fn records_are_found_by_what_is_asked(f: Fixture) {
    let worker = Entry::by(f.tenant, None, "worker", "credentials.use", "credential").about(3);
    f.store.append_audit(vec![staged(&f, "a.b"), Staged { entry: worker, strict: false }]).await.unwrap();
    let start = f.clock.now();
    f.clock.advance(Duration::from_secs(60));
    f.store.append_audit(vec![staged(&f, "c.d"), staged(&f, "a.b")]).await.unwrap();
    chain(&f).await;
    let all = AuditFilter::default();
    let later = Some(start + Duration::from_secs(30));
    for (filter, expected) in [
        (all.clone(), vec![4, 3, 2, 1]),
        (AuditFilter { actor: Some(UserId::new(7)), ..all.clone() }, vec![4, 3, 1]),
        (AuditFilter { actor: Some(UserId::new(8)), ..all.clone() }, vec![]),
        (AuditFilter { actor_name: Some("worker".to_owned()), ..all.clone() }, vec![2]),
        (AuditFilter { action: Some("a.b".to_owned()), ..all.clone() }, vec![4, 1]),
        (AuditFilter { resource_type: Some("credential".to_owned()), ..all.clone() }, vec![2]),
        (AuditFilter { resource_id: Some(3), ..all.clone() }, vec![2]),
        (AuditFilter { since: later, ..all.clone() }, vec![4, 3]),
        (AuditFilter { until: later, ..all.clone() }, vec![2, 1]),
        (AuditFilter { until: later, action: Some("a.b".to_owned()), ..all.clone() }, vec![1]),
    ] {
        let list = f.store.list_audit(f.tenant, &filter, Fixture::ALL).await.unwrap();
        let found: Vec<u64> = list.items.iter().map(|chained| chained.record.seq).collect();
        assert_eq!((list.total, &found), (expected.len() as u64, &expected), "{filter:?}");
    }
    let part = f.store.list_audit(f.tenant, &all, Page { skip: 1, limit: 2 }).await.unwrap();
    let found: Vec<u64> = part.items.iter().map(|chained| chained.record.seq).collect();
    assert_eq!((part.total, found), (4, vec![3, 2]));
}

pub async fn records_come_in_parts(f: Fixture) {
    append(&f, 5).await;
    chain(&f).await;
    let seqs = async |after, limit| {
        let part = f.store.audit_records(f.tenant, after, limit).await.unwrap();
        part.iter().map(|chained| chained.record.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0, 2).await, [1, 2]);
    assert_eq!(seqs(2, 2).await, [3, 4]);
    assert_eq!(seqs(4, 2).await, [5]);
    assert!(seqs(5, 2).await.is_empty());
}

pub async fn a_checkpoint_is_of_the_chain(f: Fixture) {
    append(&f, 5).await;
    let records = chain(&f).await;
    let head = |n: usize| Head { size: n as u64, hash: records[n - 1].hash };
    let first = f.store.add_checkpoint(f.tenant, head(2), "note 2").await.unwrap();
    assert_eq!((first.head, first.note.as_str()), (head(2), "note 2"));
    assert_eq!(f.store.add_checkpoint(f.tenant, head(2), "again").await.unwrap(), first, "the first stays");
    f.store.add_checkpoint(f.tenant, head(5), "note 5").await.unwrap();
    for wrong in [Head::START, Head { size: 3, ..head(2) }, Head { size: 6, ..head(5) }] {
        assert_eq!(
            kind(f.store.add_checkpoint(f.tenant, wrong, "x").await),
            ErrorKind::Conflict,
            "{wrong:?}"
        );
    }
    let list = f.store.list_checkpoints(f.tenant, Fixture::ALL).await.unwrap();
    let notes: Vec<_> = list.items.iter().map(|kept| kept.note.as_str()).collect();
    assert_eq!((list.total, notes), (2, vec!["note 5", "note 2"]));
    let other = f.other_tenant().await;
    assert_eq!(f.store.list_checkpoints(other.tenant, Fixture::ALL).await.unwrap().total, 0);
}

pub async fn a_prefix_goes_where_a_note_stands_for_it(f: Fixture) {
    append(&f, 8).await;
    let records = chain(&f).await;
    let head = Head { size: 5, hash: records[4].hash };
    f.store.add_checkpoint(f.tenant, head, "checkpoint").await.unwrap();
    assert_eq!(f.store.remove_audit(f.tenant).await.unwrap(), 0, "a checkpoint lets nothing go");
    for wrong in [Head { size: 4, ..head }, Head { size: 9, ..head }] {
        let refused = f.store.begin_audit_after(f.tenant, wrong, "x").await;
        assert_eq!(kind(refused), ErrorKind::Conflict, "{wrong:?}");
    }
    f.store.begin_audit_after(f.tenant, head, "note").await.unwrap();
    let left = chain(&f).await;
    assert_eq!(left.len(), 3, "from then on nobody sees them");
    assert_eq!(f.store.remove_audit(f.tenant).await.unwrap(), 5);
    assert_eq!(f.store.remove_audit(f.tenant).await.unwrap(), 0);
    for earlier in [head, Head { size: 2, hash: records[1].hash }] {
        f.store.begin_audit_after(f.tenant, earlier, "again").await.unwrap();
    }
    assert_eq!(chain(&f).await, left);
    assert_eq!(left.iter().map(|chained| chained.record.seq).collect::<Vec<_>>(), [6, 7, 8]);
    assert_eq!(f.store.audit_state(f.tenant).await.unwrap().begins, head);
    append(&f, 1).await;
    let report = verify(&f).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((report.begins, report.records, report.head.size), (head, 4, 9));
    let all = f.store.list_audit(f.tenant, &AuditFilter::default(), Fixture::ALL).await.unwrap();
    assert_eq!(all.total, 4);
    assert_eq!(f.store.add_checkpoint(f.tenant, head, "x").await.unwrap().note, "note");
}

pub async fn what_happened_before_a_time_is_a_prefix(f: Fixture) {
    let (start, minute) = (f.clock.now(), Duration::from_secs(60));
    assert_eq!(f.store.audit_size_before(f.tenant, start).await.unwrap(), Head::START);
    append(&f, 2).await;
    f.clock.advance(minute * 2);
    append(&f, 2).await;
    let records = chain(&f).await;
    let second = Head { size: 2, hash: records[1].hash };
    assert_eq!(f.store.audit_size_before(f.tenant, start).await.unwrap(), Head::START);
    assert_eq!(f.store.audit_size_before(f.tenant, start + minute).await.unwrap(), second);
    let all = Head { size: 4, hash: records[3].hash };
    assert_eq!(f.store.audit_size_before(f.tenant, start + minute * 10).await.unwrap(), all);
    f.store.begin_audit_after(f.tenant, second, "note").await.unwrap();
    f.store.remove_audit(f.tenant).await.unwrap();
    assert_eq!(f.store.audit_size_before(f.tenant, start + minute).await.unwrap(), second);
}

pub async fn a_key_is_kept_once(f: Fixture) {
    let other = f.other_tenant().await;
    assert_eq!(f.store.audit_key(f.tenant).await.unwrap(), None);
    assert_eq!(f.store.keep_audit_key(f.tenant, &[1, 2]).await.unwrap(), [1, 2]);
    assert_eq!(f.store.keep_audit_key(f.tenant, &[3]).await.unwrap(), [1, 2], "the first stays");
    assert_eq!(f.store.audit_key(f.tenant).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(f.store.audit_key(other.tenant).await.unwrap(), None);
    assert_eq!(kind(f.store.keep_audit_key(TenantId::new(999), &[1]).await), ErrorKind::NotFound);
}

pub async fn whatever_an_entry_says_comes_back(f: Fixture) {
    let said = entry(&f, "a\0b \u{1F600}\u{2028}\"\\")
        .with_outcome(Outcome::Refused)
        .about(i64::MAX)
        .from_client(Some("2001:db8::1"), Some("\u{1}agent\u{7f}"))
        .with("\u{fb33}", json!([null, true, -1, 0.1, 1e300, u64::MAX, {"b": "\0", "a": []}]))
        .with("\u{1F600}", "x".repeat(10_000))
        .with("", json!({}));
    for strict in [false, true] {
        f.store.append_audit(vec![Staged { entry: said.clone(), strict }]).await.unwrap();
    }
    let records = chain(&f).await;
    let report = verify(&f).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(records.len(), 2);
    for Chained { record, .. } in records {
        assert_eq!((record.actor.as_str(), record.actor_id), ("eve", Some(UserId::new(7))));
        assert_eq!(record.action, "a\u{FFFD}b \u{1F600}\u{2028}\"\\");
        assert_eq!((record.resource_id, record.outcome), (Some(i64::MAX), Outcome::Refused));
        assert_eq!(record.ip.as_deref(), Some("2001:db8::1"));
        let expected =
            json!([null, true, -1, "0.1", "1e+300", "18446744073709551615", {"a": [], "b": "\u{FFFD}"}]);
        assert_eq!(record.details["\u{fb33}"], expected);
        assert_eq!(record.details[""], json!({}));
    }
}
