//! The handshake's tokens, by `sspi`: NTLM, SPNEGO and Kerberos.
//!
//! `sspi` traces whole plaintext messages at `debug` and tokens at `trace`, and the `Debug` form of its contexts
//! shows session keys. So nothing here derives `Debug`, and every call runs without a tracing subscriber ([`quiet`]).

use md4::{Digest as _, Md4};
#[cfg(feature = "kerberos")]
use sspi::Kerberos;
use sspi::{
    AuthIdentity, AuthIdentityBuffers, BufferType, ClientRequestFlags, CredentialUse, Credentials,
    CredentialsBuffers, DataRepresentation, Negotiate, NegotiateConfig, Ntlm, SecurityBuffer, SecurityStatus,
    Sspi, SspiImpl, Username, ntlm::NtlmConfig,
};
use tracing::dispatcher::{Dispatch, with_default};
use zeroize::Zeroize as _;

#[cfg(feature = "kerberos")]
use super::kerberos::{self, Route};
use super::{
    account::{Account, Scheme},
    sealing::Sealing,
};
#[cfg(feature = "kerberos")]
use crate::{Error, ErrorKind, Result, error::Layer};

/// What the host's log shows as the caller's workstation.
const WORKSTATION: &str = "OPSCONDUCTOR";

/// What every logon asks for.
const REQUIREMENTS: ClientRequestFlags = ClientRequestFlags::CONFIDENTIALITY
    .union(ClientRequestFlags::INTEGRITY)
    .union(ClientRequestFlags::REPLAY_DETECT)
    .union(ClientRequestFlags::SEQUENCE_DETECT);

/// NTLM alone: no look-up of a key distribution centre, no `krb5.conf`.
const PACKAGES: &str = "ntlm,!kerberos,!pku2u";

/// One authentication. It belongs to one connection.
pub(super) struct Security {
    context: Context,
    service: String,
    bindings: Option<Vec<u8>>,
    complete: bool,
}

enum Context {
    Negotiate(Box<Negotiate>, Option<CredentialsBuffers>),
    Ntlm(Box<Ntlm>, Option<AuthIdentityBuffers>),
    #[cfg(feature = "kerberos")]
    Kerberos(Box<Kerberos>, Option<CredentialsBuffers>),
}

impl Security {
    /// Prepares a logon of `account` at `service`; `end_point` is the channel binding under TLS.
    pub(super) fn new(account: &Account, service: &str, end_point: Option<&[u8]>) -> sspi::Result<Self> {
        quiet(|| {
            let domain = Some(account.domain.as_str()).filter(|domain| !domain.is_empty());
            let username = Username::new(&account.user, domain)
                .map_err(|error| sspi::Error::new(sspi::ErrorKind::InvalidParameter, error.to_string()))?;
            let identity = AuthIdentity { username, password: password(account.password()) };
            #[cfg(feature = "kerberos")]
            if account.scheme == Scheme::Kerberos {
                // A password is a password here, whatever it begins with.
                let password = account.password().to_owned().into();
                let identity = AuthIdentity { username: identity.username, password };
                let mut kerberos = Box::new(Kerberos::new_client_from_config(kerberos::config(WORKSTATION))?);
                let credentials = acquire(kerberos.as_mut(), &Credentials::from(identity))?;
                let context = Context::Kerberos(kerberos, credentials);
                return Ok(Self { context, service: service.to_owned(), bindings: None, complete: false });
            }
            let context = if account.scheme == Scheme::Negotiate {
                let inner = Box::new(NtlmConfig::new(WORKSTATION.to_owned()));
                let config = NegotiateConfig::new(inner, Some(PACKAGES.to_owned()), WORKSTATION.to_owned());
                let mut negotiate = Box::new(Negotiate::new_client(config)?);
                let credentials = acquire(negotiate.as_mut(), &Credentials::from(identity))?;
                Context::Negotiate(negotiate, credentials)
            } else {
                let mut ntlm = Box::new(Ntlm::new());
                let credentials = acquire(ntlm.as_mut(), &identity)?;
                Context::Ntlm(ntlm, credentials)
            };
            let bindings = end_point.map(channel_bindings);
            Ok(Self { context, service: service.to_owned(), bindings, complete: false })
        })
    }

