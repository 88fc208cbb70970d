//! Notifications: written with the end of a run, claimed, settled, and what is said about them.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{accounts, kind};
use crate::{
    ErrorKind,
    audit::{
        Entry,
        staging::{self, Staged},
    },
    id::{NotificationId, RunId},
    notify::{
        Channel, NewNotification, Notification, NotificationStatus, NotifyOn, PlanNotices, Preferences, Rule,
        Settlement, SmtpSecurity, SmtpSettings,
    },
    run::{RunPlan, TaskStatus},
    store::{
        ClaimedNotification, NewSecret, NotificationCounts, NotificationFilter, NotificationSettings, Page,
        PasswordChange, SecretPurpose, SettingsChange,
    },
    tenant::Role,
    testing::store::{Fixture, PlanSketch},
};

const LEASE: Duration = Duration::from_secs(60);
const BOTH: &[Channel] = &[Channel::Email, Channel::Webhook];

fn rule(on: NotifyOn, dest: &str) -> Rule {
    let channel = if dest.starts_with("http") { Channel::Webhook } else { Channel::Email };
    Rule { on, channel, dest: dest.to_owned(), template: None }
}

/// A run over so many targets, of whose end these are told.
async fn run(f: &Fixture, targets: usize, rules: &[Rule]) -> RunId {
    let (job, ids) = (f.job().await, f.targets(targets).await);
    let all: Vec<u32> = (0..targets as u32).collect();
    let plan = PlanSketch::new(&job, &ids).step(&all, &[]).build();
    let notify = PlanNotices { requester: Some("ann".to_owned()), rules: rules.to_vec(), own: 0 };
    let plan = Arc::new(RunPlan { notify, ..(*plan).clone() });
    f.enqueue(f.new_run(&job, plan)).await.id
}

async fn all(f: &Fixture) -> Vec<Notification> {
    f.store.list_notifications(f.tenant, NotificationFilter::default(), Fixture::ALL).await.unwrap().items
}

/// One that waits, of a run that goes on.
pub(super) async fn pending(f: &Fixture, dest: &str) -> Notification {
    let run = f.single().await.id;
    let channel = if dest.starts_with("http") { Channel::Webhook } else { Channel::Email };
    let template = (channel == Channel::Webhook).then(|| "{{ a }}".to_owned());
    let new =
        NewNotification { run, channel, dest: dest.to_owned(), payload: json!({"a": "ü\u{1}"}), template };
    f.store.insert_notification(f.tenant, new).await.unwrap()
}

async fn claim(f: &Fixture, limit: usize) -> Vec<ClaimedNotification> {
    f.store.claim_notifications(BOTH, limit, LEASE).await.unwrap()
}

async fn settle(f: &Fixture, claimed: &ClaimedNotification, settlement: Settlement) -> bool {
    f.store.settle_notification(claimed.notification.id, claimed.attempt, settlement).await.unwrap()
}

pub(super) fn secret(id: &str) -> NewSecret {
    NewSecret { id: id.to_owned(), sealed: [b"OAV1\x01\x01k", id.as_bytes()].concat() }
}

pub(super) fn smtp(host: &str) -> SmtpSettings {
    SmtpSettings {
        host: host.to_owned(),
        port: 587,
        username: Some("ops".to_owned()),
        security: SmtpSecurity::Starttls,
        from_email: "ops@example.com".to_owned(),
        from_name: None,
        ca_pem: None,
    }
}

pub async fn the_end_of_a_run_is_told_with_all_that_belongs_to_it(f: Fixture) {
    let rules = [rule(NotifyOn::Always, "a@example.com"), rule(NotifyOn::Always, "a@example.com")];
    let id = run(&f, 2, &rules).await;
    let claimed = f.claim(2).await;
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    assert!(all(&f).await.is_empty(), "the run is not over");
    f.clock.advance(Duration::from_millis(1_500));
    f.end(claimed[1].lease, TaskStatus::Failed).await;
    let told = all(&f).await;
    assert_eq!(told.len(), 1, "two rules for one place are one message");
    let (told, record) = (&told[0], f.run(id).await);
    assert_eq!((told.run, told.channel, told.dest.as_str()), (id, Channel::Email, "a@example.com"));
    assert_eq!((told.status, told.retries, told.sent_at), (NotificationStatus::Pending, 0, None));
    let payload = &told.payload;
    assert_eq!(payload["job_id"], record.job.get());
    assert_eq!(payload["run_id"], id.get());
    assert_eq!(payload["status"], "failed");
    assert_eq!(payload["requested_by"], "ann");
    assert_eq!(payload["steps_summary"], json!({"total": 2, "succeeded": 1, "failed": 1}));
    assert_eq!(payload["duration"], 1.5);
    let time = |name: &str| payload[name].as_str().unwrap().parse().ok();
    assert_eq!((time("started_at"), time("finished_at")), (record.started_at, record.finished_at));
    assert_eq!(payload["error_details"][0]["reason"], "because");
    assert_eq!(payload["error_details"][0]["step"], "step0");
    assert!(payload["error_details"][0]["target"].is_string());
}

