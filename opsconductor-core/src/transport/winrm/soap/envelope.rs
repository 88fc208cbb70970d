//! An envelope on its way out.

use std::{fmt::Write as _, time::Duration};

use bytes::BytesMut;
use uuid::Uuid;

use super::{
    body::{Body, put},
    uri,
};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Action {
    Identify,
    Create,
    Delete,
    Command,
    Send,
    Receive,
    Signal,
}

impl Action {
    fn uri(self) -> &'static str {
        match self {
            Self::Identify => "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd/Identify",
            Self::Create => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            Self::Delete => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
            Self::Command => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
            Self::Send => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send",
            Self::Receive => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
            Self::Signal => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal",
        }
    }

    /// The name for messages.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Create => "create shell",
            Self::Delete => "delete shell",
            Self::Command => "start command",
            Self::Send => "send input",
            Self::Receive => "receive output",
            Self::Signal => "signal command",
        }
    }
}

/// About how much stands around the body.
const AROUND_BODY_BYTES: usize = 2048;

/// A request. Everything in it that comes from outside is escaped already.
#[derive(Debug)]
pub(in super::super) struct Envelope<'a> {
    pub(in super::super) action: Action,
    /// The `To` address, escaped.
    pub(in super::super) to: &'a str,
    /// The shell that it is about, escaped.
    pub(in super::super) shell_id: Option<&'a str>,
    /// WinRS options. Hosts honour them in the header alone.
    pub(in super::super) options: &'a [(&'a str, &'a str)],
    pub(in super::super) operation_timeout: Duration,
    pub(in super::super) envelope_bytes_max: usize,
    pub(in super::super) message_id: Uuid,
    pub(in super::super) body: Body<'a>,
}

impl Envelope<'_> {
    /// Appends the document to `out`.
    pub(in super::super) fn write(&self, out: &mut BytesMut) {
        if self.action == Action::Identify {
            let pieces = [
                "<s:Envelope xmlns:s=\"",
                uri::SOAP,
                "\" xmlns:i=\"",
                uri::IDENTITY,
                "\"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>",
            ];
            return put(out, &pieces);
        }
        out.reserve(AROUND_BODY_BYTES + self.body.len_hint());
        let mut id = Uuid::encode_buffer();
        let pieces = [
            "<s:Envelope xmlns:s=\"",
            uri::SOAP,
            "\" xmlns:a=\"",
            uri::ADDRESSING,
            "\" xmlns:w=\"",
            uri::WSMAN,
            "\" xmlns:p=\"",
            uri::MICROSOFT,
            "\" xmlns:rsp=\"",
            uri::SHELL,
            "\"><s:Header><a:To>",
            self.to,
            "</a:To><w:ResourceURI s:mustUnderstand=\"true\">",
            uri::CMD,
            "</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand=\"true\">",
            uri::ANONYMOUS,
            "</a:Address></a:ReplyTo><a:Action s:mustUnderstand=\"true\">",
            self.action.uri(),
            "</a:Action><a:MessageID>uuid:",
            self.message_id.hyphenated().encode_upper(&mut id),
            "</a:MessageID><w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
             <p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
             <w:MaxEnvelopeSize s:mustUnderstand=\"true\">",
        ];
        put(out, &pieces);
        // Writing to a buffer that grows cannot fail.
        let _ = write!(
            out,
            "{}</w:MaxEnvelopeSize><w:OperationTimeout>PT{}.{:03}S</w:OperationTimeout>",
            self.envelope_bytes_max,
            self.operation_timeout.as_secs(),
            self.operation_timeout.subsec_millis(),
        );
        if let Some(shell_id) = self.shell_id {
            let pieces =
                ["<w:SelectorSet><w:Selector Name=\"ShellId\">", shell_id, "</w:Selector></w:SelectorSet>"];
            put(out, &pieces);
        }
        if !self.options.is_empty() {
            put(out, &["<w:OptionSet>"]);
            for (name, value) in self.options {
                put(out, &["<w:Option Name=\"", name, "\">", value, "</w:Option>"]);
            }
            put(out, &["</w:OptionSet>"]);
        }
        put(out, &["</s:Header><s:Body>"]);
        self.body.write(out);
        put(out, &["</s:Body></s:Envelope>"]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

    use bytes::BytesMut;
    use uuid::Uuid;

    use super::{
        super::{body::Body, tree},
        Action, Envelope,
    };

    fn envelope(action: Action) -> String {
        let mut out = BytesMut::new();
        Envelope {
            action,
            to: "http://host:5985/wsman",
            shell_id: Some("S-1"),
            options: &[("WINRS_CODEPAGE", "65001")],
            operation_timeout: Duration::from_millis(20_500),
            envelope_bytes_max: 512_000,
            message_id: Uuid::nil(),
            body: Body::Made("<rsp:Shell/>".into()),
        }
        .write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn options_stand_inside_the_header() {
        let document = envelope(Action::Create);
        let root = tree::parse(&document).unwrap();
        let option = root.child("Header").unwrap().child("OptionSet").unwrap().child("Option").unwrap();
        assert_eq!(
            (option.attribute("Name").unwrap().as_deref(), &*option.text),
            (Some("WINRS_CODEPAGE"), "65001")
        );
        assert!(root.child("Body").unwrap().find("OptionSet").is_none());
    }

    #[test]
    fn every_header_that_a_host_requires_is_there() {
        let document = envelope(Action::Receive);
        let root = tree::parse(&document).unwrap();
        let header = root.child("Header").unwrap();
        for name in
            ["To", "Action", "ResourceURI", "ReplyTo", "MessageID", "MaxEnvelopeSize", "OperationTimeout"]
        {
            assert!(header.child(name).is_some(), "{name}");
        }
        assert_eq!(header.child("OperationTimeout").unwrap().text, "PT20.500S");
        assert_eq!(header.find("Selector").unwrap().text, "S-1");
        assert_eq!(header.child("MessageID").unwrap().text, "uuid:00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn identify_carries_no_addressing() {
        let document = envelope(Action::Identify);
        let root = tree::parse(&document).unwrap();
        assert!(root.child("Header").unwrap().children.is_empty());
        assert!(root.child("Body").unwrap().child("Identify").is_some());
    }
}
