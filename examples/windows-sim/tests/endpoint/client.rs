//! A small WS-Management client on one connection, with Basic and bodies in the clear.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use roxmltree::Document;
use tokio::net::TcpStream;
use windows_sim::{HostBuilder, WindowsHost};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
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
}

/// An answer: its status and its envelope.
pub(crate) struct Answer {
    pub(crate) status: u16,
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
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, user, timeout: "PT30S", envelope_max: 153_600 }
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
        let action = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
        let body = format!(
            "<rsp:Shell>{inside}<rsp:InputStreams>stdin</rsp:InputStreams>\
             <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        );
        self.message(action, "", &body).await
    }

    pub(crate) async fn delete(&mut self, shell: &str) -> hyper::Result<Answer> {
        self.message("http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete", shell, "").await
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
        let envelope = self.envelope(action, shell, body);
        let request = Request::post("/wsman")
            .header("Host", "localhost")
            .header("Content-Type", "application/soap+xml;charset=UTF-8")
            .header("Authorization", format!("Basic {}", BASE64.encode(format!("{}:{PASSWORD}", self.user))))
            .body(Full::from(envelope))
            .unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, text: String::from_utf8(body.to_vec()).unwrap() })
    }

    fn envelope(&self, action: &str, shell: &str, body: &str) -> String {
        let selector = match shell {
            "" => String::new(),
            shell => {
                format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>")
            }
        };
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header>\
             <a:To>http://localhost/wsman</a:To><a:Action>{action}</a:Action><a:MessageID>uuid:1</a:MessageID>\
             <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
             <w:ResourceURI>{SHELL}/cmd</w:ResourceURI><w:MaxEnvelopeSize>{}</w:MaxEnvelopeSize>\
             <w:OperationTimeout>{}</w:OperationTimeout>{selector}</s:Header><s:Body>{body}</s:Body></s:Envelope>",
            self.envelope_max, self.timeout
        )
    }
}
