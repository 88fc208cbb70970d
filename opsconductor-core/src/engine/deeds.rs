//! What people did to accounts, tokens and rights: the one place that is told of each such deed once it is done.

use std::fmt::Display;

use crate::tenant::Scope;

/// Says that `scope`'s actor has done `action` to the thing with the id `id`. What is recorded of such deeds is recorded here.
pub(super) fn done(scope: &Scope, action: &'static str, id: impl Display) {
    tracing::info!(tenant = %scope.tenant, actor = scope.actor.name(), action, %id, "done");
}
