//! A mail server on loopback: it lets one account in and keeps what it gets.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use windows_sim::CertificateAuthority;

/// How connections become private.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    None,
    Starttls,
    Tls,
}

/// The server.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    /// What clients have to trust.
    pub(crate) ca_pem: String,
    mails: Arc<Mutex<Vec<String>>>,
    lines: Arc<Mutex<Vec<String>>>,
    _listener: AbortOnDropHandle<()>,
}

struct House {
    privacy: Privacy,
    tls: TlsAcceptor,
    login: String,
    mails: Arc<Mutex<Vec<String>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub(crate) async fn start(privacy: Privacy, user: &str, password: &str) -> Self {
        let authority = CertificateAuthority::new("Mail").unwrap();
        let identity = authority.host(&["localhost"], 2020..2040).unwrap();
        let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (mails, lines) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let house = Arc::new(House {
            privacy,
            tls: TlsAcceptor::from(Arc::new(config)),
            login: STANDARD.encode(format!("\0{user}\0{password}")),
            mails: Arc::clone(&mails),
            lines: Arc::clone(&lines),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let house = Arc::clone(&house);
                tokio::spawn(async move { house.serve(stream).await });
            }
        });
        Self { port, ca_pem: authority.pem(), mails, lines, _listener: AbortOnDropHandle::new(task) }
    }

    /// The mails it got.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    /// What it was told on connections that were not private.
    pub(crate) fn plain_lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl House {
    async fn serve(&self, stream: TcpStream) -> Option<()> {
        match self.privacy {
            Privacy::Tls => {
                self.converse(&mut BufStream::new(self.tls.accept(stream).await.ok()?), true, true).await
            }
            privacy => {
                let mut stream = BufStream::new(stream);
                if self.converse(&mut stream, privacy == Privacy::None, true).await == Some(true) {
                    let stream = self.tls.accept(stream.into_inner()).await.ok()?;
                    self.converse(&mut BufStream::new(stream), true, false).await;
                }
                None
            }
        };
        None
    }

    /// Whether the client begins TLS.
    async fn converse(
        &self,
        stream: &mut BufStream<impl AsyncRead + AsyncWrite + Unpin>,
        is_ready: bool,
        greets: bool,
    ) -> Option<bool> {
        let is_private = self.privacy == Privacy::Tls || !greets;
        if greets {
            say(stream, "220 mail").await?;
        }
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return Some(false);
            }
            let command = line.trim_end().to_owned();
            if !is_private {
                self.lines.lock().unwrap().push(command.clone());
            }
            let word = command.split(' ').next().unwrap_or_default().to_uppercase();
            match word.as_str() {
                "EHLO" if is_ready && self.privacy != Privacy::None => {
                    say(stream, "250-mail\r\n250 AUTH PLAIN").await?;
                }
                "EHLO" if is_ready => say(stream, "250 mail").await?,
                "EHLO" => say(stream, "250-mail\r\n250 STARTTLS").await?,
                "STARTTLS" if !is_ready => {
                    say(stream, "220 go on").await?;
                    return Some(true);
                }
                "AUTH" if command == format!("AUTH PLAIN {}", self.login) => {
                    say(stream, "235 welcome").await?
                }
                // A server that talks too much.
                "AUTH" => say(stream, &format!("535 not with {command}")).await?,
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let mut mail = String::new();
                    while !mail.ends_with("\r\n.\r\n") {
                        if stream.read_line(&mut mail).await.ok()? == 0 {
                            return None;
                        }
                    }
                    self.mails.lock().unwrap().push(mail);
                    say(stream, "250 taken").await?;
                }
                "RCPT" if command.contains("nobody@") => say(stream, "550 no such mailbox").await?,
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Some(false);
                }
                _ => say(stream, "250 ok").await?,
            }
        }
    }
}

async fn say(stream: &mut BufStream<impl AsyncRead + AsyncWrite + Unpin>, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}