pub async fn who_is_told_depends_on_how_it_ended(f: Fixture) {
    let rules = [NotifyOn::Failure, NotifyOn::Success, NotifyOn::Always, NotifyOn::Lost]
        .map(|on| rule(on, &format!("{on}@example.com")));
    for (status, expected) in [
        (TaskStatus::Succeeded, vec!["always", "success"]),
        (TaskStatus::Failed, vec!["always", "failure"]),
        (TaskStatus::Lost, vec!["always", "failure", "lost"]),
    ] {
        let id = run(&f, 1, &rules).await;
        f.end(f.claim_one().await.lease, status).await;
        let filter = NotificationFilter { run: Some(id), status: None };
        let told = f.store.list_notifications(f.tenant, filter, Fixture::ALL).await.unwrap();
        let mut names: Vec<_> = told.items.iter().map(|one| one.dest.split('@').next().unwrap()).collect();
        names.sort_unstable();
        assert_eq!((names, told.total), (expected.clone(), expected.len() as u64), "{status}");
    }
    let id = run(&f, 1, &rules).await;
    f.store.cancel_run(f.tenant, id, "enough").await.unwrap();
    let told = all(&f).await;
    assert_eq!((told[0].run, told[0].dest.as_str()), (id, "always@example.com"));
    assert_eq!(
        (&told[0].payload["status"], &told[0].payload["started_at"]),
        (&json!("canceled"), &json!(null))
    );
    assert!(told[1].run != id);
}

pub async fn an_end_that_is_told_again_tells_nothing_more(f: Fixture) {
    run(&f, 1, &[rule(NotifyOn::Always, "a@example.com")]).await;
    let lease = f.claim_one().await.lease;
    let stale = crate::store::Lease { epoch: lease.epoch + 1, ..lease };
    f.finish(stale, TaskStatus::Failed).await;
    assert!(all(&f).await.is_empty(), "the lease was not the present one");
    f.end(lease, TaskStatus::Succeeded).await;
    f.finish(lease, TaskStatus::Succeeded).await;
    assert_eq!(all(&f).await.len(), 1, "the end is recorded once");
}

pub async fn a_run_nobody_is_told_of_leaves_nothing(f: Fixture) {
    run(&f, 1, &[]).await;
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    run(&f, 1, &[rule(NotifyOn::Success, "a@example.com")]).await;
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    assert!(all(&f).await.is_empty());
}

pub async fn what_is_due_is_claimed_once_and_again_when_the_lease_is_over(f: Fixture) {
    let first = pending(&f, "a@example.com").await;
    let second = pending(&f, "https://example.com/hook").await;
    let only = f.store.claim_notifications(&[Channel::Webhook], 10, LEASE).await.unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!((only[0].notification.id, only[0].template.as_deref()), (second.id, Some("{{ a }}")));
    assert_eq!((only[0].tenant, only[0].attempt), (f.tenant, 1));
    assert_eq!(only[0].notification.payload, second.payload);
    let rest = claim(&f, 10).await;
    assert_eq!(rest.iter().map(|one| one.notification.id).collect::<Vec<_>>(), [first.id]);
    assert!(claim(&f, 10).await.is_empty(), "both are someone's");
    f.clock.advance(LEASE);
    let again = claim(&f, 1).await;
    assert_eq!((again.len(), again[0].attempt), (1, 2), "whoever had it is gone");
    assert_eq!(claim(&f, 10).await.len(), 1);
    let stale = ClaimedNotification { attempt: 1, ..again[0].clone() };
    assert!(!settle(&f, &stale, Settlement::Failed("late".to_owned())).await);
    assert!(settle(&f, &again[0], Settlement::Sent).await);
    assert!(!settle(&f, &again[0], Settlement::Sent).await, "it is not pending any more");
}

