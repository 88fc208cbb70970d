//! Tenants.

use super::kind;
use crate::{
    ErrorKind,
    tenant::{DEFAULT_TENANT, DEFAULT_TENANT_NAME},
    testing::store::Fixture,
};

pub async fn the_default_tenant_is_there(f: Fixture) {
    let tenant = f.store.tenant_by_name(DEFAULT_TENANT_NAME).await.unwrap();
    assert_eq!((tenant.id, tenant.name.as_str()), (DEFAULT_TENANT, DEFAULT_TENANT_NAME));
}

pub async fn a_tenant_is_found_by_name(f: Fixture) {
    let made = f.store.create_tenant("acme").await.unwrap();
    assert_ne!(made.id, DEFAULT_TENANT);
    assert_eq!(f.store.tenant_by_name("acme").await.unwrap(), made);
    assert_eq!(kind(f.store.tenant_by_name("nobody").await), ErrorKind::NotFound);
}

pub async fn a_name_is_given_once(f: Fixture) {
    f.store.create_tenant("acme").await.unwrap();
    assert_eq!(kind(f.store.create_tenant("acme").await), ErrorKind::Conflict);
    assert_eq!(kind(f.store.create_tenant(DEFAULT_TENANT_NAME).await), ErrorKind::Conflict);
}
