//! Tokens that programs call with.

use std::time::Duration;

use opsconductor_core::{
    Error, ErrorKind,
    auth::policy::{Action, Resource, Right},
    engine::{NewAccount, Scoped, TokenRequest},
    id::ApiTokenId,
    store::Page,
    tenant::{Actor, Role},
    vault::Credential,
};

use crate::{
    on_each_store,
    scene::{PASSWORD, Scene},
};

use ErrorKind::{Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated};

on_each_store!(
    a_token_acts_for_its_account_until_it_ends,
    nobody_makes_a_token_that_may_more,
    a_token_may_what_it_was_made_for,
    a_token_takes_no_account_over,
    only_an_admin_ends_the_tokens_of_others,
    what_changes_the_account_ends_its_tokens,
);

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

fn request(name: &str, role: Role) -> TokenRequest {
    TokenRequest { name: name.to_owned(), role, only: None, life: None }
}

/// The engine as a new token of the account called `name` uses it.
async fn by_token(scene: &Scene, name: &str, request: TokenRequest) -> Scoped {
    let made = scene.acting_as(name).await.api_tokens().create(request).await.unwrap();
    scene.engine.scope(scene.engine.verify_access(made.token.expose()).await.unwrap())
}

async fn a_token_acts_for_its_account_until_it_ends(scene: Scene) {
    let ann = scene.user("ann", Role::Operator).await;
    let ops = scene.acting_as("ann").await;
    let life = Duration::from_secs(3600);
    let made =
        ops.api_tokens().create(TokenRequest { life: Some(life), ..request("ci", Role::Viewer) }).await;
    let made = made.unwrap();
    let text = made.token.expose();
    assert!(text.starts_with(&made.info.prefix) && text.starts_with("oc_") && text.len() == 67);
    assert!(!format!("{made:?}").contains(text.as_str()), "the token is shown when it is asked for alone");
    assert_eq!(made.info.expires_at, Some(made.info.created_at + life));
    let scope = scene.engine.verify_access(text).await.unwrap();
    let name = "ann".to_owned();
    let actor = Actor::Token { id: made.info.id, user: ann.id, name, role: Role::Viewer, only: None };
    assert_eq!(scope.actor, actor);
    let listed = ops.api_tokens().list(Page::default()).await.unwrap();
    assert_eq!((listed.total, listed.items[0].last_used_at), (1, Some(made.info.created_at)));
    for wrong in
        [&text[..66], &format!("{text}0"), &text.to_uppercase(), "oc_", &format!("oc_{}", "0".repeat(64))]
    {
        assert_eq!(kind(scene.engine.verify_access(wrong).await), Unauthenticated);
    }
    scene.clock.advance(life);
    assert_eq!(kind(scene.engine.verify_access(text).await), Unauthenticated);
    if let Some(folder) = &scene.folder {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }
}

async fn nobody_makes_a_token_that_may_more(scene: Scene) {
    scene.user("ann", Role::Operator).await;
    let ops = scene.acting_as("ann").await;
    let tokens = ops.api_tokens();
    assert_eq!(kind(tokens.create(request("more", Role::Admin)).await), Forbidden);
    let decrypt = Right::new(Resource::Credential, Action::Decrypt);
    let only = |right| TokenRequest { only: Some(vec![right]), ..request("more", Role::Operator) };
    assert_eq!(kind(tokens.create(only(decrypt)).await), InvalidInput);
    assert_eq!(kind(tokens.create(only(Right::new(Resource::Job, Action::Decrypt))).await), InvalidInput);
    for wrong in [
        request("", Role::Viewer),
        request("a\nb", Role::Viewer),
        request(&"x".repeat(101), Role::Viewer),
        TokenRequest { life: Some(Duration::ZERO), ..request("short", Role::Viewer) },
        TokenRequest { life: Some(Duration::MAX), ..request("long", Role::Viewer) },
    ] {
        assert_eq!(kind(tokens.create(wrong).await), InvalidInput);
    }
    assert_eq!(
        kind(scene.engine.local().api_tokens().create(request("local", Role::Viewer)).await),
        InvalidInput
    );
    assert_eq!(tokens.list(Page::default()).await.unwrap().total, 0);
    tokens.create(request("ci", Role::Viewer)).await.unwrap();
    assert_eq!(kind(tokens.create(request("ci", Role::Viewer)).await), Conflict);
    // An account that is known no longer as it was makes none.
    let local = scene.engine.local();
    let id = ops.scope().actor.user_id().unwrap();
    local.users().set_role(id, Role::Viewer).await.unwrap();
    let made = tokens.create(request("late", Role::Operator)).await.unwrap();
    assert_eq!(made.info.role, Role::Viewer);
}

