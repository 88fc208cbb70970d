//! Tokens that programs call with.

use std::time::Duration;

use super::{accounts, kind};
use crate::{
    ErrorKind,
    id::ApiTokenId,
    store::{API_TOKENS_MAX, ApiTokenRecord, LAST_USE_STANDS, NewApiToken, Page, UserChange, UserRecord},
    tenant::Role,
    testing::store::Fixture,
};

use ErrorKind::{Conflict, NotFound};

pub(crate) fn new(user: &UserRecord, name: &str) -> NewApiToken {
    NewApiToken {
        user: user.id,
        token_version: user.token_version,
        name: name.to_owned(),
        prefix: "oc_01234567".to_owned(),
        digest: digest(name),
        role: Role::Operator,
        actions: Some(vec!["job:execute".to_owned(), "run:read".to_owned()]),
        life: None,
    }
}

fn digest(name: &str) -> [u8; 32] {
    let mut digest = [7; 32];
    digest[..name.len()].copy_from_slice(name.as_bytes());
    digest
}

async fn used(f: &Fixture, name: &str) -> Option<(UserRecord, ApiTokenRecord)> {
    f.store.use_api_token(&digest(name)).await.unwrap()
}

pub async fn what_was_stored_is_read(f: Fixture) {
    let user = accounts::user(&f, Role::Operator).await;
    let made = f.store.insert_api_token(f.tenant, new(&user, "ci")).await.unwrap();
    let expected = ApiTokenRecord {
        id: made.id,
        user: user.id,
        name: "ci".to_owned(),
        prefix: "oc_01234567".to_owned(),
        role: Role::Operator,
        actions: Some(vec!["job:execute".to_owned(), "run:read".to_owned()]),
        created_at: made.created_at,
        expires_at: None,
        last_used_at: None,
    };
    assert_eq!(made, expected);
    assert_eq!(f.store.api_token(f.tenant, made.id).await.unwrap(), made);
    let whole = NewApiToken { actions: None, life: Some(Duration::from_secs(60)), ..new(&user, "whole") };
    let whole = f.store.insert_api_token(f.tenant, whole).await.unwrap();
    assert_eq!(
        (whole.actions.clone(), whole.expires_at),
        (None, Some(whole.created_at + Duration::from_secs(60)))
    );
    let list = f.store.list_api_tokens(f.tenant, user.id, Fixture::ALL).await.unwrap();
    assert_eq!((list.total, list.items), (2, vec![whole, made.clone()]));
    let part = f.store.list_api_tokens(f.tenant, user.id, Page { skip: 1, limit: 5 }).await.unwrap();
    assert_eq!((part.total, part.items), (2, vec![made.clone()]));
    f.store.delete_api_token(f.tenant, made.id).await.unwrap();
    assert_eq!(kind(f.store.delete_api_token(f.tenant, made.id).await), NotFound);
    assert_eq!(kind(f.store.api_token(f.tenant, made.id).await), NotFound);
    assert_eq!(used(&f, "ci").await, None);
}

pub async fn a_name_is_used_once_by_an_account(f: Fixture) {
    let (one, two) = (accounts::user(&f, Role::Viewer).await, accounts::user(&f, Role::Viewer).await);
    f.store.insert_api_token(f.tenant, new(&one, "ci")).await.unwrap();
    let again = NewApiToken { digest: [8; 32], ..new(&one, "ci") };
    assert_eq!(kind(f.store.insert_api_token(f.tenant, again.clone()).await), Conflict);
    f.store.insert_api_token(f.tenant, NewApiToken { user: two.id, ..again }).await.unwrap();
    for number in 1..API_TOKENS_MAX {
        f.store.insert_api_token(f.tenant, new(&one, &number.to_string())).await.unwrap();
    }
    assert_eq!(kind(f.store.insert_api_token(f.tenant, new(&one, "more")).await), Conflict);
}

pub async fn a_use_is_written_down_sparingly(f: Fixture) {
    let user = accounts::user(&f, Role::Viewer).await;
    f.store.insert_api_token(f.tenant, new(&user, "ci")).await.unwrap();
    let (by, token) = used(&f, "ci").await.unwrap();
    assert_eq!((by, token.last_used_at), (user.clone(), Some(token.created_at)));
    f.clock.advance(LAST_USE_STANDS - Duration::from_micros(1));
    assert_eq!(used(&f, "ci").await.unwrap().1.last_used_at, Some(token.created_at));
    f.clock.advance(Duration::from_micros(1));
    let later = Some(token.created_at + LAST_USE_STANDS);
    assert_eq!(used(&f, "ci").await.unwrap().1.last_used_at, later);
    assert_eq!(f.store.api_token(f.tenant, token.id).await.unwrap().last_used_at, later);
    assert_eq!(used(&f, "nobody's").await, None);
}

pub async fn a_token_ends_with_its_time_and_with_its_account(f: Fixture) {
    let user = accounts::user(&f, Role::Viewer).await;
    let short = NewApiToken { life: Some(Duration::from_secs(60)), ..new(&user, "short") };
    f.store.insert_api_token(f.tenant, short).await.unwrap();
    f.store.insert_api_token(f.tenant, new(&user, "long")).await.unwrap();
    f.clock.advance(Duration::from_secs(60) - Duration::from_micros(1));
    assert!(used(&f, "short").await.is_some());
    f.clock.advance(Duration::from_micros(1));
    assert!(used(&f, "short").await.is_none() && used(&f, "long").await.is_some());
    let change = UserChange { end_tokens: true, ..UserChange::default() };
    let changed = f.store.change_user(f.tenant, user.id, change).await.unwrap();
    assert!(used(&f, "long").await.is_none());
    assert_eq!(kind(f.store.insert_api_token(f.tenant, new(&user, "late")).await), NotFound);
    f.store.insert_api_token(f.tenant, new(&changed, "next")).await.unwrap();
    assert!(used(&f, "next").await.is_some());
    f.store.delete_user(f.tenant, user.id).await.unwrap();
    assert!(used(&f, "next").await.is_none());
    assert_eq!(f.store.list_api_tokens(f.tenant, user.id, Fixture::ALL).await.unwrap().total, 0);
}

pub async fn tokens_are_apart(f: Fixture) {
    let other = f.other_tenant().await;
    let user = accounts::user(&f, Role::Viewer).await;
    let mine = f.store.insert_api_token(f.tenant, new(&user, "ci")).await.unwrap();
    assert_eq!(kind(f.store.insert_api_token(other.tenant, new(&user, "foreign")).await), NotFound);
    assert_eq!(kind(f.store.api_token(other.tenant, mine.id).await), NotFound);
    assert_eq!(kind(f.store.delete_api_token(other.tenant, mine.id).await), NotFound);
    assert_eq!(kind(f.store.delete_api_token(f.tenant, ApiTokenId::new(999_999)).await), NotFound);
    assert_eq!(f.store.list_api_tokens(other.tenant, user.id, Fixture::ALL).await.unwrap().total, 0);
    assert!(used(&f, "ci").await.is_some());
}
