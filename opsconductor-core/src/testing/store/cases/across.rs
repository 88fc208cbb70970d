//! Every call that names a tenant is tried on what is another tenant's. A call that is missing here fails a test of the core,
//! which reads the traits.

use std::time::Duration;

use super::{accounts, api_tokens, credentials, feed::DAY, kind, limits, notifications, sessions};
use crate::{
    ErrorKind, Secret,
    audit::{Entry, Head, staging::Staged},
    clock::Timestamp,
    notify::{Channel, NewNotification, Notification, NotificationStatus, Preferences, Settlement},
    run::TaskStatus,
    store::{
        ApiTokenRecord, AuditFilter, AuditState, CredentialRecord, DeadLetter, Decision, Idempotency,
        JobRecord, Limit, LimitScope, Listing, NewCredential, NewJob, NewRun, NewUser, NotificationCounts,
        NotificationFilter, NotificationSettings, OutputQuery, PasswordChange, Repeats, Requeue, RunFilter,
        RunRecord, SealedParameter, SettingsChange, StepCounts, TaskRecord, UserChange, UserRecord, WaitsFor,
    },
    target::{Target, TargetSpec},
    tenant::Role,
    testing::store::{Fixture, PlanSketch},
};

/// What a tenant has: one of everything.
struct Things {
    credential: CredentialRecord,
    target: Target,
    job: JobRecord,
    /// It failed, with a letter, an output and a secret parameter.
    run: RunRecord,
    task: TaskRecord,
    letter: DeadLetter,
    /// It waits for an answer.
    asking: RunRecord,
    user: UserRecord,
    token: ApiTokenRecord,
    /// It was given up.
    notification: Notification,
    /// What its chain begins after, for which a checkpoint stands.
    chain: Head,
}

/// Calls as `method(arguments but the tenant) => what the other tenant gets`: an error of a kind, or `nothing` where the
/// owner gets something.
macro_rules! every_call {
    ($f:ident, $own:ident; $($method:ident($($argument:expr),*) => $answer:ident;)+) => {
        /// The calls that are tried.
        #[cfg(test)]
        pub(crate) const TRIED: &[&str] = &[$(stringify!($method)),+];

        async fn try_them($f: &Fixture, $own: &Things, other: &Fixture) {
            $(every_call!(@try $answer, $f, other, $method($($argument),*));)+
        }
    };
    (@try nothing, $f:ident, $other:ident, $method:ident($($argument:expr),*)) => {
        let to_owner = $f.store.$method($f.tenant, $($argument),*).await.unwrap();
        assert!(!to_owner.is_nothing(), "{} shows its owner something", stringify!($method));
        let shown = $other.store.$method($other.tenant, $($argument),*).await.unwrap();
        assert!(shown.is_nothing(), "{} shows another tenant something", stringify!($method));
    };
    (@try $kind:ident, $f:ident, $other:ident, $method:ident($($argument:expr),*)) => {
        let refused = $other.store.$method($other.tenant, $($argument),*).await;
        assert_eq!(kind(refused), ErrorKind::$kind, "{}", stringify!($method));
    };
}

