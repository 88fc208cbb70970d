//! The messages of one warm command, written by hand.

use uuid::Uuid;

use crate::Failure;

/// Stands where the host's id of a command goes: as long as one.
pub(super) const ID: &str = "00000000-0000-0000-0000-000000000000";

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";

pub(super) fn create(port: u16) -> String {
    let body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr\
                </rsp:OutputStreams></rsp:Shell>";
    envelope(port, &format!("{TRANSFER}/Create"), "", body)
}

pub(super) fn command(port: u16, shell: &str) -> String {
    let body = "<rsp:CommandLine><rsp:Command>exit 0</rsp:Command></rsp:CommandLine>";
    envelope(port, &format!("{SHELL}/Command"), shell, body)
}

pub(super) fn receive(port: u16, shell: &str) -> String {
    let body = format!(
        "<rsp:Receive><rsp:DesiredStream CommandId=\"{ID}\">stdout stderr</rsp:DesiredStream></rsp:Receive>"
    );
    envelope(port, &format!("{SHELL}/Receive"), shell, &body)
}

pub(super) fn signal(port: u16, shell: &str) -> String {
    let body =
        format!("<rsp:Signal CommandId=\"{ID}\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>");
    envelope(port, &format!("{SHELL}/Signal"), shell, &body)
}

pub(super) fn delete(port: u16, shell: &str) -> String {
    envelope(port, &format!("{TRANSFER}/Delete"), shell, "")
}

/// The text between two marks of an answer.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str, Failure> {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map(|(inner, _)| inner).ok_or_else(|| format!("an answer has no {before}").into())
}

fn envelope(port: u16, action: &str, shell: &str, body: &str) -> String {
    let id = Uuid::now_v7();
    let selector = match shell {
        "" => String::new(),
        shell => format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>"),
    };
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:rsp=\"{SHELL}\"><s:Header>\
         <a:To>http://127.0.0.1:{port}/wsman</a:To>\
         <w:ResourceURI s:mustUnderstand=\"true\">{SHELL}/cmd</w:ResourceURI>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">\
         http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">512000</w:MaxEnvelopeSize>\
         <a:MessageID>uuid:{id}</a:MessageID><w:OperationTimeout>PT20.000S</w:OperationTimeout>{selector}\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}