pub async fn four_claims_at_once_get_each_one_once(f: Fixture) {
    for number in 0..12 {
        pending(&f, &format!("{number}@example.com")).await;
    }
    let (a, b, c, d) = tokio::join!(claim(&f, 5), claim(&f, 5), claim(&f, 5), claim(&f, 5));
    let mut ids: Vec<_> = [a, b, c, d].concat().iter().map(|one| one.notification.id).collect();
    ids.extend(claim(&f, 12).await.iter().map(|one| one.notification.id));
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!((ids.len(), count), (12, 12));
}

pub async fn an_attempt_leaves_what_came_of_it(f: Fixture) {
    let id = pending(&f, "a@example.com").await.id;
    let look = async || f.store.notification(f.tenant, id).await.unwrap();
    let claimed = claim(&f, 1).await.remove(0);
    assert!(settle(&f, &claimed, Settlement::Again(Duration::from_secs(10), "busy".to_owned())).await);
    let shown = look().await;
    assert_eq!(
        (shown.status, shown.retries, shown.error.as_deref()),
        (NotificationStatus::Pending, 1, Some("busy"))
    );
    f.clock.advance(Duration::from_millis(9_999));
    assert!(claim(&f, 1).await.is_empty(), "it waits");
    f.clock.advance(Duration::from_millis(1));
    let claimed = claim(&f, 1).await.remove(0);
    assert!(settle(&f, &claimed, Settlement::Failed("gone".to_owned())).await);
    let shown = look().await;
    assert_eq!(
        (shown.status, shown.error.as_deref(), shown.sent_at),
        (NotificationStatus::Failed, Some("gone"), None)
    );
    let counts = f.store.notification_counts(f.tenant).await.unwrap();
    assert_eq!(counts, NotificationCounts { pending: 0, failed: 1 });
    let again = f.store.redrive_notification(f.tenant, id).await.unwrap();
    assert_eq!((again.status, again.retries, again.error), (NotificationStatus::Pending, 0, None));
    assert_eq!(kind(f.store.redrive_notification(f.tenant, id).await), ErrorKind::Conflict);
    let claimed = claim(&f, 1).await.remove(0);
    assert!(settle(&f, &claimed, Settlement::Sent).await);
    let shown = look().await;
    assert_eq!((shown.status, shown.sent_at.is_some(), shown.error), (NotificationStatus::Sent, true, None));
    assert_eq!(kind(f.store.redrive_notification(f.tenant, id).await), ErrorKind::Conflict);
    let none = NotificationId::new(i64::MAX);
    assert_eq!(kind(f.store.redrive_notification(f.tenant, none).await), ErrorKind::NotFound);
}

