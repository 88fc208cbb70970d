//! A small WS-Management client on one connection, with Basic and bodies that are not sealed.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use roxmltree::Document;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use uuid::Uuid;
use windows_sim::{HostBuilder, WindowsHost};

/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
pub(crate) const USER: &str = "Administrator";
pub(crate) const OTHER_USER: &str = "Operator";
pub(crate) const PASSWORD: &str = "secret";

/// A host with two users that lets this client in.
pub(crate) fn builder() -> HostBuilder {
    WindowsHost::builder("WEB-1")
        .user(USER, PASSWORD)
        .user(OTHER_USER, PASSWORD)
        .allow_unencrypted(true)
        .basic(true)
        .http("127.0.0.1:0")
}

/// One connection.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    user: &'static str,
    timeout: &'static str,
    envelope_max: usize,
    session: Option<&'static str>,
    message_id: Option<&'static str>,
}

/// An answer: its status and its envelope.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The first of the ways to authenticate that the host asks for, or the next token.
    pub(crate) asks: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// The number of the fault.
    pub(crate) fn fault(&self) -> u64 {
        self.attribute("WSManFault", "Code").parse().unwrap()
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> String {
        let document = self.document();
        document
            .descendants()
            .find(|node| node.tag_name().name() == name)
            .unwrap()
            .text()
            .unwrap_or_default()
            .to_owned()
    }

    /// The texts of all elements of that name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let document = self.document();
        let nodes = document.descendants().filter(|node| node.tag_name().name() == name);
        nodes.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// What arrived on a stream, piece by piece.
    pub(crate) fn pieces(&self, stream: &str) -> Vec<Vec<u8>> {
        let document = self.document();
        let streams = document.descendants().filter(|node| node.tag_name().name() == "Stream");
        let wanted = streams.filter(|node| node.attribute("Name") == Some(stream));
        wanted.filter_map(|node| node.text()).map(|text| BASE64.decode(text).unwrap()).collect()
    }

    /// The exit code, once the command is done.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        let document = self.document();
        let code = document.descendants().find(|node| node.tag_name().name() == "ExitCode")?;
        Some(code.text().unwrap().parse().unwrap())
    }

    fn attribute(&self, element: &str, name: &str) -> String {
        let document = self.document();
        let node = document.descendants().find(|node| node.tag_name().name() == element);
        node.unwrap_or_else(|| panic!("no {element} in {}", self.text)).attribute(name).unwrap().to_owned()
    }

    fn document(&self) -> Document<'_> {
        Document::parse(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }
}

impl Client {
    /// Connects as the first user, or as another.
    pub(crate) async fn connect(host: &WindowsHost) -> Self {
        Self::connect_as(host, USER).await
    }

    pub(crate) async fn connect_as(host: &WindowsHost, user: &'static str) -> Self {
        let stream = TcpStream::connect(host.http_addr().unwrap()).await.unwrap();
        Self::over(stream, user).await
    }

    /// Connects with TLS.
    pub(crate) async fn connect_tls(host: &WindowsHost) -> Self {
        let stream = TcpStream::connect(host.https_addr().unwrap()).await.unwrap();
        let mut roots = RootCertStore::empty();
        let pem = host.certificate_pem().unwrap().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        Self::over(stream, USER).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, user: &'static str) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (timeout, envelope_max) = ("PT30S", 153_600);
        Self { sender, user, timeout, envelope_max, session: None, message_id: None }
    }

    /// With a `SessionId` header.
    pub(crate) fn session(mut self, session: &'static str) -> Self {
        self.session = Some(session);
        self
    }

    /// With the same `MessageID` on every message.
    pub(crate) fn message_id(mut self, id: &'static str) -> Self {
        self.message_id = Some(id);
        self
    }

    /// With another operation time-out.
    pub(crate) fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    /// With another `MaxEnvelopeSize`.
    pub(crate) fn envelope_max(mut self, bytes: usize) -> Self {
        self.envelope_max = bytes;
        self
    }

