//! Names and passwords.

use std::time::Duration;

use opsconductor_core::{
    ErrorKind, Secret,
    auth::password::Work,
    engine::AccountSettings,
    id::UserId,
    store::{LOGIN_ATTEMPTS_FREE, LOGIN_WAIT_MAX, NewUser},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};

use crate::{
    on_each_store,
    scene::{PASSWORD, Scene, settings, user},
};

/// A hash of the Python system's kind, for `U*U`.
const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

on_each_store!(
    who_knows_the_password_gets_in,
    whoever_does_not_is_told_the_same_for_as_many_hashes,
    attempts_wait_whether_anybody_has_the_name_or_not,
    attempts_at_once_do_not_slip_through,
    a_hash_of_the_python_system_is_replaced,
    a_hash_of_less_work_is_replaced,
);

async fn who_knows_the_password_gets_in(scene: Scene) {
    let ann = scene.user("ann", Role::Operator).await;
    let logged_in = scene.login("ann", PASSWORD).await.unwrap();
    let actor = Actor::User { id: ann.id, name: "ann".to_owned(), role: Role::Operator };
    assert_eq!(logged_in.scope(), Scope::new(DEFAULT_TENANT, actor));
    assert!(!format!("{logged_in:?}").contains(PASSWORD));
    let acme = scene.another_tenant().await;
    user(&acme, "bob", Role::Viewer).await;
    assert_eq!(scene.login("bob", PASSWORD).await.unwrap().scope().tenant, acme.scope().tenant);
}

async fn whoever_does_not_is_told_the_same_for_as_many_hashes(scene: Scene) {
    scene.user("admin", Role::Admin).await;
    let eve = scene.user("eve", Role::Viewer).await;
    scene.user("ann", Role::Viewer).await;
    scene.engine.local().users().deactivate(eve.id).await.unwrap();
    let long = "x".repeat(100_000);
    let mut told = Vec::new();
    for (name, password) in [
        ("ann", "wrong"),
        ("nobody", "wrong"),
        ("nobody", PASSWORD),
        ("ANN", PASSWORD),
        ("ann ", PASSWORD),
        ("", ""),
        ("ann\0", PASSWORD),
        ("eve", PASSWORD),
        ("eve", "wrong"),
        ("ann", ""),
        ("ann", long.as_str()),
        (long.as_str(), PASSWORD),
    ] {
        let before = scene.engine.password_hashes();
        let error = scene.login(name, password).await.unwrap_err();
        assert_eq!(scene.engine.password_hashes() - before, 1);
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unauthenticated, None));
        told.push(error.report());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let before = scene.engine.password_hashes();
    scene.login("ann", PASSWORD).await.unwrap();
    assert_eq!(scene.engine.password_hashes() - before, 1);
}