async fn a_token_may_what_it_was_made_for(scene: Scene) {
    scene.user("root", Role::Admin).await;
    scene.user("ann", Role::Viewer).await;
    let secret = Credential::winrm("a", "b".into());
    let viewer = by_token(&scene, "root", request("viewer", Role::Viewer)).await;
    viewer.jobs().list(true, Page::default()).await.unwrap();
    assert_eq!(kind(viewer.credentials().list(Page::default()).await), Forbidden);
    assert_eq!(viewer.users().list(Page::default()).await.unwrap().total, 1, "the own account alone");
    let only = vec![Right::new(Resource::Credential, Action::Create)];
    let narrow =
        by_token(&scene, "root", TokenRequest { only: Some(only), ..request("narrow", Role::Admin) }).await;
    narrow.credentials().create("c", &secret).await.unwrap();
    assert_eq!(kind(narrow.credentials().list(Page::default()).await), Forbidden);
    assert_eq!(kind(narrow.jobs().list(true, Page::default()).await), Forbidden);
    assert_eq!(kind(narrow.users().list(Page::default()).await), Forbidden);
    let nothing = TokenRequest { only: Some(Vec::new()), ..request("nothing", Role::Admin) };
    let nothing = by_token(&scene, "root", nothing).await;
    assert_eq!(kind(nothing.jobs().list(true, Page::default()).await), Forbidden);
    let admin = by_token(&scene, "root", request("admin", Role::Admin)).await;
    assert_eq!(admin.users().list(Page::default()).await.unwrap().total, 2);
}

async fn a_token_takes_no_account_over(scene: Scene) {
    let root = scene.user("root", Role::Admin).await;
    let token = by_token(&scene, "root", request("ci", Role::Admin)).await;
    let password = "another password".into();
    assert_eq!(kind(token.users().set_password(root.id, &password).await), Forbidden);
    assert_eq!(kind(token.users().revoke_all(root.id).await), Forbidden);
    assert_eq!(kind(token.api_tokens().create(request("more", Role::Viewer)).await), Forbidden);
    let own = token.api_tokens().list(Page::default()).await.unwrap().items[0].id;
    assert_eq!(kind(token.api_tokens().revoke(own).await), Forbidden);
    let other = scene.user("other", Role::Admin).await;
    let (create, update) = ((Resource::User, Action::Create), (Resource::User, Action::Update));
    for (resource, action) in [create, update] {
        let only = Some(vec![Right::new(resource, action)]);
        let request = TokenRequest { only, ..request(action.as_str(), Role::Admin) };
        let narrow = by_token(&scene, "root", request).await;
        let new = NewAccount { name: "mine".into(), email: "mine@example.com".into(), role: Role::Admin };
        assert_eq!(kind(narrow.users().create(new, &password).await), Forbidden);
        assert_eq!(kind(narrow.users().set_password(other.id, &password).await), Forbidden);
        assert_eq!(kind(narrow.users().set_role(other.id, Role::Viewer).await), Forbidden);
    }
    for name in ["root", "other"] {
        scene.login(name, PASSWORD).await.unwrap();
    }
}

async fn only_an_admin_ends_the_tokens_of_others(scene: Scene) {
    let ann = scene.user("ann", Role::Operator).await;
    for (name, role) in [("bob", Role::Operator), ("root", Role::Admin)] {
        scene.user(name, role).await;
    }
    let made = scene.acting_as("ann").await.api_tokens().create(request("ci", Role::Viewer)).await.unwrap();
    let (bob, root) = (scene.acting_as("bob").await, scene.acting_as("root").await);
    assert_eq!(kind(bob.api_tokens().revoke(made.info.id).await), NotFound);
    assert_eq!(kind(bob.api_tokens().of_user(ann.id, Page::default()).await), Forbidden);
    let acme = scene.another_tenant().await;
    assert_eq!(kind(acme.api_tokens().revoke(made.info.id).await), NotFound);
    assert_eq!(kind(acme.api_tokens().of_user(ann.id, Page::default()).await), NotFound);
    assert_eq!(root.api_tokens().list(Page::default()).await.unwrap().total, 0);
    assert_eq!(
        root.api_tokens().of_user(ann.id, Page::default()).await.unwrap().items,
        std::slice::from_ref(&made.info)
    );
    scene.engine.verify_access(made.token.expose()).await.unwrap();
    root.api_tokens().revoke(made.info.id).await.unwrap();
    assert_eq!(kind(scene.engine.verify_access(made.token.expose()).await), Unauthenticated);
    assert_eq!(kind(root.api_tokens().revoke(made.info.id).await), NotFound);
    assert_eq!(kind(root.api_tokens().revoke(ApiTokenId::new(999_999)).await), NotFound);
}

async fn what_changes_the_account_ends_its_tokens(scene: Scene) {
    let id = scene.user("ann", Role::Operator).await.id;
    let local = scene.engine.local();
    for change in ["revoke_all", "password", "role"] {
        let ops = scene.acting_as("ann").await;
        let made = ops.api_tokens().create(request(change, Role::Viewer)).await.unwrap();
        scene.engine.verify_access(made.token.expose()).await.unwrap();
        match change {
            "revoke_all" => local.users().revoke_all(id).await.unwrap(),
            "password" => local.users().set_password(id, &PASSWORD.into()).await.unwrap(),
            _ => local.users().set_role(id, Role::Viewer).await.unwrap(),
        };
        assert_eq!(kind(scene.engine.verify_access(made.token.expose()).await), Unauthenticated);
    }
}
