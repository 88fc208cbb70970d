//! Tokens: made for whoever has logged in, checked at each call, renewed and ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Engine, Inner, LoggedIn, api_tokens, login::scope_of, noted};
use crate::{
    Error, ErrorKind, Result, Secret,
    audit::Outcome,
    auth::{
        refresh::{self, RefreshToken},
        token::{self, Claims, LEEWAY, SigningKey},
    },
    clock::Timestamp,
    store::{KeyPurpose, NewFamily, NewSigningKey, SigningKeyRecord, Turn, Turned, UserRecord},
    tenant::Scope,
    vault::RecordContext,
};

/// How long after its use a refresh token answers its successor: two tabs may come together.
const REFRESH_GRACE: Duration = Duration::from_secs(10);

/// How long signing keys are used without looking whether there is a newer one.
const KEYS_FRESH_FOR: Duration = Duration::from_secs(60);

/// A token that names a key that is not known makes us look again, but not more often than this.
const KEYS_STALE_FOR: Duration = Duration::from_secs(1);

/// What someone who has logged in is given.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// For each call, [`Engine::verify_access`].
    pub access_token: Secret<String>,
    /// For the next pair, once: [`Engine::refresh`].
    pub refresh_token: Secret<String>,
    /// How long the access token is good.
    pub expires_in: Duration,
}

impl LoggedIn {
    /// A first pair of tokens. The refresh token begins a family, which ends with [`Engine::logout`], with whatever ends the
    /// account's tokens, and after [`AccountSettings::session`](super::AccountSettings::session).
    ///
    /// # Errors
    ///
    /// `Unauthenticated` when the account was changed since it logged in.
    pub async fn tokens(&self) -> Result<TokenPair> {
        let (inner, user) = (&self.inner, &self.user);
        let keys = inner.people.keys.fresh(inner).await?;
        let settings = &inner.people.settings;
        let family = refresh::new_family()?;
        let refresh_token = refresh::make(keys.current(KeyPurpose::Refresh)?, &family, 0);
        let new = NewFamily {
            id: family,
            user: user.id,
            token_version: user.token_version,
            token: refresh::digest(refresh_token.expose()),
            token_life: settings.refresh_token,
            family_life: settings.session,
        };
        inner.store.begin_family(user.tenant, new).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => token::refused(),
            _ => error,
        })?;
        pair(inner, &keys, user, refresh_token)
    }
}

impl Engine {
    /// Who calls, by an access token or one that was [made for a program](super::ApiTokens). The account is read each time, so that its role is the present one and a change that
    /// ends its tokens holds at once.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`, whatever the reason.
    pub async fn verify_access(&self, token: &str) -> Result<Scope> {
        let inner = &self.inner;
        if token.starts_with(api_tokens::PREFIX) {
            return api_tokens::verify(inner, token).await;
        }
        let key_id = token::key_id(token)?;
        let keys = inner.people.keys.with(inner, KeyPurpose::Access, &key_id).await?;
        let now = inner.clock.now();
        let key = keys.find(KeyPurpose::Access, &key_id, now).ok_or_else(token::refused)?;
        let claims = token::verify(token, key, inner.vault.deployment(), now)?;
        let user =
            inner.store.user(claims.tenant, claims.user).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => token::refused(),
                _ => error,
            })?;
        if !user.is_active || user.token_version != claims.token_version {
            return Err(token::refused());
        }
        Ok(scope_of(&user))
    }

    /// A new pair of tokens for a refresh token, which is spent by it. Presented again within 10 seconds it answers the same
    /// successor; later it ends its family, because somebody else has it too.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`, whatever the reason.
    pub async fn refresh(&self, token: &Secret<String>) -> Result<TokenPair> {
        let inner = &self.inner;
        let (keys, given) = self.checked(token).await?;
        let key =
            keys.find(KeyPurpose::Refresh, given.key_id, inner.clock.now()).ok_or_else(token::refused)?;
        let next = refresh::make(key, given.family, given.generation.saturating_add(1));
        let turn = Turn {
            family: given.family.to_owned(),
            generation: given.generation,
            token: refresh::digest(token.expose()),
            next: refresh::digest(next.expose()),
            grace: REFRESH_GRACE,
            token_life: inner.people.settings.refresh_token,
        };
        match inner.store.turn(turn).await? {
            Turned::Rotated(user) | Turned::Repeated(user) => pair(inner, &keys, &user, next),
            Turned::Reused(user) => {
                inner.note_of(noted::TOKEN_REUSED, &user, Outcome::Refused).await?;
                Err(token::refused())
            }
            Turned::Gone => Err(token::refused()),
        }
    }

    /// Ends the family of a refresh token. Access tokens of it stay good until they end, within minutes;
    /// [`Users::revoke_all`](super::Users::revoke_all) ends them too.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` for what is no refresh token of ours. One whose family has ended is no error.
    pub async fn logout(&self, token: &Secret<String>) -> Result<()> {
        let (_, given) = self.checked(token).await?;
        self.inner.store.end_family(given.family).await
    }

    /// Makes new keys that sign tokens. Tokens of the former ones stay good until they end.
    ///
    /// # Errors
    ///
    /// `Conflict` when someone else does so at this moment; `Vault` when there is no key to seal them with.
    pub async fn rotate_signing_keys(&self) -> Result<()> {
        let inner = &self.inner;
        let keys = inner.people.keys.fresh(inner).await?;
        for purpose in PURPOSES {
            let current = keys.current(purpose)?.id().to_owned();
            make_key(inner, purpose, Some(&current)).await?;
        }
        inner.people.keys.forget();
        Ok(())
    }

    /// A refresh token that one of our keys has signed, and the keys.
    async fn checked<'t>(&self, token: &'t Secret<String>) -> Result<(Arc<Keys>, RefreshToken<'t>)> {
        let given = RefreshToken::of(token.expose()).ok_or_else(token::refused)?;
        let keys = self.inner.people.keys.with(&self.inner, KeyPurpose::Refresh, given.key_id).await?;
        let key = keys.find(KeyPurpose::Refresh, given.key_id, self.inner.clock.now());
        match key.is_some_and(|key| given.is_of(key)) {
            true => Ok((keys, given)),
            false => Err(token::refused()),
        }
    }
}

