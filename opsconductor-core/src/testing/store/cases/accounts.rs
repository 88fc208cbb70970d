//! Accounts of people, and attempts to log in.

use std::time::Duration;

use super::{kind, refusal};
use crate::{
    Error, ErrorKind, Secret,
    id::{TenantId, UserId},
    store::{
        LOGIN_ATTEMPTS_FREE, LOGIN_ATTEMPTS_KEPT, LOGIN_WAIT_MAX, NewUser, Page, UserChange, UserRecord,
        login_wait,
    },
    tenant::Role,
    testing::store::Fixture,
};

use ErrorKind::{Conflict, NotFound};

pub(crate) fn new(f: &Fixture, role: Role) -> NewUser {
    // Names are the deployment's.
    let name = format!("{}-of-{}", f.name("user"), f.tenant);
    NewUser { email: format!("{name}@example.com"), name, role, password: Secret::from("hash 1") }
}

pub(crate) async fn user(f: &Fixture, role: Role) -> UserRecord {
    f.store.insert_user(f.tenant, new(f, role)).await.unwrap()
}

async fn password(f: &Fixture, name: &str) -> String {
    f.store.login(name).await.unwrap().unwrap().password.expose().clone()
}

fn to(role: Role) -> UserChange {
    UserChange { role: Some(role), ..UserChange::default() }
}

fn out_of_use() -> UserChange {
    UserChange { is_active: Some(false), ..UserChange::default() }
}

pub async fn what_was_stored_is_read(f: Fixture) {
    let given = new(&f, Role::Operator);
    let stored = f.store.insert_user(f.tenant, given.clone()).await.unwrap();
    let expected = UserRecord {
        id: stored.id,
        tenant: f.tenant,
        name: given.name.clone(),
        email: given.email,
        role: Role::Operator,
        is_active: true,
        token_version: 0,
        created_at: stored.created_at,
    };
    assert_eq!(stored, expected);
    assert_eq!(f.store.user(f.tenant, stored.id).await.unwrap(), stored);
    assert_eq!(f.store.user_by_name(f.tenant, &given.name).await.unwrap(), stored);
    let login = f.store.login(&given.name).await.unwrap().unwrap();
    assert_eq!((login.user, login.password.expose().as_str()), (stored, "hash 1"));
    assert_eq!(kind(f.store.user(f.tenant, UserId::new(999_999)).await), NotFound);
    assert_eq!(kind(f.store.user_by_name(f.tenant, "nobody").await), NotFound);
    assert!(f.store.login("nobody").await.unwrap().is_none());
    assert_eq!(kind(f.store.insert_user(TenantId::new(999_999), new(&f, Role::Viewer)).await), NotFound);
}

pub async fn a_name_and_an_address_are_used_once_in_the_deployment(f: Fixture) {
    let other = f.other_tenant().await;
    let (mine, theirs) = (new(&f, Role::Viewer), user(&other, Role::Viewer).await);
    let same_name = NewUser { name: theirs.name.clone(), ..mine.clone() };
    let same_address = NewUser { email: theirs.email.clone(), ..mine.clone() };
    for (given, taken) in [(same_name, &theirs.name), (same_address, &theirs.email)] {
        let error = refusal(f.store.insert_user(f.tenant, given).await);
        assert_eq!(error.kind(), Conflict, "{error}");
        assert!(error.to_string().contains(taken), "{error}");
    }
    assert_eq!(f.store.list_users(f.tenant, Fixture::ALL).await.unwrap().total, 0);
    let mine = f.store.insert_user(f.tenant, mine).await.unwrap();
    for change in [
        UserChange { name: Some(theirs.name.clone()), role: Some(Role::Admin), ..UserChange::default() },
        UserChange { email: Some(theirs.email.clone()), role: Some(Role::Admin), ..UserChange::default() },
    ] {
        assert_eq!(kind(f.store.change_user(f.tenant, mine.id, change).await), Conflict);
    }
    assert_eq!(f.store.user(f.tenant, mine.id).await.unwrap(), mine, "nothing changed");
    let own = UserChange {
        name: Some(mine.name.clone()),
        email: Some(mine.email.clone()),
        ..UserChange::default()
    };
    assert_eq!(f.store.change_user(f.tenant, mine.id, own).await.unwrap(), mine);
    other.store.delete_user(other.tenant, theirs.id).await.unwrap();
    let free =
        UserChange { name: Some(theirs.name.clone()), email: Some(theirs.email), ..UserChange::default() };
    assert_eq!(f.store.change_user(f.tenant, mine.id, free).await.unwrap().name, theirs.name);
}