    /// Waits until the host closes the connection.
    pub(crate) async fn closed(&mut self) {
        while self.sender.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Opens a shell; the answer is its id.
    pub(crate) async fn open(&mut self) -> String {
        let answer = self.create("").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.element("ShellId")
    }

    pub(crate) async fn create(&mut self, inside: &str) -> hyper::Result<Answer> {
        let action = format!("{TRANSFER}/Create");
        let body = format!(
            "<rsp:Shell>{inside}<rsp:InputStreams>stdin</rsp:InputStreams>\
             <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        );
        self.message(&action, "", &body).await
    }

    pub(crate) async fn delete(&mut self, shell: &str) -> hyper::Result<Answer> {
        self.message(&format!("{TRANSFER}/Delete"), shell, "").await
    }

    /// Starts a command; the answer is its id.
    pub(crate) async fn start(&mut self, shell: &str, line: &str) -> String {
        let answer = self.command(shell, line).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.element("CommandId")
    }

    pub(crate) async fn command(&mut self, shell: &str, line: &str) -> hyper::Result<Answer> {
        let body = format!("<rsp:CommandLine><rsp:Command>{line}</rsp:Command></rsp:CommandLine>");
        self.message(&format!("{SHELL}/Command"), shell, &body).await
    }

    pub(crate) async fn send(
        &mut self,
        shell: &str,
        command: &str,
        data: &[u8],
        end: bool,
    ) -> hyper::Result<Answer> {
        let body = format!(
            "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command}\" End=\"{end}\">{}</rsp:Stream></rsp:Send>",
            BASE64.encode(data)
        );
        self.message(&format!("{SHELL}/Send"), shell, &body).await
    }

    pub(crate) async fn receive(&mut self, shell: &str, command: &str) -> hyper::Result<Answer> {
        let body = format!(
            "<rsp:Receive><rsp:DesiredStream CommandId=\"{command}\">stdout stderr</rsp:DesiredStream></rsp:Receive>"
        );
        self.message(&format!("{SHELL}/Receive"), shell, &body).await
    }

    pub(crate) async fn signal(&mut self, shell: &str, command: &str, signal: &str) -> hyper::Result<Answer> {
        let body = format!(
            "<rsp:Signal CommandId=\"{command}\"><rsp:Code>{SHELL}/signal/{signal}</rsp:Code></rsp:Signal>"
        );
        self.message(&format!("{SHELL}/Signal"), shell, &body).await
    }

    /// Describes a shell.
    pub(crate) async fn get(&mut self, shell: &str) -> hyper::Result<Answer> {
        self.message_about(SHELL, &format!("{TRANSFER}/Get"), shell, "").await
    }

    pub(crate) async fn disconnect(&mut self, shell: &str, inside: &str) -> hyper::Result<Answer> {
        let body = format!("<rsp:Disconnect>{inside}</rsp:Disconnect>");
        self.message(&format!("{SHELL}/Disconnect"), shell, &body).await
    }

    pub(crate) async fn reconnect(&mut self, shell: &str) -> hyper::Result<Answer> {
        self.message(&format!("{SHELL}/Reconnect"), shell, "<rsp:Reconnect/>").await
    }

    /// Takes over a shell that another session left.
    pub(crate) async fn take_over(&mut self, shell: &str) -> hyper::Result<Answer> {
        self.message(&format!("{SHELL}/Connect"), shell, "<rsp:Connect/>").await
    }

    /// Lists shells, or the commands of the shell in the filter.
    pub(crate) async fn enumerate(&mut self, resource: &str, inside: &str) -> hyper::Result<Answer> {
        let body = format!("<n:Enumerate>{inside}</n:Enumerate>");
        self.message_about(resource, &format!("{ENUMERATION}/Enumerate"), "", &body).await
    }

    pub(crate) async fn pull(&mut self, resource: &str, context: &str, most: usize) -> hyper::Result<Answer> {
        let body = format!(
            "<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>{most}</n:MaxElements></n:Pull>"
        );
        self.message_about(resource, &format!("{ENUMERATION}/Pull"), "", &body).await
    }

    pub(crate) async fn release(&mut self, resource: &str, context: &str) -> hyper::Result<Answer> {
        let body = format!("<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>");
        self.message_about(resource, &format!("{ENUMERATION}/Release"), "", &body).await
    }

    /// Asks what the host is, with an account or as a stranger.
    pub(crate) async fn identify(&mut self, stranger: bool) -> hyper::Result<Answer> {
        let envelope = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
            xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
            <s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>";
        let (name, value) = match stranger {
            true => ("WSMANIDENTIFY", "unauthenticated".to_owned()),
            false => ("Authorization", self.credentials()),
        };
        self.post(name, &value, envelope.to_owned()).await
    }

    /// Sends a token of a handshake: the status and what is asked for next.
    pub(crate) async fn token(&mut self, token: &[u8]) -> hyper::Result<Answer> {
        self.post("Authorization", &format!("Negotiate {}", BASE64.encode(token)), String::new()).await
    }

    /// Receives until the command is done: standard output and the exit code.
    pub(crate) async fn finish(&mut self, shell: &str, command: &str) -> (Vec<u8>, i32) {
        let mut output = Vec::new();
        loop {
            let answer = self.receive(shell, command).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            output.extend(answer.pieces("stdout").concat());
            if let Some(code) = answer.exit_code() {
                return (output, code);
            }
        }
    }

    async fn message(&mut self, action: &str, shell: &str, body: &str) -> hyper::Result<Answer> {
        self.message_about(&format!("{SHELL}/cmd"), action, shell, body).await
    }

    async fn message_about(
        &mut self,
        resource: &str,
        action: &str,
        shell: &str,
        body: &str,
    ) -> hyper::Result<Answer> {
        let envelope = self.envelope(resource, action, shell, body);
        let credentials = self.credentials();
        self.post("Authorization", &credentials, envelope).await
    }

    fn credentials(&self) -> String {
        format!("Basic {}", BASE64.encode(format!("{}:{PASSWORD}", self.user)))
    }

    async fn post(&mut self, name: &str, value: &str, body: String) -> hyper::Result<Answer> {
        let request = Request::post("/wsman")
            .header("Host", "localhost")
            .header("Content-Type", "application/soap+xml;charset=UTF-8")
            .header(name, value)
            .body(Full::from(body))
            .unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let asks = response.headers().get("WWW-Authenticate").map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, asks, text: String::from_utf8_lossy(&body).into_owned() })
    }

    fn envelope(&self, resource: &str, action: &str, shell: &str, body: &str) -> String {
        let message_id = self.message_id.map_or_else(|| format!("uuid:{}", Uuid::new_v4()), str::to_owned);
        let session =
            self.session.map_or_else(String::new, |id| format!("<p:SessionId>uuid:{id}</p:SessionId>"));
        let selector = match shell {
            "" => String::new(),
            shell => {
                format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>")
            }
        };
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\" \
             xmlns:n=\"{ENUMERATION}\" xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header>\
             <a:To>http://localhost/wsman</a:To><a:Action>{action}</a:Action><a:MessageID>{message_id}</a:MessageID>\
             <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
             <w:ResourceURI>{resource}</w:ResourceURI><w:MaxEnvelopeSize>{}</w:MaxEnvelopeSize>\
             <w:OperationTimeout>{}</w:OperationTimeout>{selector}{session}</s:Header><s:Body>{body}</s:Body></s:Envelope>",
            self.envelope_max, self.timeout
        )
    }
}
