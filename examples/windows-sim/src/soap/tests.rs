#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{
    action::Action,
    fault::Fault,
    request::{Input, Operation, Request},
};

const HEADERS: [&str; 7] =
    ["Action", "To", "MessageID", "ReplyTo", "ResourceURI", "MaxEnvelopeSize", "OperationTimeout"];

/// An envelope with all headers but one, and something more in the header.
fn envelope(action: Action, without: &str, more: &str, body: &str) -> String {
    let header = |name: &str| match name {
        "Action" => format!("<a:Action s:mustUnderstand=\"true\">{}</a:Action>", action.uri()),
        "To" => "<a:To>http://host:5985/wsman</a:To>".to_owned(),
        "MessageID" => "<a:MessageID>uuid:1</a:MessageID>".to_owned(),
        "ReplyTo" => format!("<a:ReplyTo><a:Address>{}</a:Address></a:ReplyTo>", super::names::ANONYMOUS),
        "ResourceURI" => format!("<w:ResourceURI>{}</w:ResourceURI>", super::names::SHELL_CMD),
        "MaxEnvelopeSize" => "<w:MaxEnvelopeSize>153600</w:MaxEnvelopeSize>".to_owned(),
        _ => "<w:OperationTimeout>PT20S</w:OperationTimeout>".to_owned(),
    };
    let headers: String = HEADERS.iter().filter(|name| **name != without).map(|name| header(name)).collect();
    format!(
        "<s:Envelope xmlns:s=\"{}\" xmlns:a=\"{}\" xmlns:w=\"{}\" xmlns:rsp=\"{}\"><s:Header>{headers}{more}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>",
        super::names::SOAP,
        super::names::ADDRESSING,
        super::names::WSMAN,
        super::names::SHELL,
    )
}

fn fault(envelope: &str) -> Fault {
    Request::parse(envelope.as_bytes()).unwrap_err().fault
}

const COMMAND: &str = "<rsp:CommandLine><rsp:Command>dir &amp; ver</rsp:Command><rsp:Arguments>a</rsp:Arguments>\
                       <rsp:Arguments>b</rsp:Arguments></rsp:CommandLine>";
const SKIP: &str = "<w:OptionSet><w:Option Name=\"WINRS_SKIP_CMD_SHELL\">TRUE</w:Option></w:OptionSet>";

#[test]
fn a_command_is_read_with_its_arguments_options_and_shell() {
    let selector = "<w:SelectorSet><w:Selector Name=\"ShellId\">abc</w:Selector></w:SelectorSet>";
    let text = envelope(Action::Command, "", &format!("{SKIP}{selector}"), COMMAND);
    let request = Request::parse(text.as_bytes()).unwrap();
    let Operation::Command(start) = request.operation else { panic!("not a command") };
    assert_eq!((start.command.as_str(), start.skip_cmd_shell), ("dir & ver", true));
    assert_eq!(start.arguments, ["a", "b"]);
    assert_eq!(request.shell.as_deref(), Some("ABC"));
    assert_eq!(request.timeout, Duration::from_secs(20));
    assert_eq!(request.envelope_bytes_max, 153_600);
}

#[test]
fn options_outside_the_header_have_no_effect() {
    let text = envelope(Action::Command, "", "", COMMAND).replace("<s:Header>", &format!("{SKIP}<s:Header>"));
    let Operation::Command(start) = Request::parse(text.as_bytes()).unwrap().operation else {
        panic!("not a command")
    };
    assert!(!start.skip_cmd_shell);
}

#[test]
fn an_option_that_must_be_complied_with_and_is_not_known_is_refused() {
    let option = |name: &str, must: bool| {
        format!("<w:OptionSet><w:Option Name=\"{name}\" MustComply=\"{must}\">TRUE</w:Option></w:OptionSet>")
    };
    let text = |option: &str| envelope(Action::Command, "", option, COMMAND);
    assert_eq!(fault(&text(&option("WINRS_ODD", true))).number, 2_150_858_809);
    assert!(Request::parse(text(&option("WINRS_ODD", false)).as_bytes()).is_ok());
    assert!(Request::parse(text(&option("WINRS_SKIP_CMD_SHELL", true)).as_bytes()).is_ok());
}