pub async fn users_come_newest_first_in_parts(f: Fixture) {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.insert(0, user(&f, Role::Viewer).await);
    }
    assert_eq!(f.store.list_users(f.tenant, Fixture::ALL).await.unwrap().items, all);
    let part = f.store.list_users(f.tenant, Page { skip: 1, limit: 1 }).await.unwrap();
    assert_eq!((part.total, part.items), (3, vec![all[1].clone()]));
    let behind = f.store.list_users(f.tenant, Page { skip: 3, limit: 5 }).await.unwrap();
    assert_eq!((behind.total, behind.items.len()), (3, 0));
}

pub async fn a_change_that_matters_ends_tokens(f: Fixture) {
    let _admin = user(&f, Role::Admin).await;
    let id = user(&f, Role::Operator).await.id;
    let none = UserChange::default;
    for (change, raised) in [
        (none(), 0),
        (UserChange { name: Some("ann".to_owned()), email: Some("ann@example.com".to_owned()), ..none() }, 0),
        (to(Role::Operator), 0),
        (UserChange { is_active: Some(true), ..none() }, 0),
        (to(Role::Viewer), 1),
        (UserChange { password: Some(Secret::from("hash 2")), ..none() }, 1),
        (UserChange { end_tokens: true, ..none() }, 1),
        (out_of_use(), 1),
        (UserChange { is_active: Some(true), role: Some(Role::Admin), end_tokens: true, ..none() }, 1),
    ] {
        let before = f.store.user(f.tenant, id).await.unwrap();
        let after = f.store.change_user(f.tenant, id, change.clone()).await.unwrap();
        assert_eq!(after.token_version, before.token_version + raised, "{change:?}");
        assert_eq!(f.store.user(f.tenant, id).await.unwrap(), after);
    }
    let user = f.store.user(f.tenant, id).await.unwrap();
    assert_eq!((user.name.as_str(), user.email.as_str(), user.role), ("ann", "ann@example.com", Role::Admin));
    assert!(user.is_active && password(&f, "ann").await == "hash 2");
    assert_eq!(kind(f.store.change_user(f.tenant, UserId::new(999_999), none()).await), NotFound);
}

pub async fn another_hash_of_the_same_password_ends_no_tokens(f: Fixture) {
    let user = user(&f, Role::Viewer).await;
    let upgrade = async |old: &str, new: &str| {
        f.store.upgrade_password(f.tenant, user.id, &Secret::from(old), &Secret::from(new)).await.unwrap()
    };
    assert!(upgrade("hash 1", "hash 2").await);
    assert!(!upgrade("hash 1", "hash 3").await, "the password was changed meanwhile");
    assert_eq!(password(&f, &user.name).await, "hash 2");
    assert_eq!(f.store.user(f.tenant, user.id).await.unwrap(), user);
    let (old, new) = (Secret::from("hash 2"), Secret::from("hash 3"));
    assert!(!f.store.upgrade_password(f.tenant, UserId::new(999_999), &old, &new).await.unwrap());
}

pub async fn the_last_active_admin_of_a_tenant_stays(f: Fixture) {
    let other = f.other_tenant().await;
    let _theirs = user(&other, Role::Admin).await;
    let (first, second) = (user(&f, Role::Admin).await, user(&f, Role::Admin).await);
    f.store.change_user(f.tenant, second.id, out_of_use()).await.unwrap();
    for change in [to(Role::Operator), out_of_use()] {
        let error = refusal(f.store.change_user(f.tenant, first.id, change).await);
        assert_eq!(error.kind(), Conflict, "{error}");
    }
    assert_eq!(kind(f.store.delete_user(f.tenant, first.id).await), Conflict);
    assert_eq!(f.store.user(f.tenant, first.id).await.unwrap(), first, "nothing changed");
    // What leaves it an admin may change, and who is not in use may go.
    let rename =
        UserChange { name: Some("root".to_owned()), role: Some(Role::Admin), ..UserChange::default() };
    f.store.change_user(f.tenant, first.id, rename).await.unwrap();
    let back = UserChange { is_active: Some(true), ..UserChange::default() };
    f.store.change_user(f.tenant, second.id, back).await.unwrap();
    f.store.delete_user(f.tenant, first.id).await.unwrap();
    assert_eq!(kind(f.store.user(f.tenant, first.id).await), NotFound);
    assert_eq!(kind(f.store.delete_user(f.tenant, first.id).await), NotFound);
    assert!(f.store.login("root").await.unwrap().is_none());
    assert_eq!(kind(f.store.change_user(f.tenant, second.id, to(Role::Viewer)).await), Conflict);
}