async fn attempts_wait_whether_anybody_has_the_name_or_not(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let mut told = Vec::new();
    for name in ["ann", "nobody"] {
        for _ in 0..=LOGIN_ATTEMPTS_FREE {
            let error = scene.login(name, "wrong").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        }
        // Whoever knows the password waits too, or it could be guessed meanwhile.
        let hashes = scene.engine.password_hashes();
        let error = scene.login(name, PASSWORD).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert!(error.is_retryable() && !error.report().contains(name));
        assert_eq!(scene.engine.password_hashes(), hashes, "what has to wait costs no hash");
        told.push(error.report());
        // Nor does another process know nothing of it.
        let other = scene.another_engine(settings());
        let error = other.login(name, &Secret::from(PASSWORD)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
    }
    assert_eq!(told[0], told[1]);
    scene.clock.advance(Duration::from_secs(1));
    scene.login("ann", PASSWORD).await.unwrap();
    for _ in 0..=LOGIN_ATTEMPTS_FREE {
        assert_eq!(scene.login("ann", "wrong").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    let wait = scene.login("ann", "wrong").await.unwrap_err().retry_after().unwrap();
    assert!(
        wait <= Duration::from_secs(1) && wait <= LOGIN_WAIT_MAX,
        "a login that went well forgives: {wait:?}"
    );
}

async fn attempts_at_once_do_not_slip_through(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let engine = scene.engine.clone();
        attempts.spawn(async move { engine.login("ann", &Secret::from("wrong")).await.unwrap_err().kind() });
    }
    let ended = attempts.join_all().await;
    let made = ended.iter().filter(|kind| **kind == ErrorKind::Unauthenticated).count();
    let held = ended.iter().filter(|kind| **kind == ErrorKind::Throttled).count();
    assert_eq!((made, held), (LOGIN_ATTEMPTS_FREE as usize + 1, 24 - LOGIN_ATTEMPTS_FREE as usize - 1));
}

async fn a_hash_of_the_python_system_is_replaced(scene: Scene) {
    let stored = |hash: &str| NewUser {
        name: "old".to_owned(),
        email: "old@example.com".to_owned(),
        role: Role::Viewer,
        password: Secret::from(hash),
    };
    let old = scene.store.insert_user(DEFAULT_TENANT, stored(BCRYPT)).await.unwrap();
    assert_eq!(scene.login("old", "U*V").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_eq!(scene.store.login("old").await.unwrap().unwrap().password.expose(), BCRYPT);
    let before = scene.engine.password_hashes();
    assert_eq!(scene.login("old", "U*U").await.unwrap().user().id, old.id);
    assert_eq!(scene.engine.password_hashes() - before, 2, "one to check, one to replace it");
    let now = scene.store.login("old").await.unwrap().unwrap();
    assert!(now.password.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(now.user.token_version, 0, "the password is the same");
    scene.login("old", "U*U").await.unwrap();
    assert_eq!(scene.engine.password_hashes() - before, 3);
    assert_eq!(scene.login("old", "U*V").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

async fn a_hash_of_less_work_is_replaced(scene: Scene) {
    let ann: UserId = scene.user("ann", Role::Viewer).await.id;
    let work = Work::new(20 * 1024, 2, 1).unwrap();
    let stronger = scene.another_engine(AccountSettings { work, ..settings() });
    for hashes in [2, 3] {
        stronger.login("ann", &Secret::from(PASSWORD)).await.unwrap();
        assert_eq!(stronger.password_hashes(), hashes);
    }
    let stored = scene.store.login("ann").await.unwrap().unwrap();
    assert_eq!(stored.user.id, ann);
    assert!(stored.password.expose().contains("m=20480,t=2,p=1"));
    // One that is stronger than what is wanted stays.
    scene.login("ann", PASSWORD).await.unwrap();
    assert!(scene.store.login("ann").await.unwrap().unwrap().password.expose() == stored.password.expose());
}

#[tokio::test]
async fn who_finds_no_place_is_told_so_and_has_made_no_attempt() {
    let scene = Scene::memory();
    scene.user("ann", Role::Viewer).await;
    let narrow = scene.another_engine(AccountSettings { waiting: 0, ..settings() });
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let engine = narrow.clone();
        attempts.spawn(async move { engine.login("ann", &Secret::from("wrong")).await.unwrap_err() });
    }
    let errors = attempts.join_all().await;
    let busy: Vec<_> = errors.iter().filter(|error| error.kind() == ErrorKind::Busy).collect();
    assert_eq!(busy.len(), 4, "{errors:?}");
    assert!(busy.iter().all(|error| error.retry_after().is_some_and(|wait| !wait.is_zero())));
    // Two were made, so three more may fail before anyone has to wait, and one after them.
    for _ in 0..=LOGIN_ATTEMPTS_FREE - 2 {
        assert_eq!(scene.login("ann", "wrong").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(scene.login("ann", "wrong").await.unwrap_err().kind(), ErrorKind::Throttled);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    use opsconductor_core::{Engine, store::memory::MemoryStore, vault::Keyring};
    let day = Duration::from_secs(24 * 3600);
    for wrong in [
        AccountSettings { password_chars_min: 5, ..settings() },
        AccountSettings { access_token: Duration::ZERO, ..settings() },
        AccountSettings { access_token: day + Duration::from_secs(1), ..settings() },
        AccountSettings { refresh_token: Duration::from_secs(60), ..settings() },
        AccountSettings { session: day, ..settings() },
        AccountSettings { session: 1000 * day, ..settings() },
    ] {
        let keys = Keyring::generate().unwrap();
        let built = Engine::builder().store(MemoryStore::default()).keys(keys).accounts(wrong).build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
