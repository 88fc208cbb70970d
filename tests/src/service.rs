//! A service on loopback that does what a test says, byte for byte, well-behaved or not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use windows_sim::Identity;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Seen {
    /// The first header of that name, however it is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What a service does, in order; then it closes the connection.
pub enum Act {
    /// Says this.
    Say(Vec<u8>),
    /// Says this again and again, until nobody listens.
    Flood(Vec<u8>),
    /// Waits until the other side has gone.
    Hold,
}

/// An answer with a status line, headers and a body whose length it says.
pub fn answer(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let mut bytes = head(status, headers, &[("content-length", &body.len().to_string())]);
    bytes.extend_from_slice(body);
    vec![Act::Say(bytes)]
}

/// An answer in JSON.
pub fn json(body: &serde_json::Value) -> Vec<Act> {
    answer("200 OK", &[("content-type", "application/json")], body.to_string())
}

/// A redirect.
pub fn redirect(status: u16, location: &str) -> Vec<Act> {
    answer(&format!("{status} Elsewhere"), &[("location", location)], "go there")
}

/// The head of an answer.
pub fn head(status: &str, headers: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers.iter().chain(more) {
        text += &format!("{name}: {value}\r\n");
    }
    (text + "\r\n").into_bytes()
}

/// A service that listens.
pub struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    gone: watch::Receiver<usize>,
    _listener: AbortOnDropHandle<()>,
}

impl Service {
    /// One on plain HTTP.
    ///
    /// # Panics
    ///
    /// Without a free port.
    pub async fn start(script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::listen(None, script).await
    }

    /// One on HTTPS.
    ///
    /// # Panics
    ///
    /// Without a free port, and for an identity that is none.
    pub async fn tls(
        identity: &Identity,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a key that fits");
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))), script).await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked so far.
    ///
    /// # Panics
    ///
    /// After a panic of its own.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// The only request that it was asked.
    ///
    /// # Panics
    ///
    /// When it was asked another number of times.
    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Returns when it has been asked `count` times.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub async fn asked(&self, count: usize) {
        self.count.clone().wait_for(|asked| *asked >= count).await.expect("it listens");
    }

    /// Returns when `count` callers that it held have gone.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub async fn left(&self, count: usize) {
        self.gone.clone().wait_for(|gone| *gone >= count).await.expect("it listens");
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (asked, count) = watch::channel(0);
        let (left, gone) = watch::channel(0);
        let (script, asked, left) = (Arc::new(script), Arc::new(asked), Arc::new(left));
        let known = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script, known) = (tls.clone(), Arc::clone(&script), Arc::clone(&known));
                let (asked, left) = (Arc::clone(&asked), Arc::clone(&left));
                tokio::spawn(async move {
                    let note = |request: &Seen| {
                        known.lock().expect("nobody panicked").push(request.clone());
                        asked.send_modify(|count| *count += 1);
                    };
                    match tls {
                        None => converse(stream, &*script, note, &left).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &*script, note, &left).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, count, gone, _listener: AbortOnDropHandle::new(task) }
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &(dyn Fn(&Seen) -> Vec<Act> + Send + Sync),
    note: impl Fn(&Seen),
    left: &watch::Sender<usize>,
) {
    let Some(request) = read(&mut stream).await else { return };
    note(&request);
    for act in script(&request) {
        let said = match act {
            Act::Say(bytes) => say(&mut stream, &bytes).await,
            Act::Flood(bytes) => loop {
                if !say(&mut stream, &bytes).await {
                    break false;
                }
            },
            Act::Hold => {
                let mut byte = [0];
                while matches!(stream.read(&mut byte).await, Ok(1)) {}
                false
            }
        };
        if !said {
            left.send_modify(|gone| *gone += 1);
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = text.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut seen = Seen {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        body: String::new(),
    };
    let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    Some(seen)
}