pub async fn two_admins_do_not_both_go(f: Fixture) {
    for round in 0..10 {
        let tenant = f.other_tenant().await;
        let (first, second) = (user(&tenant, Role::Admin).await, user(&tenant, Role::Admin).await);
        let (store, id) = (&tenant.store, tenant.tenant);
        let (one, two) = tokio::join!(store.change_user(id, first.id, to(Role::Viewer)), async {
            match round % 2 {
                0 => store.change_user(id, second.id, out_of_use()).await.map(drop),
                _ => store.delete_user(id, second.id).await,
            }
        });
        let refused: Vec<_> = [one.map(drop), two].into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.iter().map(Error::kind).collect::<Vec<_>>(), [Conflict], "{refused:?}");
        let left = store.list_users(id, Fixture::ALL).await.unwrap().items;
        assert_eq!(left.iter().filter(|user| user.is_admin()).count(), 1);
    }
}

pub async fn users_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let mine = user(&f, Role::Viewer).await;
    assert_eq!(kind(f.store.user(other.tenant, mine.id).await), NotFound);
    assert_eq!(kind(f.store.user_by_name(other.tenant, &mine.name).await), NotFound);
    assert_eq!(kind(f.store.change_user(other.tenant, mine.id, to(Role::Admin)).await), NotFound);
    assert_eq!(kind(f.store.delete_user(other.tenant, mine.id).await), NotFound);
    let (old, new) = (Secret::from("hash 1"), Secret::from("hash 2"));
    assert!(!f.store.upgrade_password(other.tenant, mine.id, &old, &new).await.unwrap());
    assert_eq!(f.store.list_users(other.tenant, Fixture::ALL).await.unwrap().total, 0);
    assert_eq!(f.store.user(f.tenant, mine.id).await.unwrap(), mine);
    assert_eq!(password(&f, &mine.name).await, "hash 1");
}

pub async fn attempts_to_log_in_wait_longer_and_longer(f: Fixture) {
    let (key, other) = ([7; 32], [8; 32]);
    for _ in 0..=LOGIN_ATTEMPTS_FREE {
        assert_eq!(f.store.count_login(&key).await.unwrap(), None);
    }
    for failed in LOGIN_ATTEMPTS_FREE + 1..LOGIN_ATTEMPTS_FREE + 13 {
        let wait = login_wait(failed);
        assert_eq!(f.store.count_login(&key).await.unwrap(), Some(wait), "after {failed}");
        f.clock.advance(wait - Duration::from_millis(1));
        assert_eq!(f.store.count_login(&key).await.unwrap(), Some(Duration::from_millis(1)));
        f.clock.advance(Duration::from_millis(1));
        assert_eq!(f.store.count_login(&key).await.unwrap(), None, "what had to wait was not counted");
    }
    assert_eq!(f.store.count_login(&key).await.unwrap(), Some(LOGIN_WAIT_MAX));
    assert_eq!(f.store.count_login(&other).await.unwrap(), None, "others need not wait");
}

pub async fn attempts_to_log_in_are_forgotten(f: Fixture) {
    let key = [7; 32];
    let fail = async || {
        for _ in 0..=LOGIN_ATTEMPTS_FREE {
            assert_eq!(f.store.count_login(&key).await.unwrap(), None);
        }
        assert_eq!(f.store.count_login(&key).await.unwrap(), Some(Duration::from_secs(1)));
    };
    fail().await;
    f.store.forget_logins(&key).await.unwrap();
    f.store.forget_logins(&key).await.unwrap();
    fail().await;
    f.clock.advance(LOGIN_ATTEMPTS_KEPT + Duration::from_secs(1));
    fail().await;
}

pub async fn attempts_that_come_together_do_not_slip_through(f: Fixture) {
    let key = [7; 32];
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let store = f.store.clone();
        attempts.spawn(async move { store.count_login(&key).await.unwrap() });
    }
    let answers = attempts.join_all().await;
    let let_through = answers.iter().filter(|wait| wait.is_none()).count();
    assert_eq!(let_through, LOGIN_ATTEMPTS_FREE as usize + 1);
}
