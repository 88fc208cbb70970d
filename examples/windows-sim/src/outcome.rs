//! What a message came to.

use bytes::Bytes;
use hyper::StatusCode;

use crate::{fault::Fault, link::Network, reply::Reply, soap::fault::Fault as SoapFault};

/// What a message came to.
pub(crate) enum Outcome {
    /// An answer without an envelope.
    Bare(Reply),
    /// An envelope, the network it goes through, and the fault that may still spoil it.
    Answered(StatusCode, Vec<u8>, Network, Option<Fault>),
}

impl Outcome {
    /// A fault of the service, which nothing spoils.
    pub(crate) fn fault(fault: &SoapFault, machine: &str, message_id: &str) -> Self {
        let envelope = fault.envelope(machine, message_id).into();
        Self::Answered(StatusCode::INTERNAL_SERVER_ERROR, envelope, Network::default(), None)
    }

    /// The answer, once `write` has made its body.
    pub(crate) fn into_reply(
        self,
        content_type: &'static str,
        write: impl FnOnce(Option<Fault>, Vec<u8>) -> Bytes,
    ) -> Reply {
        match self {
            Self::Bare(reply) => reply,
            Self::Answered(status, envelope, network, fault) => {
                let reply = Reply::envelope(status, content_type, write(fault, envelope));
                if fault == Some(Fault::TruncatedBody) { reply.cut(network) } else { reply }
            }
        }
    }
}