fn pair(inner: &Inner, keys: &Keys, user: &UserRecord, refresh_token: Secret<String>) -> Result<TokenPair> {
    let expires_in = inner.people.settings.access_token;
    let claims = Claims::new(user.id, user.tenant, user.token_version, inner.clock.now(), expires_in)?;
    let access_token = token::sign(keys.current(KeyPurpose::Access)?, inner.vault.deployment(), &claims)?;
    Ok(TokenPair { access_token, refresh_token, expires_in })
}

const PURPOSES: [KeyPurpose; 2] = [KeyPurpose::Access, KeyPurpose::Refresh];

/// The keys of the deployment, opened.
#[derive(Debug)]
struct Keys {
    all: Vec<(SigningKeyRecord, SigningKey)>,
    /// By the engine's monotonic clock.
    read_at: Duration,
}

impl Keys {
    /// The key that signs.
    fn current(&self, purpose: KeyPurpose) -> Result<&SigningKey> {
        let found = self.all.iter().find(|(record, _)| record.purpose == purpose && record.ends_at.is_none());
        let none = || Error::new(ErrorKind::Internal, "there is no key to sign tokens with");
        found.map(|(_, key)| key).ok_or_else(none)
    }

    /// The key with this id, if it is good at `now`.
    fn find(&self, purpose: KeyPurpose, id: &str, now: Timestamp) -> Option<&SigningKey> {
        let good = |record: &SigningKeyRecord| record.ends_at.is_none_or(|end| end > now);
        let mut all = self.all.iter().filter(|(record, _)| record.purpose == purpose && record.id == id);
        all.find(|(record, _)| good(record)).map(|(_, key)| key)
    }
}

/// The keys that were read last.
#[derive(Default)]
pub(super) struct KeysAtHand {
    keys: Mutex<Option<Arc<Keys>>>,
    /// One at a time reads them.
    reading: tokio::sync::Mutex<()>,
}

impl KeysAtHand {
    /// The keys, read within the last minute.
    async fn fresh(&self, inner: &Inner) -> Result<Arc<Keys>> {
        self.no_older_than(inner, KEYS_FRESH_FOR).await
    }

    /// The keys, among them the one with this id if there is one.
    async fn with(&self, inner: &Inner, purpose: KeyPurpose, id: &str) -> Result<Arc<Keys>> {
        let keys = self.fresh(inner).await?;
        match keys.find(purpose, id, inner.clock.now()) {
            Some(_) => Ok(keys),
            None => self.no_older_than(inner, KEYS_STALE_FOR).await,
        }
    }

    fn forget(&self) {
        self.set(None);
    }

    async fn no_older_than(&self, inner: &Inner, age: Duration) -> Result<Arc<Keys>> {
        if let Some(keys) = self.young(inner, age) {
            return Ok(keys);
        }
        let _reading = self.reading.lock().await;
        // Someone may have read them while this one waited.
        if let Some(keys) = self.young(inner, age) {
            return Ok(keys);
        }
        let keys = Arc::new(read(inner).await?);
        self.set(Some(Arc::clone(&keys)));
        Ok(keys)
    }

    fn young(&self, inner: &Inner, age: Duration) -> Option<Arc<Keys>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.as_ref().filter(|keys| inner.clock.monotonic().saturating_sub(keys.read_at) < age).cloned()
    }

    fn set(&self, keys: Option<Arc<Keys>>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// Reads and opens the keys, and makes those that are not there yet.
async fn read(inner: &Inner) -> Result<Keys> {
    let read_at = inner.clock.monotonic();
    let mut records = inner.store.signing_keys().await?;
    for purpose in PURPOSES {
        if !records.iter().any(|record| record.purpose == purpose && record.ends_at.is_none()) {
            match make_key(inner, purpose, None).await {
                // Another process was quicker: its key will do.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                made => made?,
            }
            records = inner.store.signing_keys().await?;
        }
    }
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let place = RecordContext::signing_key(&record.id, record.purpose.as_str());
        let opened = async {
            let plain = inner.vault.open(&place, &record.sealed).await?;
            SigningKey::from_parts(&record.id, plain.expose())
        };
        let key = opened.await.map_err(|error: Error| error.with("signing key", &record.id))?;
        all.push((record, key));
    }
    Ok(Keys { all, read_at })
}

/// Makes a new current key in the place of `expected`, which stays good for as long as there are tokens of it.
async fn make_key(inner: &Inner, purpose: KeyPurpose, expected: Option<&str>) -> Result<()> {
    let key = SigningKey::generate()?;
    let place = RecordContext::signing_key(key.id(), purpose.as_str());
    let sealed = inner.vault.seal(&place, key.expose()).await?;
    let settings = &inner.people.settings;
    let life = match purpose {
        KeyPurpose::Access => settings.access_token,
        KeyPurpose::Refresh => settings.session,
    };
    // Whoever has not noticed yet signs with it for a while.
    let former_life = life + LEEWAY + 2 * KEYS_FRESH_FOR;
    let new = NewSigningKey { id: key.id().to_owned(), purpose, sealed };
    inner.store.rotate_signing_key(new, expected, former_life).await
}