every_call! {
    f, own;
    insert_credential(own.another_credential()) => Conflict;
    update_credential(1, own.another_credential()) => NotFound;
    credential(own.credential.id) => NotFound;
    credential_by_name(&own.credential.name) => NotFound;
    list_credentials(Fixture::ALL) => nothing;
    credential_types(&[own.credential.id]) => nothing;
    delete_credential(own.credential.id) => NotFound;
    former_versions(own.credential.id) => NotFound;
    set_expiry(own.credential.id, None) => NotFound;
    insert_target(own.target.spec.clone()) => InvalidInput;
    update_target(own.target.id, TargetSpec { credential_ref: None, ..own.target.spec.clone() }) => NotFound;
    target(own.target.id) => NotFound;
    targets_by_name(std::slice::from_ref(&own.target.spec.name)) => nothing;
    list_targets(&[], Fixture::ALL) => nothing;
    delete_target(own.target.id) => NotFound;
    insert_job(own.another_job(f)) => InvalidInput;
    update_job(own.job.id, f.new_job()) => NotFound;
    job(own.job.id) => NotFound;
    job_by_name(&own.job.name) => NotFound;
    list_jobs(false, Fixture::ALL) => nothing;
    job_versions(own.job.id, Fixture::ALL) => NotFound;
    delete_job(own.job.id) => NotFound;
    enqueue(own.another_run(f)) => NotFound;
    enqueued(own.job.id, &key()) => nothing;
    cancel_run(own.asking.id, "not yours") => NotFound;
    decide(own.asking.id, 0, None, yes()) => NotFound;
    run(own.run.id) => NotFound;
    list_runs(RunFilter::default(), Fixture::ALL) => nothing;
    run_plan(own.run.id) => NotFound;
    run_secrets(own.run.id) => NotFound;
    tasks(own.run.id, Fixture::ALL) => NotFound;
    outcomes(own.run.id) => NotFound;
    task_at(own.run.id, 0) => NotFound;
    attempts(own.run.id, own.task.id) => NotFound;
    events(own.run.id, 0, 10) => NotFound;
    output(own.run.id, OutputQuery::default(), 10) => NotFound;
    questions(Fixture::ALL) => nothing;
    tenant_events(0, 10) => nothing;
    last_tenant_event() => nothing;
    step_counts(DAY) => nothing;
    dead_letter(own.letter.id) => NotFound;
    list_dead_letters(None, Fixture::ALL) => nothing;
    discard_dead_letter(own.letter.id) => NotFound;
    redrive(own.run.id, own.another_run(f)) => NotFound;
    repeat(own.run.id, own.another_run(f), Repeats::Once) => NotFound;
    set_limit(LimitScope::Target(own.target.id), Limit::running(1)) => NotFound;
    limit(LimitScope::Target(own.target.id)) => NotFound;
    list_limits(Fixture::ALL) => nothing;
    pause(LimitScope::Job(own.job.id), "not yours") => NotFound;
    resume(LimitScope::Target(own.target.id)) => NotFound;
    insert_user(own.another_user()) => Conflict;
    user(own.user.id) => NotFound;
    user_by_name(&own.user.name) => NotFound;
    list_users(Fixture::ALL) => nothing;
    change_user(own.user.id, UserChange::default()) => NotFound;
    delete_user(own.user.id) => NotFound;
    upgrade_password(own.user.id, &hash(), &hash()) => nothing;
    begin_family(sessions::new(&own.user, "another")) => NotFound;
    insert_api_token(api_tokens::new(&own.user, "another")) => NotFound;
    api_token(own.token.id) => NotFound;
    list_api_tokens(own.user.id, Fixture::ALL) => nothing;
    delete_api_token(own.token.id) => NotFound;
    audit_state() => nothing;
    audit_records(0, 10) => nothing;
    list_audit(&AuditFilter::default(), Fixture::ALL) => nothing;
    audit_size_before(far()) => nothing;
    add_checkpoint(own.chain, "note") => Conflict;
    list_checkpoints(Fixture::ALL) => nothing;
    begin_audit_after(own.chain, "note") => Conflict;
    remove_audit() => nothing;
    audit_key() => nothing;
    keep_audit_key(b"") => nothing;
    insert_notification(own.another_notification()) => NotFound;
    notification(own.notification.id) => NotFound;
    list_notifications(NotificationFilter::default(), Fixture::ALL) => nothing;
    redrive_notification(own.notification.id) => NotFound;
    notification_counts() => nothing;
    notification_settings() => nothing;
    change_notification_settings(own.taken_secret()) => Conflict;
    notification_secrets() => nothing;
    notification_preferences(own.user.id) => NotFound;
    set_notification_preferences(own.user.id, &Preferences::default()) => NotFound;
}

