//! Who may see and change which account.

use opsconductor_core::{
    Error, ErrorKind, Secret,
    engine::{AccountChange, NewAccount, Scoped},
    id::UserId,
    store::Page,
    tenant::Role,
};

use crate::{
    on_each_store,
    scene::{PASSWORD, Scene, user},
};

use ErrorKind::{Conflict, Forbidden, InvalidInput, NotFound};

on_each_store!(
    an_admin_manages_everyone,
    anyone_else_manages_the_own_account_alone,
    another_tenants_account_is_not_found,
    a_tenant_keeps_an_admin,
    what_cannot_be_an_account_is_refused,
    a_password_that_is_soon_guessed_is_refused,
);

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

fn renamed(name: &str) -> AccountChange {
    AccountChange { name: Some(name.to_owned()), email: None }
}

async fn an_admin_manages_everyone(scene: Scene) {
    let admin = scene.user("root", Role::Admin).await;
    let root = scene.acting_as("root").await;
    let ann = user(&root, "ann", Role::Viewer).await;
    assert_eq!((ann.role, ann.is_active, ann.token_version), (Role::Viewer, true, 0));
    let names: Vec<_> =
        root.users().list(Page::default()).await.unwrap().items.into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["ann", "root"]);
    assert_eq!(root.users().by_name("ann").await.unwrap(), ann);
    let moved = AccountChange { email: Some("ann@example.org".to_owned()), ..renamed("anna") };
    let ann = root.users().update(ann.id, moved).await.unwrap();
    assert_eq!((ann.name.as_str(), ann.email.as_str(), ann.token_version), ("anna", "ann@example.org", 0));
    assert_eq!(root.users().set_role(ann.id, Role::Operator).await.unwrap().role, Role::Operator);
    root.users().set_password(ann.id, &Secret::from("another password")).await.unwrap();
    assert!(scene.login("anna", PASSWORD).await.is_err());
    scene.login("anna", "another password").await.unwrap();
    root.users().deactivate(ann.id).await.unwrap();
    assert!(scene.login("anna", "another password").await.is_err());
    root.users().activate(ann.id).await.unwrap();
    scene.login("anna", "another password").await.unwrap();
    root.users().delete(ann.id).await.unwrap();
    assert_eq!(kind(root.users().get(ann.id).await), NotFound);
    assert!(scene.login("anna", "another password").await.is_err());
    assert_eq!(kind(root.users().delete(admin.id).await), InvalidInput, "nobody removes the own account");
}

async fn anyone_else_manages_the_own_account_alone(scene: Scene) {
    let admin = scene.user("root", Role::Admin).await;
    for role in [Role::Viewer, Role::Operator] {
        let name = role.as_str();
        let own = scene.user(name, role).await;
        let me = scene.acting_as(name).await;
        assert_eq!(me.users().list(Page::default()).await.unwrap().items, std::slice::from_ref(&own));
        assert_eq!(me.users().list(Page { skip: 1, limit: 9 }).await.unwrap().items, []);
        assert_eq!(me.users().get(own.id).await.unwrap(), own);
        assert_eq!(me.users().by_name(name).await.unwrap(), own);
        for other in [admin.id, UserId::new(999_999)] {
            assert_eq!(kind(me.users().get(other).await), Forbidden);
            assert_eq!(kind(me.users().update(other, renamed("x")).await), Forbidden);
            assert_eq!(kind(me.users().set_password(other, &Secret::from(PASSWORD)).await), Forbidden);
            assert_eq!(kind(me.users().revoke_all(other).await), Forbidden);
        }
        assert_eq!(kind(me.users().by_name("root").await), Forbidden);
        for id in [own.id, admin.id] {
            assert_eq!(kind(me.users().set_role(id, Role::Admin).await), Forbidden);
            assert_eq!(kind(me.users().deactivate(id).await), Forbidden);
            assert_eq!(kind(me.users().activate(id).await), Forbidden);
            assert_eq!(kind(me.users().delete(id).await), Forbidden);
        }
        let new = NewAccount { name: "x".to_owned(), email: "x@x".to_owned(), role: Role::Viewer };
        assert_eq!(kind(me.users().create(new, &Secret::from(PASSWORD)).await), Forbidden);
        let changed = me.users().update(own.id, renamed(&format!("{name}-2"))).await.unwrap();
        assert_eq!(changed.role, role);
        me.users().set_password(own.id, &Secret::from("another password")).await.unwrap();
        scene.login(&changed.name, "another password").await.unwrap();
    }
}

