//! Keys are rotated while everything goes on, and what is sealed is shown to nobody without the right.

use std::sync::atomic::{AtomicU64, Ordering};

use opsconductor_core::{
    Engine, ErrorKind, JobSpec, Secret,
    engine::{KeyInfo, KeyStatus, Scoped},
    id::{TenantId, UserId},
    run::RunStatus,
    store::{SealedChange, SealedRecord},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
    vault::{Credential, Keyring, MasterKey, generate_key},
};
use opsconductor_tests::fleet::{Fleet, PASSWORD, object};
use serde_json::json;
use tokio::sync::Notify;

use super::{LIMIT, quick};

on_each_store!(
    records_move_to_the_new_key_and_open_under_it_alone,
    nobody_is_disturbed_by_two_who_rewrap_at_once,
    what_is_cut_off_goes_on_where_it_was,
    a_record_that_was_altered_or_moved_opens_nowhere_and_is_named,
    resealing_gives_every_record_a_fresh_data_key,
    keys_are_for_administrators_of_the_deployment,
    operators_use_a_credential_and_do_not_read_it,
);

/// A former key and the one after it.
struct Keys {
    old: Secret<String>,
    new: Secret<String>,
}

impl Keys {
    fn new() -> Self {
        Self { old: generate_key().unwrap(), new: generate_key().unwrap() }
    }

    fn ring(key: &Secret<String>) -> Keyring {
        Keyring::new(MasterKey::parse(key.expose()).unwrap())
    }

    /// The new key in front of the old one.
    fn both(&self) -> Keyring {
        Self::ring(&self.new).with_former(MasterKey::parse(self.old.expose()).unwrap()).unwrap()
    }

    fn id(key: &Secret<String>) -> String {
        MasterKey::parse(key.expose()).unwrap().id().to_owned()
    }
}

/// Another process on the store of the fleet, with keys of its own.
fn process(fleet: &Fleet, keys: Keyring) -> Engine {
    let builder = Engine::builder().shared_store(fleet.engine.store().clone()).keys(keys);
    builder.connector(fleet.hosts.clone()).build().unwrap()
}

fn secret(password: &str) -> Credential {
    Credential::winrm("Administrator", password.into())
}

fn password(credential: &Credential) -> &str {
    credential.secrets().next().unwrap().expose()
}

/// Credentials under the old key alone: that of the fleet and `count` more, `c0` and so on.
async fn under_old(fleet: &Fleet, keys: &Keys, count: usize) -> Engine {
    let old = process(fleet, Keys::ring(&keys.old));
    old.local().credentials().rotate("admin", &secret(PASSWORD)).await.unwrap();
    for n in 0..count {
        let name = format!("c{n}");
        old.local().credentials().create(&name, &secret(&format!("pass-of-{name}"))).await.unwrap();
    }
    old
}

async fn records(fleet: &Fleet) -> Vec<SealedRecord> {
    fleet.engine.store().sealed_records(None, 10_000).await.unwrap()
}

fn totals(status: &KeyStatus) -> Vec<u64> {
    status.keys.iter().map(KeyInfo::total).collect()
}