pub async fn what_is_another_tenants_is_not_there_whatever_the_call(f: Fixture) {
    let other = f.other_tenant().await;
    let own = Things::new(&f).await;
    try_them(&f, &own, &other).await;
    assert!(f.store.credential(f.tenant, own.credential.id).await.unwrap() == own.credential);
    assert_eq!(f.store.target(f.tenant, own.target.id).await.unwrap(), own.target);
    assert_eq!(f.store.job(f.tenant, own.job.id).await.unwrap(), own.job);
    assert_eq!(f.run(own.run.id).await, own.run);
    assert_eq!(f.run(own.asking.id).await, own.asking);
    assert_eq!(f.store.dead_letter(f.tenant, own.letter.id).await.unwrap(), own.letter);
    assert_eq!(f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().total, 1);
    assert_eq!(f.store.user(f.tenant, own.user.id).await.unwrap(), own.user);
    assert_eq!(f.store.api_token(f.tenant, own.token.id).await.unwrap(), own.token);
    let notification = f.store.notification(f.tenant, own.notification.id).await.unwrap();
    assert_eq!(notification.status, NotificationStatus::Failed);
}

impl Things {
    async fn new(f: &Fixture) -> Self {
        let credential = credentials::new(f, "credential").await;
        let credential = f.store.insert_credential(f.tenant, credential).await.unwrap();
        let spec = TargetSpec { credential_ref: Some(credential.id), ..f.new_target() };
        let target = f.store.insert_target(f.tenant, spec).await.unwrap();
        let new = NewJob { targets: vec![target.spec.name.clone()], ..f.new_job() };
        let job = f.store.insert_job(f.tenant, new).await.unwrap();
        limits::limit(f, LimitScope::Target(target.id), 5).await;
        let run = f.enqueue(NewRun { idempotency: Some(key()), ..run_of(f, &job) }).await;
        let lease = f.claim_one().await.lease;
        f.store.append_output(vec![Fixture::piece(lease, 1, "mine")]).await.unwrap();
        f.end(lease, TaskStatus::Failed).await;
        let asking = f.single().await;
        let waits = Requeue {
            suspend: Some(WaitsFor::Approval),
            ..Fixture::requeue(f.claim_one().await.lease, Duration::from_secs(60))
        };
        assert_eq!(f.store.requeue(vec![waits]).await.unwrap(), [true]);
        let letter = f.store.list_dead_letters(f.tenant, None, Fixture::ALL).await.unwrap().items.remove(0);
        let user = accounts::user(f, Role::Operator).await;
        let token = f.store.insert_api_token(f.tenant, api_tokens::new(&user, "token")).await.unwrap();
        let notification = notifications::pending(f, "a@example.com").await;
        let claimed =
            f.store.claim_notifications(&[Channel::Email], 1, Duration::from_secs(60)).await.unwrap();
        let given_up = Settlement::Failed("no".to_owned());
        f.store.settle_notification(notification.id, claimed[0].attempt, given_up).await.unwrap();
        let secret = PasswordChange::Set(notifications::secret("taken"));
        let smtp = SettingsChange::Smtp(notifications::smtp("mail"), secret);
        f.store.change_notification_settings(f.tenant, smtp).await.unwrap();
        let staged = Staged { entry: Entry::by(f.tenant, None, "eve", "a.b", "thing"), strict: true };
        f.store.append_audit(vec![staged.clone()]).await.unwrap();
        let chain = f.store.audit_state(f.tenant).await.unwrap().head;
        f.store.begin_audit_after(f.tenant, chain, "note").await.unwrap();
        f.store.append_audit(vec![staged]).await.unwrap();
        f.store.keep_audit_key(f.tenant, b"sealed").await.unwrap();
        while f.store.number_events(100).await.unwrap() > 0 {}
        Self {
            credential,
            target,
            job,
            run: f.run(run.id).await,
            task: f.tasks(run.id).await.remove(0),
            letter,
            asking: f.run(asking.id).await,
            user,
            token,
            notification,
            chain,
        }
    }