async fn another_tenants_account_is_not_found(scene: Scene) {
    let acme = scene.another_tenant().await;
    scene.user("root", Role::Admin).await;
    let theirs = user(&acme, "ann", Role::Admin).await;
    let root = scene.acting_as("root").await;
    for ops in [&root, &scene.engine.local()] {
        let users = ops.users();
        assert_eq!(kind(users.get(theirs.id).await), NotFound);
        assert_eq!(kind(users.by_name("ann").await), NotFound);
        assert_eq!(kind(users.update(theirs.id, renamed("x")).await), NotFound);
        assert_eq!(kind(users.set_password(theirs.id, &Secret::from(PASSWORD)).await), NotFound);
        assert_eq!(kind(users.set_role(theirs.id, Role::Viewer).await), NotFound);
        assert_eq!(kind(users.deactivate(theirs.id).await), NotFound);
        assert_eq!(kind(users.activate(theirs.id).await), NotFound);
        assert_eq!(kind(users.revoke_all(theirs.id).await), NotFound);
        assert_eq!(kind(users.delete(theirs.id).await), NotFound);
        assert_eq!(users.list(Page::default()).await.unwrap().total, 1);
    }
    assert_eq!(acme.users().get(theirs.id).await.unwrap(), theirs);
}

async fn a_tenant_keeps_an_admin(scene: Scene) {
    let (one, two) = (scene.user("one", Role::Admin).await, scene.user("two", Role::Admin).await);
    let ops = [scene.acting_as("one").await, scene.acting_as("two").await];
    let demote = async |ops: &Scoped, id| ops.users().set_role(id, Role::Viewer).await;
    let (first, second) = tokio::join!(demote(&ops[0], two.id), demote(&ops[1], one.id));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(kind(first.and(second)), Conflict);
    let left = ops[0].users().list(Page::default()).await.unwrap().items;
    let left: Vec<_> = left.into_iter().filter(|user| user.role == Role::Admin).collect();
    assert_eq!(left.len(), 1);
    let local = scene.engine.local();
    assert_eq!(kind(local.users().delete(left[0].id).await), Conflict);
    assert_eq!(kind(local.users().deactivate(left[0].id).await), Conflict);
}

async fn what_cannot_be_an_account_is_refused(scene: Scene) {
    scene.user("ann", Role::Viewer).await;
    let acme = scene.another_tenant().await;
    let local = scene.engine.local();
    let create = async |ops: &Scoped, name: &str, email: &str, password: &str| {
        let new = NewAccount { name: name.to_owned(), email: email.to_owned(), role: Role::Viewer };
        ops.users().create(new, &Secret::from(password)).await.map(drop)
    };
    for (name, email, password) in [
        ("", "b@b", PASSWORD),
        ("b b", "b@b", PASSWORD),
        ("b\0", "b@b", PASSWORD),
        ("b", "b", PASSWORD),
        ("b", "b@b", "too short"),
        ("b", "b@b", &"x".repeat(1025)),
    ] {
        let error = create(&local, name, email, password).await.unwrap_err();
        assert_eq!(error.kind(), InvalidInput, "{error}");
        assert!(!error.report().contains(password));
    }
    for ops in [&local, &acme] {
        assert_eq!(kind(create(ops, "ann", "b@b", PASSWORD).await), Conflict);
        assert_eq!(kind(create(ops, "b", "ann@example.com", PASSWORD).await), Conflict);
    }
    create(&acme, "b", "b@b", PASSWORD).await.unwrap();
    assert_eq!(scene.login("b", PASSWORD).await.unwrap().scope().tenant, acme.scope().tenant);
}

async fn a_password_that_is_soon_guessed_is_refused(scene: Scene) {
    scene.user("root", Role::Admin).await;
    let root = scene.acting_as("root").await;
    let smith =
        NewAccount { name: "ann.smith".to_owned(), email: "ann@example.com".to_owned(), role: Role::Viewer };
    for weak in ["password1234", "qwertyuiop123", "ann.smith1234"] {
        let refused = root.users().create(smith.clone(), &Secret::from(weak)).await.unwrap_err();
        assert_eq!(refused.kind(), InvalidInput, "{weak}");
        assert!(
            refused.report().contains("too easy to guess") && !refused.report().contains(weak),
            "{refused:?}"
        );
    }
    let ann = root.users().create(smith, &Secret::from(PASSWORD)).await.unwrap();
    for weak in ["password1234", "ann.smith1234", "ann@example.com"] {
        assert_eq!(
            kind(root.users().set_password(ann.id, &Secret::from(weak)).await),
            InvalidInput,
            "{weak}"
        );
    }
    scene.login("ann.smith", PASSWORD).await.unwrap();
}