#[test]
fn every_header_is_required() {
    for name in HEADERS {
        assert_eq!(fault(&envelope(Action::Delete, name, "", "")).number, 2_150_858_769, "{name}");
    }
}

#[test]
fn a_header_that_must_be_understood_and_is_not_is_refused() {
    let odd = |must| format!("<odd xmlns=\"urn:odd\" s:mustUnderstand=\"{must}\"/>");
    assert_eq!(fault(&envelope(Action::Delete, "", &odd("true"), "")).number, 2_150_858_768);
    assert!(Request::parse(envelope(Action::Delete, "", &odd("false"), "").as_bytes()).is_ok());
}

/// A Send of this text, with something after it in the envelope.
fn send(text: &str, after: &str) -> Result<Operation, Fault> {
    let body = format!(
        "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"c\" End=\"true\">{text}</rsp:Stream>{after}</rsp:Send>"
    );
    let text = envelope(Action::Send, "", "", &body);
    Request::parse(text.as_bytes()).map(|request| request.operation).map_err(|refusal| refusal.fault)
}

#[test]
fn long_input_is_read_as_short_input_is() {
    for length in [0, 3, 3000, 3072, 30_000, 214_500] {
        let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let text = BASE64.encode(&data);
        let read = Operation::Send(Input { command: "C".to_owned(), data, end: true });
        assert_eq!(send(&text, "").as_ref(), Ok(&read), "{length}");
        // A line break in it, or a character that is written in another way, changes nothing.
        assert_eq!(send(&text.replacen('A', "A\r\n", 1), "").as_ref(), Ok(&read), "{length}");
        assert_eq!(send(&text.replacen('A', "&#65;", 1), "").as_ref(), Ok(&read), "{length}");
        assert_eq!(send(&format!("<![CDATA[{text}]]>"), "").as_ref(), Ok(&read), "{length}");
    }
}

#[test]
fn long_input_that_is_wrong_is_refused_as_short_input_is() {
    let long = "A".repeat(8000);
    for wrong in ["*", "\u{e9}", "A"] {
        assert_eq!(send(&format!("{long}{wrong}"), "").unwrap_err().number, 2_150_858_817, "{wrong}");
    }
    let second = format!("<rsp:Stream Name=\"stdin\" CommandId=\"c\">{long}</rsp:Stream>");
    assert_eq!(send("AAAA", &second).unwrap_err().number, 2_150_858_817);
    assert_eq!(send(&long, &second).unwrap_err().number, 2_150_858_817);
    // Long text that is not the stream's is not taken for it.
    let aside = format!("<rsp:Aside>{long}</rsp:Aside>");
    let read = Operation::Send(Input { command: "C".to_owned(), data: Vec::new(), end: true });
    assert_eq!(send("", &aside), Ok(read));
    assert_eq!(send(&long, "</rsp:Send><").unwrap_err().number, 2_150_858_819);
}

#[test]
fn what_is_no_envelope_is_a_fault_and_not_a_panic() {
    let whole = envelope(Action::Command, "", SKIP, COMMAND);
    for end in 0..whole.len() {
        assert!(Request::parse(&whole.as_bytes()[..end]).is_err(), "{end}");
    }
    assert_eq!(fault("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>").number, 2_150_858_819);
}

#[test]
fn a_fault_is_written_in_the_shape_windows_gives_it() {
    let text = Fault::timed_out().envelope("WEB-1", "uuid:7");
    let document = roxmltree::Document::parse(&text).unwrap();
    let find = |name: &str| document.descendants().find(|node| node.tag_name().name() == name).unwrap();
    assert_eq!(find("RelatesTo").text(), Some("uuid:7"));
    assert_eq!(find("WSManFault").attribute("Code"), Some("2150858793"));
    assert_eq!(find("WSManFault").attribute("Machine"), Some("WEB-1"));
    assert_eq!(find("Subcode").first_element_child().and_then(|value| value.text()), Some("w:TimedOut"));
}
