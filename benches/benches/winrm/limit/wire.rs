//! A bare socket that carries sealed messages.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation, Ntlm, SecurityBuffer,
    Sspi, SspiImpl as _, Username,
};

use super::{
    message,
    seal::{Keys, SIGNATURE_BYTES, Sealed},
};
use crate::Failure;

const PATIENCE: Duration = Duration::from_secs(30);
const END: &[u8] = b"--Encrypted Boundary--\r\n";

/// A connection that is logged on.
pub(super) struct Wire {
    pub(super) port: u16,
    stream: TcpStream,
    keys: Keys,
    buffer: Vec<u8>,
}

/// A message that is sealed already.
pub(super) struct Prebuilt {
    head: Vec<u8>,
    sealed: Sealed,
    id_at: Option<usize>,
}

impl Wire {
    /// Connects and logs on with NTLM.
    pub(super) fn log_on(port: u16, user: &str, password: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self { port, stream, keys: Keys::new(&[]), buffer: vec![0; 64 * 1024] };
        let mut ntlm = Ntlm::new();
        let identity =
            AuthIdentity { username: Username::new(user, None)?, password: password.to_owned().into() };
        let mut credentials = ntlm
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut ntlm)?
            .credentials_handle;
        let mut challenge = Vec::new();
        for _ in 0..2 {
            let mut input = vec![SecurityBuffer::new(challenge, BufferType::Token)];
            let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
            let mut step = ntlm
                .initialize_security_context()
                .with_credentials_handle(&mut credentials)
                .with_context_requirements(
                    ClientRequestFlags::CONFIDENTIALITY
                        | ClientRequestFlags::INTEGRITY
                        | ClientRequestFlags::REPLAY_DETECT
                        | ClientRequestFlags::SEQUENCE_DETECT,
                )
                .with_target_data_representation(DataRepresentation::Native)
                .with_target_name("HTTP/127.0.0.1")
                .with_input(&mut input)
                .with_output(&mut output);
            ntlm.initialize_security_context_impl(&mut step)?.resolve_to_result()?;
            let token = STANDARD.encode(&output[0].buffer);
            let head = format!(
                "POST /wsman HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Negotiate {token}\r\nContent-Length: 0\r\n\r\n"
            );
            wire.stream.write_all(head.as_bytes())?;
            let (head, _) = wire.read()?;
            let token = message::between(&head, "Www-Authenticate: Negotiate ", "\r\n").unwrap_or_default();
            challenge = STANDARD.decode(token)?;
        }
        wire.keys = Keys::new(ntlm.query_context_session_key()?.session_key.as_ref());
        Ok(wire)
    }

    /// Seals a message for later. They must be sent in the order in which they were built.
    pub(super) fn prebuild(&mut self, text: String) -> Prebuilt {
        let id_at = text.find(message::ID);
        let sealed = self.keys.seal(text.into_bytes());
        let length = sealed.bytes.len();
        let frame = format!(
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
             \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n\
             --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        );
        let mut head = format!(
            "POST /wsman HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";\
             boundary=\"Encrypted Boundary\"\r\nContent-Length: {}\r\n\r\n{frame}",
            frame.len() + 4 + SIGNATURE_BYTES + length + END.len(),
        )
        .into_bytes();
        head.extend_from_slice(&(SIGNATURE_BYTES as u32).to_le_bytes());
        head.extend_from_slice(&self.keys.signature(&sealed));
        Prebuilt { head, sealed, id_at }
    }

    /// Sends a message and reads its answer.
    pub(super) fn exchange(&mut self, prebuilt: Prebuilt, id: Option<&str>) -> Result<String, Failure> {
        let Prebuilt { mut head, mut sealed, id_at } = prebuilt;
        if let (Some(at), Some(id)) = (id_at, id) {
            if id.len() != message::ID.len() {
                return Err("the host's id is not as long as one".into());
            }
            sealed.exchange(at, id.as_bytes());
            let signature_at = head.len() - SIGNATURE_BYTES;
            head[signature_at..].copy_from_slice(&self.keys.signature(&sealed));
        }
        head.extend_from_slice(&sealed.bytes);
        head.extend_from_slice(END);
        self.stream.write_all(&head)?;
        let (head, mut body) = self.read()?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err("the host refused a prebuilt message".into());
        }
        const MARK: &[u8] = b"octet-stream\r\n";
        let start =
            body.windows(MARK.len()).position(|window| window == MARK).ok_or("an answer is not sealed")?;
        let start = start + MARK.len() + 4 + SIGNATURE_BYTES;
        let end = body.len() - END.len();
        let plain = body.get_mut(start..end).ok_or("an answer is cut off")?;
        self.keys.open(plain);
        Ok(String::from_utf8(plain.to_vec())?)
    }

    /// Seals, sends and reads at once.
    pub(super) fn ask(&mut self, text: &str) -> Result<String, Failure> {
        let prebuilt = self.prebuild(text.to_owned());
        self.exchange(prebuilt, None)
    }

    /// One answer: its head and its body.
    fn read(&mut self) -> Result<(String, Vec<u8>), Failure> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err("the host hung up".into());
            }
            filled += read;
            let Some(split) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n")
            else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..split + 4])?;
            let length =
                message::between(head, "Content-Length: ", "\r\n").unwrap_or("0").parse::<usize>()?;
            if filled == split + 4 + length {
                return Ok((head.to_owned(), self.buffer[split + 4..filled].to_vec()));
            }
        }
    }
}
