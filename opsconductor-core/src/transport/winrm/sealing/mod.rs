//! Sealing: what makes a message unreadable and unchangeable on its way over plain HTTP.

mod frame;
mod ntlm;
mod rc4;

use bytes::{Bytes, BytesMut};
use sspi::Sspi;
#[cfg(feature = "kerberos")]
use sspi::{EncryptionFlags, Kerberos, SecurityBufferRef};

use self::{frame::FrameError, ntlm::Ntlm};
#[cfg(feature = "kerberos")]
use super::security::quiet;

/// The keys that a logon left behind, and how far they are used. It belongs to one connection.
pub(super) struct Sealing(Keys);

enum Keys {
    Ntlm(Box<Ntlm>),
    #[cfg(feature = "kerberos")]
    Kerberos(Box<Kerberos>),
}

/// What a frame says of the keys that seal its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// NTLM, inside SPNEGO or not.
    Spnego,
    #[cfg(feature = "kerberos")]
    Kerberos,
}

/// How many bytes of a frame are the sealed message.
#[cfg(feature = "fuzzing")]
pub(super) fn framed(body: &[u8]) -> Option<usize> {
    frame::decode(Protocol::Spnego, body).ok().map(|frame| frame.sealed.len())
}

/// Why a sealed message does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the signature is not that of the next message of the host")]
    Signature,
    #[cfg(feature = "kerberos")]
    #[error(transparent)]
    Kerberos(#[from] sspi::Error),
}

impl Sealing {
    /// Of a logon by NTLM, inside SPNEGO or not.
    pub(super) fn ntlm(context: impl Sspi) -> sspi::Result<Self> {
        Ok(Self(Keys::Ntlm(Box::new(Ntlm::take_over(context)?))))
    }

    /// Of a logon by Kerberos, which `sspi` seals.
    #[cfg(feature = "kerberos")]
    pub(super) fn kerberos(context: Box<Kerberos>) -> Self {
        Self(Keys::Kerberos(context))
    }

    /// The content type of a sealed request.
    pub(super) fn content_type(&self) -> &'static str {
        self.protocol().content_type()
    }

    /// Makes `out` ready for a message that is to be sealed: it is appended.
    pub(super) fn begin(&self, out: &mut BytesMut) {
        frame::begin(out);
    }

    /// Seals the message that was appended to `out`, in place, and takes its frame out.
    pub(super) fn seal(&mut self, out: &mut BytesMut) -> sspi::Result<Bytes> {
        let protocol = self.protocol();
        let (signature, message) = frame::parts(protocol, out);
        match &mut self.0 {
            Keys::Ntlm(keys) => signature.copy_from_slice(&keys.seal(message)),
            #[cfg(feature = "kerberos")]
            Keys::Kerberos(context) => {
                let buffers =
                    &mut [SecurityBufferRef::token_buf(signature), SecurityBufferRef::data_buf(message)];
                quiet(|| context.encrypt_message(EncryptionFlags::empty(), buffers))?;
            }
        }
        Ok(frame::end(protocol, out))
    }

    /// Opens a frame, or says that it is not the next one that the host sealed.
    pub(super) fn open(&mut self, frame: &[u8]) -> Result<Vec<u8>, OpenError> {
        let frame = frame::decode(self.protocol(), frame)?;
        let mut message = frame.sealed.to_vec();
        match &mut self.0 {
            Keys::Ntlm(keys) => {
                if !keys.open(frame.signature, &mut message) {
                    return Err(OpenError::Signature);
                }
            }
            #[cfg(feature = "kerberos")]
            Keys::Kerberos(context) => {
                let mut signature = frame.signature.to_vec();
                let buffers = &mut [
                    SecurityBufferRef::token_buf(&mut signature),
                    SecurityBufferRef::data_buf(&mut message),
                ];
                quiet(|| context.decrypt_message(buffers))?;
            }
        }
        Ok(message)
    }

    fn protocol(&self) -> Protocol {
        match self.0 {
            Keys::Ntlm(_) => Protocol::Spnego,
            #[cfg(feature = "kerberos")]
            Keys::Kerberos(_) => Protocol::Kerberos,
        }
    }
}
