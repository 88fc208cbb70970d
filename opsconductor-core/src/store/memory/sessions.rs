//! The [`Sessions`] of the memory store.

use std::{cmp::Reverse, time::Duration};

use async_trait::async_trait;

use super::{MemoryStore, State, missing};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{TenantId, UserId},
    store::{FAMILIES_MAX, NewFamily, NewSigningKey, Sessions, SigningKeyRecord, Turn, Turned, UserRecord},
};

/// A family of refresh tokens.
pub(super) struct FamilyRow {
    pub(super) user: UserId,
    token_version: i32,
    generation: u64,
    token: [u8; 32],
    rotated_at: Timestamp,
    expires_at: Timestamp,
    ends_at: Timestamp,
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>> {
        Ok(self.with(|state| {
            let now = state.now;
            let good = state.signing_keys.iter().rev().filter(|key| key.ends_at.is_none_or(|end| end > now));
            good.cloned().collect()
        }))
    }

    async fn rotate_signing_key(
        &self,
        new: NewSigningKey,
        expected: Option<&str>,
        former_life: Duration,
    ) -> Result<()> {
        self.with(|state| state.rotate_signing_key(new, expected, former_life))
    }

    async fn begin_family(&self, tenant: TenantId, new: NewFamily) -> Result<()> {
        self.with(|state| state.begin_family(tenant, new))
    }

    async fn turn(&self, turn: Turn) -> Result<Turned> {
        Ok(self.with(|state| state.turn(&turn)))
    }

    async fn end_family(&self, id: &str) -> Result<()> {
        self.with(|state| state.families.remove(id));
        Ok(())
    }
}

impl State {
    fn rotate_signing_key(
        &mut self,
        new: NewSigningKey,
        expected: Option<&str>,
        former_life: Duration,
    ) -> Result<()> {
        let (now, ends_at) = (self.now, self.after(former_life));
        let current = |key: &&mut SigningKeyRecord| key.purpose == new.purpose && key.ends_at.is_none();
        let in_use = self.signing_keys.iter().any(|key| key.id == new.id);
        let present = self.signing_keys.iter_mut().find(current);
        if in_use || present.as_ref().map(|key| key.id.as_str()) != expected {
            return Err(Error::new(ErrorKind::Conflict, "another signing key is the current one"));
        }
        if let Some(former) = present {
            former.ends_at = Some(ends_at);
        }
        self.signing_keys.retain(|key| key.ends_at.is_none_or(|end| end > now));
        let NewSigningKey { id, purpose, sealed } = new;
        self.signing_keys.push(SigningKeyRecord { id, purpose, sealed, created_at: now, ends_at: None });
        Ok(())
    }

    fn begin_family(&mut self, tenant: TenantId, new: NewFamily) -> Result<()> {
        let user = &self.user_of(tenant, new.user)?.record;
        if !user.is_active || user.token_version != new.token_version {
            return Err(missing("user", new.user));
        }
        let now = self.now;
        self.families.retain(|_, row| row.user != new.user || row.expires_at > now);
        let mut others: Vec<_> = self.families.iter().filter(|(_, row)| row.user == new.user).collect();
        others.sort_by_key(|(id, row)| Reverse((row.rotated_at, (*id).clone())));
        let too_many = others.into_iter().skip(FAMILIES_MAX as usize - 1).map(|(id, _)| id.clone());
        for id in too_many.collect::<Vec<_>>() {
            self.families.remove(&id);
        }
        let ends_at = self.after(new.family_life);
        let row = FamilyRow {
            user: new.user,
            token_version: new.token_version,
            generation: 0,
            token: new.token,
            rotated_at: now,
            expires_at: self.after(new.token_life).min(ends_at),
            ends_at,
        };
        self.families.insert(new.id, row);
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) -> Turned {
        let (now, next_end) = (self.now, self.after(turn.token_life));
        let Some(row) = self.families.get_mut(&turn.family) else { return Turned::Gone };
        let user: Option<UserRecord> = self.users.get(&row.user).map(|user| user.record.clone());
        let good = user
            .filter(|user| user.is_active && user.token_version == row.token_version && row.expires_at > now);
        let Some(user) = good else {
            self.families.remove(&turn.family);
            return Turned::Gone;
        };
        let age = (now - row.rotated_at).to_std().unwrap_or_default();
        if turn.generation == row.generation && turn.token == row.token {
            row.generation += 1;
            row.token = turn.next;
            row.rotated_at = now;
            row.expires_at = next_end.min(row.ends_at);
            return Turned::Rotated(user);
        }
        if turn.generation + 1 == row.generation && turn.next == row.token && age <= turn.grace {
            return Turned::Repeated(user);
        }
        self.families.remove(&turn.family);
        Turned::Reused(user)
    }
}