    fn another_credential(&self) -> NewCredential {
        NewCredential {
            id: self.credential.id,
            name: "another".to_owned(),
            description: None,
            credential_type: self.credential.credential_type.clone(),
            version: 2,
            sealed: vec![1],
        }
    }

    fn another_job(&self, f: &Fixture) -> NewJob {
        NewJob { targets: vec![self.target.spec.name.clone()], ..f.new_job() }
    }

    fn another_user(&self) -> NewUser {
        let UserRecord { name, email, role, .. } = self.user.clone();
        NewUser { name, email, role, password: hash() }
    }

    fn another_notification(&self) -> NewNotification {
        let Notification { run, channel, dest, payload, .. } = self.notification.clone();
        NewNotification { run, channel, dest, payload, template: None }
    }

    fn taken_secret(&self) -> SettingsChange {
        SettingsChange::WebhookSecret(notifications::secret("taken"), Duration::ZERO)
    }

    fn another_run(&self, f: &Fixture) -> NewRun {
        run_of(f, &self.job)
    }
}

fn run_of(f: &Fixture, job: &JobRecord) -> NewRun {
    let sealed =
        SealedParameter { name: "a".to_owned(), id: "id".to_owned(), version: 1, sealed: b"sealed".to_vec() };
    let plan = PlanSketch::new(job, &[]).step(&[], &[]).secret("a").build();
    NewRun { secrets: vec![sealed], ..f.new_run(job, plan) }
}

fn key() -> Idempotency {
    Idempotency { key: "key".to_owned(), digest: [1; 32] }
}

/// Later than anything that is recorded here.
fn far() -> Timestamp {
    Timestamp::MAX_UTC
}

fn hash() -> Secret<String> {
    Secret::from("hash 1")
}

fn yes() -> Decision {
    Decision { approved: true, by: "eve".to_owned(), note: None }
}

/// What can be shown to be empty.
trait Shown {
    fn is_nothing(&self) -> bool;
}

impl<T> Shown for Listing<T> {
    fn is_nothing(&self) -> bool {
        self.items.is_empty() && self.total == 0
    }
}

impl Shown for AuditState {
    fn is_nothing(&self) -> bool {
        self.head == Head::START && self.staged == 0
    }
}

impl Shown for NotificationCounts {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Shown for NotificationSettings {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Shown for Head {
    fn is_nothing(&self) -> bool {
        *self == Self::START
    }
}

impl Shown for u64 {
    fn is_nothing(&self) -> bool {
        *self == 0
    }
}

impl Shown for StepCounts {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Shown for bool {
    fn is_nothing(&self) -> bool {
        !self
    }
}

impl<T> Shown for Vec<T> {
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl<T> Shown for Option<T> {
    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// The methods with a tenant among their arguments, read from the traits as they are written.
    fn methods() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let mut methods = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = fs::read_to_string(&file).unwrap();
            for of_trait in source.split("pub trait ").skip(1) {
                let of_trait = of_trait.split("\n}\n").next().unwrap();
                for method in of_trait.split("    async fn ").skip(1) {
                    let (name, rest) = method.split_once('(').unwrap();
                    let (arguments, _) = rest.split_once(") ->").unwrap();
                    if arguments.contains("tenant: TenantId") {
                        methods.insert(name.to_owned());
                    }
                }
            }
        }
        methods
    }

    #[test]
    fn every_call_that_names_a_tenant_is_tried() {
        let tried: BTreeSet<String> = super::TRIED.iter().map(|name| (*name).to_owned()).collect();
        let methods = methods();
        assert!(methods.contains("credential") && methods.contains("set_limit"), "{methods:?}");
        assert_eq!(tried, methods, "a line for each in `every_call!`");
    }
}