pub async fn they_are_listed_in_parts_and_by_what_is_wanted(f: Fixture) {
    let mut made = Vec::new();
    for number in 0..3 {
        made.push(pending(&f, &format!("{number}@example.com")).await);
    }
    let claimed = claim(&f, 1).await.remove(0);
    settle(&f, &claimed, Settlement::Sent).await;
    let page = Page { skip: 1, limit: 1 };
    let part = f.store.list_notifications(f.tenant, NotificationFilter::default(), page).await.unwrap();
    assert_eq!((part.total, part.items.len(), part.items[0].id), (3, 1, made[1].id));
    let ids = async |filter| {
        let list = f.store.list_notifications(f.tenant, filter, Fixture::ALL).await.unwrap();
        assert_eq!(list.total, list.items.len() as u64);
        list.items.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let pending = NotificationFilter { status: Some(NotificationStatus::Pending), run: None };
    assert_eq!(ids(pending).await, [made[2].id, made[1].id]);
    let of_run = NotificationFilter { run: Some(made[0].run), status: Some(NotificationStatus::Sent) };
    assert_eq!(ids(of_run).await, [made[0].id]);
    assert!(ids(NotificationFilter { status: Some(NotificationStatus::Failed), ..of_run }).await.is_empty());
    let new = NewNotification {
        run: RunId::new(i64::MAX),
        channel: Channel::Email,
        dest: "a@b".to_owned(),
        payload: json!({}),
        template: None,
    };
    assert_eq!(kind(f.store.insert_notification(f.tenant, new).await), ErrorKind::NotFound);
}

pub async fn a_tenant_that_has_stopped_is_left_out(f: Fixture) {
    let other = f.other_tenant().await;
    pending(&f, "a@example.com").await;
    let theirs = pending(&other, "b@example.com").await;
    let stop = async |stopped| {
        f.store.change_notification_settings(f.tenant, SettingsChange::Stopped(stopped)).await.unwrap();
    };
    stop(true).await;
    assert!(f.store.notification_settings(f.tenant).await.unwrap().stopped);
    let claimed = claim(&f, 10).await;
    assert_eq!((claimed.len(), claimed[0].tenant, claimed[0].notification.id), (1, other.tenant, theirs.id));
    stop(false).await;
    assert_eq!(claim(&f, 10).await.len(), 1);
}

pub async fn old_ones_go_and_those_that_wait_stay(f: Fixture) {
    for number in 0..3 {
        pending(&f, &format!("{number}@example.com")).await;
    }
    for settlement in [Settlement::Sent, Settlement::Failed("no".to_owned())] {
        let claimed = claim(&f, 1).await.remove(0);
        settle(&f, &claimed, settlement).await;
    }
    let age = Duration::from_secs(3_600);
    f.clock.advance(age);
    assert_eq!(f.store.remove_notifications(age, 10).await.unwrap(), 0);
    f.clock.advance(Duration::from_secs(1));
    assert_eq!(f.store.remove_notifications(age, 1).await.unwrap(), 1);
    assert_eq!(f.store.remove_notifications(age, 10).await.unwrap(), 1);
    let left = all(&f).await;
    assert_eq!((left.len(), left[0].status), (1, NotificationStatus::Pending));
}

pub async fn they_go_with_their_run(f: Fixture) {
    run(&f, 1, &[rule(NotifyOn::Always, "a@example.com")]).await;
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    f.clock.advance(Duration::from_secs(10));
    let keep = crate::store::Keep { age: Some(Duration::from_secs(5)), runs_per_job: None };
    assert_eq!(f.store.remove_runs(&keep, 10).await.unwrap(), 1);
    assert!(all(&f).await.is_empty() && claim(&f, 10).await.is_empty());
}

pub async fn what_a_tenant_says_is_kept(f: Fixture) {
    assert_eq!(f.store.notification_settings(f.tenant).await.unwrap(), NotificationSettings::default());
    let change = async |change| f.store.change_notification_settings(f.tenant, change).await;
    let rules = vec![rule(NotifyOn::Lost, "a@example.com"), rule(NotifyOn::Always, "https://example.com")];
    change(SettingsChange::Rules(rules.clone())).await.unwrap();
    change(SettingsChange::Smtp(smtp("one"), PasswordChange::Set(secret("p1")))).await.unwrap();
    let settings = f.store.notification_settings(f.tenant).await.unwrap();
    assert_eq!(settings, NotificationSettings { smtp: Some(smtp("one")), rules, stopped: false });
    let ids = async || {
        let secrets = f.store.notification_secrets(f.tenant).await.unwrap();
        secrets.into_iter().map(|secret| (secret.purpose, secret.id)).collect::<Vec<_>>()
    };
    let password = |id: &str| (SecretPurpose::Smtp, id.to_owned());
    assert_eq!(ids().await, [password("p1")]);
    change(SettingsChange::Smtp(smtp("two"), PasswordChange::Keep)).await.unwrap();
    assert_eq!(f.store.notification_settings(f.tenant).await.unwrap().smtp, Some(smtp("two")));
    assert_eq!(ids().await, [password("p1")], "it stays");
    change(SettingsChange::Smtp(smtp("two"), PasswordChange::Set(secret("p2")))).await.unwrap();
    assert_eq!(ids().await, [password("p2")]);
    change(SettingsChange::Smtp(smtp("two"), PasswordChange::Remove)).await.unwrap();
    assert!(ids().await.is_empty());
}

pub async fn a_secret_of_webhooks_stays_good_for_a_while_beside_its_successor(f: Fixture) {
    let rotate = async |id: &str, life| {
        let change = SettingsChange::WebhookSecret(secret(id), Duration::from_secs(life));
        f.store.change_notification_settings(f.tenant, change).await
    };
    let ids = async || {
        let secrets = f.store.notification_secrets(f.tenant).await.unwrap();
        assert!(secrets.iter().all(|secret| secret.purpose == SecretPurpose::Webhook));
        secrets.into_iter().map(|secret| secret.id).collect::<Vec<_>>()
    };
    rotate("a", 60).await.unwrap();
    rotate("b", 60).await.unwrap();
    assert_eq!(ids().await, ["b", "a"]);
    assert_eq!(kind(rotate("a", 60).await), ErrorKind::Conflict);
    assert_eq!(ids().await, ["b", "a"], "nothing has changed");
    f.clock.advance(Duration::from_secs(60));
    assert_eq!(ids().await, ["b"]);
    rotate("c", 0).await.unwrap();
    assert_eq!(ids().await, ["c"]);
}

pub async fn secrets_are_in_custody(f: Fixture) {
    let change = SettingsChange::Smtp(smtp("one"), PasswordChange::Set(secret("p")));
    f.store.change_notification_settings(f.tenant, change).await.unwrap();
    let change = SettingsChange::WebhookSecret(secret("w"), Duration::ZERO);
    f.store.change_notification_settings(f.tenant, change).await.unwrap();
    let records = f.store.sealed_records(None, 10).await.unwrap();
    assert_eq!(records.len(), 2, "{records:?}");
    for secret in f.store.notification_secrets(f.tenant).await.unwrap() {
        let record = records.iter().find(|record| record.id == secret.id).unwrap();
        assert_eq!(record.context(), secret.context(f.tenant));
        assert!(record.sealed == secret.sealed);
    }
    let uses = f.store.sealed_by_key().await.unwrap();
    assert_eq!(
        (uses[0].kind, uses[0].key.as_deref(), uses[0].records),
        ("notification-secret", Some("k"), 2)
    );
}

pub async fn what_a_user_wants_is_kept_and_goes_with_them(f: Fixture) {
    let user = accounts::user(&f, Role::Operator).await;
    assert_eq!(f.store.notification_preferences(f.tenant, user.id).await.unwrap(), None);
    for on_success in [false, true] {
        let wants = Preferences { notify_on_success: on_success, ..Preferences::default() };
        f.store.set_notification_preferences(f.tenant, user.id, &wants).await.unwrap();
        assert_eq!(f.store.notification_preferences(f.tenant, user.id).await.unwrap(), Some(wants));
    }
    f.store.delete_user(f.tenant, user.id).await.unwrap();
    assert_eq!(kind(f.store.notification_preferences(f.tenant, user.id).await), ErrorKind::NotFound);
    let wants = Preferences::default();
    assert_eq!(
        kind(f.store.set_notification_preferences(f.tenant, user.id, &wants).await),
        ErrorKind::NotFound
    );
}

pub async fn a_change_takes_its_entry_along(f: Fixture) {
    let user = accounts::user(&f, Role::Operator).await;
    let staged =
        |action: &str| Staged { entry: Entry::by(f.tenant, None, "eve", action, "thing"), strict: true };
    let given_up = pending(&f, "a@example.com").await;
    let claimed = claim(&f, 1).await.remove(0);
    settle(&f, &claimed, Settlement::Failed("no".to_owned())).await;
    let new = NewNotification {
        run: given_up.run,
        channel: Channel::Email,
        dest: "b@example.com".to_owned(),
        payload: json!({}),
        template: None,
    };
    let made = staging::with(staged("insert"), f.store.insert_notification(f.tenant, new)).await.unwrap();
    staging::with(staged("redrive"), f.store.redrive_notification(f.tenant, given_up.id)).await.unwrap();
    let refused = staging::with(staged("refused"), f.store.redrive_notification(f.tenant, given_up.id)).await;
    assert_eq!(kind(refused), ErrorKind::Conflict);
    let change = SettingsChange::Stopped(true);
    staging::with(staged("change"), f.store.change_notification_settings(f.tenant, change)).await.unwrap();
    let wants = Preferences::default();
    let set = f.store.set_notification_preferences(f.tenant, user.id, &wants);
    staging::with(staged("wants"), set).await.unwrap();
    let records = f.store.audit_records(f.tenant, 0, 10).await.unwrap();
    let seen: Vec<_> = records.iter().map(|one| one.record.action.as_str()).collect();
    assert_eq!(seen, ["insert", "redrive", "change", "wants"]);
    assert_eq!(records[0].record.resource_id, Some(made.id.get()));
}
