//! Envelopes the host sends.

use uuid::Uuid;

use super::names;

/// Writes an envelope around a body. The prefixes `s a x e n w p` are declared on it, as Windows does.
pub(crate) fn envelope(action: &str, relates_to: &str, body: &str) -> String {
    let message_id = guid();
    let relates_to = match relates_to {
        "" => String::new(),
        id => format!("<a:RelatesTo>{}</a:RelatesTo>", escape(id)),
    };
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"{}\" xmlns:a=\"{}\" xmlns:x=\"{}\" \
         xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" xmlns:w=\"{}\" xmlns:p=\"{}\"><s:Header>\
         <a:Action>{action}</a:Action><a:MessageID>uuid:{message_id}</a:MessageID><a:To>{}</a:To>{relates_to}\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>",
        names::SOAP,
        names::ADDRESSING,
        names::TRANSFER,
        names::WSMAN,
        names::WSMAN_MS,
        names::ANONYMOUS,
    )
}

/// The answer to Identify. Who is not logged on is not told the version.
pub(crate) fn identify(authenticated: bool) -> String {
    let version =
        if authenticated { "OS: 10.0.20348 SP: 0.0 Stack: 3.0" } else { "OS: 0.0.0 SP: 0.0 Stack: 3.0" };
    format!(
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"{}\"><s:Header/><s:Body><wsmid:IdentifyResponse \
         xmlns:wsmid=\"{}\"><wsmid:ProtocolVersion>{}</wsmid:ProtocolVersion>\
         <wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>\
         <wsmid:ProductVersion>{version}</wsmid:ProductVersion></wsmid:IdentifyResponse></s:Body></s:Envelope>",
        names::SOAP,
        names::IDENTITY,
        names::WSMAN,
    )
}

/// A new identifier as Windows writes one: upper case.
pub(crate) fn guid() -> String {
    Uuid::new_v4().hyphenated().to_string().to_uppercase()
}

/// Text made safe inside an element or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
