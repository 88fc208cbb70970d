//! An NTLM acceptor, written from MS-NLMP: NTLMv2 only, extended session security, 128-bit keys.
//!
//! It shares no code with the client's NTLM, so that the two prove each other.

pub(crate) mod crypto;
mod flags;
pub(crate) mod message;
mod rc4;
mod security;

#[cfg(test)]
mod tests;

pub(crate) use security::Security;

use message::{Authenticate, ClientBlob};

/// Why an initiator was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NtlmError {
    #[error("the NTLM message is malformed")]
    Malformed,
    #[error("the initiator offers less than Unicode, extended session security and 128-bit keys")]
    TooWeak,
    #[error("the message arrived in a state that does not expect it")]
    OutOfOrder,
    #[error("the logon is anonymous or uses NTLMv1")]
    NotNtlmV2,
    #[error("the user is unknown or the password is wrong")]
    LogonDenied,
    #[error("the message integrity code does not match the three messages")]
    BadMic,
    #[error("the channel bindings do not match the TLS certificate")]
    BadChannelBinding,
    #[error("the signature does not match the message")]
    BadSignature,
}

/// How strictly channel bindings are checked over TLS, as `CbtHardeningLevel` sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ChannelBinding {
    /// Never looked at.
    None,
    /// Checked when the client sends them. Windows' default.
    #[default]
    Relaxed,
    /// Required and checked.
    Strict,
}

/// The exchange after the CHALLENGE message went out.
pub(crate) struct Pending {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    server_challenge: [u8; 8],
    flags: u32,
}

/// What the acceptor needs to know to judge an AUTHENTICATE message.
pub(crate) struct Judge<'a> {
    /// The NT hash of a user (name, domain as sent), `None` when unknown.
    pub(crate) nt_hash: &'a dyn Fn(&str, &str) -> Option<[u8; 16]>,
    /// How strictly channel bindings are checked.
    pub(crate) channel_binding: ChannelBinding,
    /// The hash of this connection's channel bindings, over TLS.
    pub(crate) expected_binding: Option<[u8; 16]>,
}

/// A logon that succeeded.
pub(crate) struct Established {
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) security: Security,
}

/// A logon that failed, with the user and domain it was for when the message was readable.
pub(crate) struct Refused {
    pub(crate) user: Option<(String, String)>,
    pub(crate) reason: NtlmError,
}

impl Pending {
    /// Answers a NEGOTIATE message.
    pub(crate) fn new(
        host: &str,
        negotiate: &[u8],
        server_challenge: [u8; 8],
        file_time: u64,
    ) -> Result<Self, NtlmError> {
        let flags = message::agree(message::negotiate_flags(negotiate)?)?;
        let challenge = message::challenge(host, flags, &server_challenge, file_time);
        Ok(Self { negotiate: negotiate.to_vec(), challenge, server_challenge, flags })
    }

    /// The CHALLENGE message to send.
    pub(crate) fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    /// Judges an AUTHENTICATE message.
    pub(crate) fn authenticate(&self, token: &[u8], judge: &Judge<'_>) -> Result<Established, Refused> {
        let message = Authenticate::parse(token).map_err(|reason| Refused { user: None, reason })?;
        let result = self.check(&message, token, judge);
        match result {
            Ok(security) => Ok(Established { user: message.user, domain: message.domain, security }),
            Err(reason) => Err(Refused { user: Some((message.user, message.domain)), reason }),
        }
    }

    fn check(&self, message: &Authenticate, token: &[u8], judge: &Judge<'_>) -> Result<Security, NtlmError> {
        // An NTLMv1 response has 24 bytes, an anonymous one none.
        if message.user.is_empty() || message.nt_response.len() <= 24 {
            return Err(NtlmError::NotNtlmV2);
        }
        let agreed = message.flags & self.flags;
        if agreed & flags::REQUIRED != flags::REQUIRED {
            return Err(NtlmError::TooWeak);
        }
        let (proof, blob) = message.nt_response.split_at(16);
        let nt_hash = (judge.nt_hash)(&message.user, &message.domain).ok_or(NtlmError::LogonDenied)?;
        let response_key = crypto::response_key(&nt_hash, &message.user, &message.domain);
        if crypto::hmac_md5(&response_key, &[&self.server_challenge, blob]) != proof {
            return Err(NtlmError::LogonDenied);
        }
        let exported = exported_session_key(message, agreed, &crypto::hmac_md5(&response_key, &[proof]))?;

        let blob = ClientBlob::parse(blob)?;
        if blob.has_mic() {
            let mut zeroed = token.to_vec();
            let mic = message::take_mic(&mut zeroed)?;
            if crypto::hmac_md5(&exported, &[&self.negotiate, &self.challenge, &zeroed]) != mic {
                return Err(NtlmError::BadMic);
            }
        }
        check_binding(judge, blob.channel_bindings())?;
        Ok(Security::new(agreed, &exported))
    }
}

/// The hash that a client puts into its response for a TLS connection: MD5 over an empty `gss_channel_bindings_struct`
/// with the `tls-server-end-point` data.
pub(crate) fn channel_binding_hash(certificate_hash: &[u8]) -> [u8; 16] {
    const PREFIX: &[u8] = b"tls-server-end-point:";
    let length = (PREFIX.len() + certificate_hash.len()) as u32;
    crypto::md5(&[&[0; 16], &length.to_le_bytes(), PREFIX, certificate_hash])
}

fn exported_session_key(
    message: &Authenticate,
    agreed: u32,
    session_base_key: &[u8; 16],
) -> Result<[u8; 16], NtlmError> {
    let protects = agreed & (flags::SIGN | flags::SEAL) != 0;
    if agreed & flags::KEY_EXCHANGE == 0 || !protects {
        return Ok(*session_base_key);
    }
    let encrypted = message.encrypted_session_key.as_slice().try_into().map_err(|_| NtlmError::Malformed)?;
    Ok(crypto::rc4_once(session_base_key, encrypted))
}

fn check_binding(judge: &Judge<'_>, sent: Option<&[u8]>) -> Result<(), NtlmError> {
    let Some(expected) = &judge.expected_binding else { return Ok(()) };
    match (judge.channel_binding, sent) {
        (ChannelBinding::None, _) | (ChannelBinding::Relaxed, None) => Ok(()),
        (_, Some(sent)) if sent == expected => Ok(()),
        _ => Err(NtlmError::BadChannelBinding),
    }
}