    /// Takes the host's token (none at first) and gives ours; an empty one means that there is nothing to say.
    pub(super) fn step(&mut self, token: Option<&[u8]>) -> sspi::Result<Vec<u8>> {
        let (service, bindings) = (self.service.as_str(), self.bindings.as_deref());
        let (token, status) = quiet(|| match &mut self.context {
            Context::Negotiate(context, credentials) => {
                step(context.as_mut(), credentials, service, token, bindings)
            }
            Context::Ntlm(context, credentials) => {
                step(context.as_mut(), credentials, service, token, bindings)
            }
            #[cfg(feature = "kerberos")]
            Context::Kerberos(..) => Err(sspi::Error::new(
                sspi::ErrorKind::UnsupportedFunction,
                "a ticket is asked for, and that takes its time",
            )),
        })?;
        self.complete = status == SecurityStatus::Ok;
        Ok(token)
    }

    /// The same for Kerberos, where the first step asks the realm's centre for a ticket.
    #[cfg(feature = "kerberos")]
    pub(super) async fn step_by_ticket(&mut self, token: Option<&[u8]>, route: &Route) -> Result<Vec<u8>> {
        let Context::Kerberos(context, credentials) = &mut self.context else {
            return Err(Error::new(ErrorKind::Internal, "a ticket was asked for a logon without Kerberos"));
        };
        let mut input = Vec::new();
        if let Some(token) = token {
            input.push(SecurityBuffer::new(token.to_vec(), BufferType::Token));
        }
        let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = context
            .initialize_security_context()
            .with_credentials_handle(credentials)
            .with_context_requirements(REQUIREMENTS | ClientRequestFlags::MUTUAL_AUTH)
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name(&self.service)
            .with_input(&mut input)
            .with_output(&mut output);
        let step = quiet(|| context.initialize_security_context_impl(&mut builder)).map_err(|error| {
            Error::transport(Layer::Authentication, "the Kerberos logon cannot begin").with_source(error)
        })?;
        let status = route.resolve(step).await?.status;
        self.complete = status == SecurityStatus::Ok;
        Ok(output.pop().map(|buffer| buffer.buffer).unwrap_or_default())
    }

    /// Whether no further token of the host is needed.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The keys that the logon has left behind.
    pub(super) fn into_sealing(self) -> sspi::Result<Sealing> {
        match self.context {
            Context::Negotiate(context, _) => Sealing::ntlm(*context),
            Context::Ntlm(context, _) => Sealing::ntlm(*context),
            #[cfg(feature = "kerberos")]
            Context::Kerberos(context, _) => Ok(Sealing::kerberos(context)),
        }
    }
}

/// Runs `work` as if no tracing subscriber were set on this thread. `Dispatch::none` registers nothing, so this costs
/// two moves of a thread-local; `work` must not wait for anything.
pub(super) fn quiet<T>(work: impl FnOnce() -> T) -> T {
    with_default(&Dispatch::none(), work)
}

