//! The state of one connection's Negotiate authentication: raw NTLM, or NTLM inside SPNEGO.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    host::Host,
    ntlm::{Judge, NtlmError, Pending, Security, message},
    spnego::{self, Token},
};

/// What to tell the client after a token.
pub(crate) enum Step {
    /// 401 with this token: go on.
    Continue(Vec<u8>),
    /// The connection is authenticated; the token, when there is one, goes with the answer.
    Established(Option<Vec<u8>>),
    /// 401 without a token.
    Refused,
}

/// An authenticated connection.
pub(crate) struct Session {
    /// The account's own name.
    pub(crate) user: String,
    /// The keys of the session.
    pub(crate) security: Security,
}

/// The authentication of one connection.
#[derive(Default)]
pub(crate) struct Negotiation {
    /// The SPNEGO wrapping, from its first token on.
    wrapping: Option<Wrapping>,
    pending: Option<Pending>,
    session: Option<Session>,
}

struct Wrapping {
    mech_list: Vec<u8>,
    mic_required: bool,
    answered: bool,
}

impl Negotiation {
    /// The established session.
    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Takes the next token from the client. `binding` is the hash of the TLS connection's channel bindings.
    pub(crate) fn step(&mut self, host: &Host, token: &[u8], binding: Option<[u8; 16]>) -> Step {
        let step = if message::is_ntlm(token) {
            self.wrapping = None;
            self.ntlm(host, token, binding)
        } else {
            self.spnego(host, token, binding)
        };
        step.unwrap_or_else(|_| {
            *self = Self::default();
            Step::Refused
        })
    }

    fn spnego(&mut self, host: &Host, token: &[u8], binding: Option<[u8; 16]>) -> Result<Step, NtlmError> {
        let (inner, mic) = match spnego::parse(token).ok_or(NtlmError::Malformed)? {
            Token::Init(init) => {
                let ntlm_at = init.ntlm_at.ok_or(NtlmError::Malformed)?;
                *self = Self::default();
                // A token for another mechanism than ours is ignored, and what was agreed must then be signed.
                let mic_required = ntlm_at != 0;
                self.wrapping = Some(Wrapping { mech_list: init.mech_list, mic_required, answered: false });
                (init.mech_token.filter(|_| ntlm_at == 0), None)
            }
            Token::Response(response) => (response.token, response.mech_list_mic),
        };
        if self.wrapping.is_none() {
            return Err(NtlmError::OutOfOrder);
        }
        let step = match inner {
            Some(inner) => self.ntlm(host, &inner, binding)?,
            None if self.session.is_some() => Step::Established(None),
            None => Step::Continue(Vec::new()),
        };
        match step {
            Step::Continue(token) => self.wrap_challenge(&token),
            Step::Established(_) => self.wrap_success(mic.as_deref()),
            Step::Refused => Ok(Step::Refused),
        }
    }

    fn wrap_challenge(&mut self, token: &[u8]) -> Result<Step, NtlmError> {
        let wrapping = self.wrapping.as_mut().ok_or(NtlmError::OutOfOrder)?;
        let first = !wrapping.answered;
        wrapping.answered = true;
        let state = match wrapping.mic_required && first {
            true => spnego::State::RequestMic,
            false => spnego::State::AcceptIncomplete,
        };
        let token = Some(token).filter(|token| !token.is_empty());
        Ok(Step::Continue(spnego::respond(state, first, token, None)))
    }

    /// Checks the client's signature over the list of mechanisms and answers it with ours.
    fn wrap_success(&mut self, mic: Option<&[u8]>) -> Result<Step, NtlmError> {
        let wrapping = self.wrapping.as_ref().ok_or(NtlmError::OutOfOrder)?;
        let security = &mut self.session.as_mut().ok_or(NtlmError::OutOfOrder)?.security;
        let answer = match mic {
            Some(mic) => {
                security.inbound.verify(mic, &wrapping.mech_list)?;
                security.inbound.reset_key_stream();
                let own = security.outbound.sign(&wrapping.mech_list);
                security.outbound.reset_key_stream();
                Some(own)
            }
            None if wrapping.mic_required => return Err(NtlmError::BadMic),
            None => None,
        };
        let own = answer.as_ref().map(<[u8; 16]>::as_slice);
        let token = spnego::respond(spnego::State::AcceptCompleted, false, None, own);
        Ok(Step::Established(Some(token)))
    }

    fn ntlm(&mut self, host: &Host, token: &[u8], binding: Option<[u8; 16]>) -> Result<Step, NtlmError> {
        // A client may begin again at any time.
        let begins = message::negotiate_flags(token).is_ok();
        let Some(pending) = self.pending.take().filter(|_| !begins) else {
            self.session = None;
            let mut server_challenge = [0; 8];
            getrandom::fill(&mut server_challenge).map_err(|_| NtlmError::OutOfOrder)?;
            let pending = Pending::new(&host.name, token, server_challenge, file_time())?;
            let challenge = pending.challenge().to_vec();
            self.pending = Some(pending);
            return Ok(Step::Continue(challenge));
        };
        let nt_hash = |user: &str, domain: &str| host.accounts.nt_hash(user, domain);
        let judge =
            Judge { nt_hash: &nt_hash, channel_binding: host.channel_binding, expected_binding: binding };
        match pending.authenticate(token, &judge) {
            Ok(established) => {
                let user = host.accounts.count(&established.user, &established.domain, true);
                self.session = Some(Session { user, security: established.security });
                Ok(Step::Established(None))
            }
            Err(refused) => {
                if let Some((user, domain)) = refused.user.filter(|(user, _)| !user.is_empty()) {
                    host.accounts.count(&user, &domain, false);
                }
                Err(refused.reason)
            }
        }
    }
}

/// Now, as Windows counts: tenths of a microsecond since 1601.
fn file_time() -> u64 {
    const UNIX_EPOCH_SECONDS: u64 = 11_644_473_600;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() + UNIX_EPOCH_SECONDS) * 10_000_000 + u64::from(since.subsec_nanos()) / 100
}