async fn records_move_to_the_new_key_and_open_under_it_alone(fleet: Fleet) {
    let keys = Keys::new();
    let old = under_old(&fleet, &keys, 0).await;
    let before = old.local().credentials().get("admin").await.unwrap();
    let job = json!({"name": "j", "version": 1,
        "steps": [{"type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": "print {{ pw }}"}],
        "parameterSchema": {"properties": {"pw": {"type": "string", "secret": true}}, "required": ["pw"]}});
    old.local().jobs().create(&JobSpec::from_value(job)).await.unwrap();
    let run =
        old.local().jobs().run("j", object(json!({"pw": "s3cret-pw"})), Default::default()).await.unwrap();

    let both = process(&fleet, keys.both());
    let (at, old_id) = (both.local(), Keys::id(&keys.old));
    let status = at.keys().status().await.unwrap();
    let kept = records(&fleet).await.len() as u64;
    assert_eq!(status.malformed, 0);
    assert!(status.keys[0].current && status.keys[1].loaded && status.keys[1].id == old_id);
    let held = &status.keys[1].records;
    assert_eq!((held["parameter"], status.keys[0].total()), (1, 0));
    let refused = at.keys().retire(&old_id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let said = refused.to_string();
    assert!(
        said.contains(&format!("{} records", status.keys[1].total())) && said.contains(&old_id),
        "{said}"
    );

    let mut heard = Vec::new();
    let moved = at.keys().in_pages_of(1).rewrap(|progress| heard.push(progress.looked_at)).await.unwrap();
    assert_eq!(heard, (1..=kept).collect::<Vec<_>>());
    // One record of the fleet's own key may be kept beside: what came before the first rotation here.
    let strange = status.keys.get(2).map_or(0, KeyInfo::total);
    assert_eq!((moved.progress.moved, moved.left), (kept - strange, strange), "{moved:?}");
    at.keys().retire(&old_id).await.unwrap();
    assert_eq!(at.keys().retire(&Keys::id(&keys.new)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(at.keys().retire("nobody-knows").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        at.credentials().get("admin").await.unwrap(),
        before,
        "nothing else changed, the version above all"
    );

    let alone = process(&fleet, Keys::ring(&keys.new));
    assert_eq!(password(&alone.local().credentials().reveal("admin").await.unwrap()), PASSWORD);
    let worker = alone.worker(quick()).unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded, "{result:?}");
    assert_eq!(fleet.hosts.received(), ["web-1: print s3cret-pw"]);
    worker.shutdown().await;
}

async fn nobody_is_disturbed_by_two_who_rewrap_at_once(fleet: Fleet) {
    const COUNT: usize = 24;
    let keys = Keys::new();
    let old = under_old(&fleet, &keys, COUNT).await;
    let (one, two) = (process(&fleet, keys.both()), process(&fleet, keys.both()));
    let (one, two, old) = (one.local(), two.local(), old.local());
    let read = async {
        for n in (0..COUNT).chain(0..COUNT) {
            let (name, expected) = (format!("c{n}"), format!("pass-of-c{n}"));
            let opened = one.credentials().reveal(&name).await.unwrap();
            let found = password(&opened);
            assert!(found == expected || found == format!("{expected}-2"), "{name}");
        }
    };
    // Some by a process that does not have the new key yet.
    let rotate = async {
        for n in (0..COUNT).step_by(3) {
            let by = if n % 2 == 0 { &two } else { &old };
            let name = format!("c{n}");
            by.credentials().rotate(&name, &secret(&format!("pass-of-{name}-2"))).await.unwrap();
        }
    };
    let (fives, threes) = (one.keys().in_pages_of(5), two.keys().in_pages_of(3));
    let (first, second, (), ()) = tokio::join!(fives.rewrap(|_| {}), threes.rewrap(|_| {}), read, rotate);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.progress.failed + second.progress.failed, strange(&one).await * 2);
    // What the old process sealed behind their backs is told as left, and moves the next time.
    let last = one.keys().rewrap(|_| {}).await.unwrap();
    assert_eq!(last.left, strange(&one).await);
    one.keys().retire(&Keys::id(&keys.old)).await.unwrap();
    let alone = process(&fleet, Keys::ring(&keys.new)).local();
    for n in 0..COUNT {
        let suffix = if n % 3 == 0 { "-2" } else { "" };
        let opened = alone.credentials().reveal(&format!("c{n}")).await.unwrap();
        assert_eq!(password(&opened), format!("pass-of-c{n}{suffix}"));
    }
}

/// How many records are under a key that none of ours is: the fleet's own.
async fn strange(at: &Scoped) -> u64 {
    let status = at.keys().status().await.unwrap();
    status.keys.iter().filter(|key| !key.loaded).map(KeyInfo::total).sum()
}

async fn what_is_cut_off_goes_on_where_it_was(fleet: Fleet) {
    let keys = Keys::new();
    under_old(&fleet, &keys, 10).await;
    let at = process(&fleet, keys.both()).local();
    let before = at.keys().status().await.unwrap();
    let stop = Notify::new();
    let moved = AtomicU64::new(0);
    let rewrap = async {
        let tell = |progress: opsconductor_core::engine::KeyProgress| {
            moved.store(progress.moved, Ordering::SeqCst);
            stop.notify_one();
        };
        at.keys().in_pages_of(3).rewrap(tell).await
    };
    tokio::select! {
        biased;
        () = stop.notified() => {}
        done = rewrap => panic!("it was to be cut off: {done:?}"),
    }
    let between = at.keys().status().await.unwrap();
    assert!(totals(&between)[0] >= moved.load(Ordering::SeqCst) && totals(&between)[1] > 0, "{between:?}");
    let rest = at.keys().in_pages_of(3).rewrap(|_| {}).await.unwrap();
    let whole = totals(&before)[1];
    assert_eq!(totals(&at.keys().status().await.unwrap())[..2], [whole, 0]);
    assert!(rest.progress.moved < whole, "what was moved stayed moved: {rest:?}");
}

async fn a_record_that_was_altered_or_moved_opens_nowhere_and_is_named(fleet: Fleet) {
    let keys = Keys::new();
    under_old(&fleet, &keys, 7).await;
    let other = fleet.engine.store().create_tenant("acme").await.unwrap().id;
    let elsewhere = process(&fleet, Keys::ring(&keys.old)).scope(Scope::new(other, Actor::Local));
    elsewhere.credentials().create("c0", &secret("pass-of-another")).await.unwrap();
    let at = process(&fleet, keys.both()).local();
    let id = at.credentials().get("c0").await.unwrap().id.to_string();
    let all = records(&fleet).await;
    let of = |tenant: TenantId, id: &str| {
        let mut own = all.iter().filter(|record| record.tenant == tenant && record.id == id);
        own.find(|record| record.kind == "credential").unwrap().clone()
    };
    let good = of(DEFAULT_TENANT, &id);
    let row = of(DEFAULT_TENANT, &at.credentials().get("c1").await.unwrap().id.to_string());
    let foreign = of(other, &elsewhere.credentials().get("c0").await.unwrap().id.to_string());
    let mut flipped = good.sealed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut long = good.sealed.clone();
    long.push(0);
    let cut = good.sealed[..good.sealed.len() - 1].to_vec();
    let stub = good.sealed[..100].to_vec();
    let mut present = good.sealed.clone();
    for wrong in [row.sealed, foreign.sealed, flipped, long, cut, stub, b"pass-of-c0".to_vec(), Vec::new()] {
        let change = SealedChange { at: good.at.clone(), old: present, new: wrong.clone() };
        assert_eq!(fleet.engine.store().replace_sealed(vec![change]).await.unwrap(), [true]);
        let error = at.credentials().reveal("c0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Vault, "{error}");
        assert!(!format!("{error:?}{}", error.report()).contains("pass-of"), "{error:?}");
        present = wrong;
    }
    assert_eq!(at.keys().status().await.unwrap().malformed, 1);
    let moved = at.keys().rewrap(|_| {}).await.unwrap();
    let named: Vec<_> = moved.not_moved.iter().filter(|record| record.id == id).collect();
    assert_eq!(named.len(), 1, "{moved:?}");
    assert!(named[0].reason.contains("not a sealed record"), "{moved:?}");
    assert_eq!(moved.left, 1 + strange(&at).await, "the others were moved");
    assert_eq!(records(&fleet).await.iter().find(|record| record.at == good.at).unwrap().sealed, present);
}

async fn resealing_gives_every_record_a_fresh_data_key(fleet: Fleet) {
    let keys = Keys::new();
    under_old(&fleet, &keys, 3).await;
    let at = process(&fleet, keys.both()).local();
    // What rewrapping leaves as it is.
    let bodies = async || {
        let names = |record: &SealedRecord| record.kind == "credential" && !record.sealed.is_empty();
        let all = records(&fleet).await.into_iter().filter(names);
        all.map(|record| (record.at, record.sealed[record.sealed.len() - 60..].to_vec())).collect::<Vec<_>>()
    };
    let first = bodies().await;
    at.keys().rewrap(|_| {}).await.unwrap();
    assert_eq!(bodies().await, first);
    let versions = at.credentials().list(Default::default()).await.unwrap();
    let moved = at.keys().in_pages_of(2).reseal(|_| {}).await.unwrap();
    let failed = strange(&at).await;
    assert_eq!((moved.progress.moved, moved.progress.failed), (first.len() as u64 - failed, failed));
    let same = bodies().await.iter().zip(&first).filter(|(now, was)| now == was).count();
    assert_eq!(same as u64, failed);
    assert_eq!(at.credentials().list(Default::default()).await.unwrap(), versions);
    assert_eq!(password(&at.credentials().reveal("c1").await.unwrap()), "pass-of-c1");
}

fn person(role: Role) -> Actor {
    Actor::User { id: UserId::new(7), name: "eve".into(), role }
}

async fn keys_are_for_administrators_of_the_deployment(fleet: Fleet) {
    let elsewhere = fleet.engine.store().create_tenant("acme").await.unwrap().id;
    for scope in [
        Scope::new(DEFAULT_TENANT, person(Role::Viewer)),
        Scope::new(DEFAULT_TENANT, person(Role::Operator)),
        Scope::new(elsewhere, person(Role::Admin)),
    ] {
        let at = fleet.engine.scope(scope);
        for refused in [
            at.keys().status().await.map(drop),
            at.keys().rewrap(|_| {}).await.map(drop),
            at.keys().reseal(|_| {}).await.map(drop),
            at.keys().retire("any").await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Forbidden);
        }
    }
    let admin = fleet.engine.scope(Scope::new(DEFAULT_TENANT, person(Role::Admin)));
    assert_eq!(totals(&admin.keys().status().await.unwrap()), [1]);
}

async fn operators_use_a_credential_and_do_not_read_it(fleet: Fleet) {
    let at = |tenant, role| fleet.engine.scope(Scope::new(tenant, person(role)));
    for role in [Role::Viewer, Role::Operator] {
        let refused = at(DEFAULT_TENANT, role).credentials().reveal("admin").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
        // Whether there is one is not told either.
        let refused = at(DEFAULT_TENANT, role).credentials().reveal("absent").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
    }
    let opened = at(DEFAULT_TENANT, Role::Admin).credentials().reveal("admin").await.unwrap();
    assert_eq!(password(&opened), PASSWORD);
    assert!(!format!("{opened:?}").contains(PASSWORD));
    let elsewhere = fleet.engine.store().create_tenant("acme").await.unwrap().id;
    let foreign = at(elsewhere, Role::Admin).credentials().reveal("admin").await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);

    let operator = at(DEFAULT_TENANT, Role::Operator);
    let job = opsconductor_tests::fleet::steps("use", &[("web-1", "print used")]);
    operator.jobs().create(&JobSpec::parse(&job).unwrap()).await.unwrap();
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = operator.jobs().run("use", object(json!({})), Default::default()).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    worker.shutdown().await;
}