/// The password as `sspi` wants it. One that begins with its mark of an NT hash would be taken for the hash that follows,
/// so such a password goes in as the NT hash that it has itself.
fn password(text: &str) -> sspi::Secret<String> {
    if !text.starts_with(sspi::NTLM_HASH_PREFIX) {
        return text.to_owned().into();
    }
    let utf16 = zeroize::Zeroizing::new(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let mut hash: [u8; 16] = Md4::digest(&*utf16).into();
    let mut marked = String::with_capacity(sspi::NTLM_HASH_PREFIX.len() + 2 * hash.len());
    marked.push_str(sspi::NTLM_HASH_PREFIX);
    for byte in hash {
        marked.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    hash.zeroize();
    marked.into()
}

fn acquire<S: Sspi + SspiImpl>(
    context: &mut S,
    identity: &S::AuthenticationData,
) -> sspi::Result<S::CredentialsHandle> {
    let result = context
        .acquire_credentials_handle()
        .with_credential_use(CredentialUse::Outbound)
        .with_auth_data(identity)
        .execute(context)?;
    Ok(result.credentials_handle)
}

fn step<S: Sspi + SspiImpl>(
    context: &mut S,
    credentials: &mut S::CredentialsHandle,
    service: &str,
    token: Option<&[u8]>,
    bindings: Option<&[u8]>,
) -> sspi::Result<(Vec<u8>, SecurityStatus)> {
    let mut input = Vec::new();
    if let Some(token) = token {
        input.push(SecurityBuffer::new(token.to_vec(), BufferType::Token));
        if let Some(bindings) = bindings {
            input.push(SecurityBuffer::new(bindings.to_vec(), BufferType::ChannelBindings));
        }
    }
    let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let mut builder = context
        .initialize_security_context()
        .with_credentials_handle(credentials)
        .with_context_requirements(REQUIREMENTS)
        .with_target_data_representation(DataRepresentation::Native)
        .with_target_name(service)
        .with_input(&mut input)
        .with_output(&mut output);
    let status = context.initialize_security_context_impl(&mut builder)?.resolve_to_result()?.status;
    let token = output.pop().map(|buffer| buffer.buffer).unwrap_or_default();
    Ok((token, status))
}

/// `SEC_CHANNEL_BINDINGS`: 32 bytes of lengths and offsets, of which the last two are ours, then the binding.
fn channel_bindings(end_point: &[u8]) -> Vec<u8> {
    const HEADER: u32 = 32;
    let mut out = vec![0; HEADER as usize];
    // A binding is shorter than a hundred bytes.
    out[24..28].copy_from_slice(&(end_point.len() as u32).to_le_bytes());
    out[28..32].copy_from_slice(&HEADER.to_le_bytes());
    out.extend_from_slice(end_point);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::{Arc, Mutex};

    use tracing::{Event, Metadata, Subscriber, span};

    use super::{Security, channel_bindings, quiet};
    use crate::{
        Secret,
        transport::winrm::account::{Account, Proof, Scheme},
    };

    fn account(scheme: Scheme) -> Account {
        Account {
            user: "ada".into(),
            domain: "CORP".into(),
            proof: Proof::Password(Secret::from("hunter2")),
            scheme,
        }
    }

    #[test]
    fn the_first_token_is_what_the_scheme_says() {
        let token = |scheme| Security::new(&account(scheme), "h", None).unwrap().step(None).unwrap();
        assert!(token(Scheme::Ntlm).starts_with(b"NTLMSSP\0\x01\0\0\0"));
        let wrapped = token(Scheme::Negotiate);
        assert_eq!(wrapped[0], 0x60, "a GSS-API token");
        assert!(wrapped.windows(8).any(|window| window == b"NTLMSSP\0"));
    }

    #[test]
    fn a_token_that_is_none_is_an_error() {
        for scheme in [Scheme::Ntlm, Scheme::Negotiate] {
            let mut security = Security::new(&account(scheme), "h", None).unwrap();
            security.step(None).unwrap();
            assert!(security.step(Some(b"nonsense")).is_err());
            assert!(!security.is_complete());
        }
    }

    #[test]
    fn channel_bindings_are_laid_out_as_windows_does() {
        let bytes = channel_bindings(b"tls-server-end-point:x");
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert!(bytes[..24].iter().all(|byte| *byte == 0), "neither initiator nor acceptor");
        assert_eq!(&bytes[number(28)..][..number(24)], b"tls-server-end-point:x");
        assert_eq!(number(28) + number(24), bytes.len());
    }

    /// Counts whatever is traced while it is the default.
    struct Counter(Arc<Mutex<usize>>);

    impl Subscriber for Counter {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            *self.0.lock().unwrap() += 1;
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &Event<'_>) {
            *self.0.lock().unwrap() += 1;
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_subscriber_sees_nothing_of_a_handshake() {
        let count = Arc::new(Mutex::new(0));
        tracing::subscriber::with_default(Counter(Arc::clone(&count)), || {
            tracing::debug!("seen");
            quiet(|| tracing::debug!("not seen"));
            let mut security = Security::new(&account(Scheme::Negotiate), "h", None).unwrap();
            security.step(None).unwrap();
        });
        assert_eq!(*count.lock().unwrap(), 1);
    }
}
