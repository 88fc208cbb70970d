//! An envelope, read and checked.

use std::time::Duration;

use roxmltree::{Document, Node};

use super::{action::Action, body, duration, fault::Fault, long, names};

/// A request that passed the checks.
#[derive(Debug)]
pub(crate) struct Request {
    /// What it asks for, with its parameters.
    pub(crate) operation: Operation,
    /// To be echoed as `RelatesTo`.
    pub(crate) message_id: String,
    /// How long the host may take; not yet capped.
    pub(crate) timeout: Duration,
    /// The largest response the client takes.
    pub(crate) envelope_bytes_max: usize,
    /// The resource it is about.
    pub(crate) resource: String,
    /// The `ShellId` selector.
    pub(crate) shell: Option<String>,
    /// The `SessionId` header.
    pub(crate) session: Option<String>,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Who are you.
    Identify,
    /// Open a shell.
    Create(CreateShell),
    /// Start a command.
    Command(StartCommand),
    /// Write to standard input.
    Send(Input),
    /// Wait for output of this command.
    Receive(String),
    /// Stop a command.
    Signal(SignalCommand),
    /// Describe the shell.
    Get,
    /// Close the shell.
    Delete,
    /// Leave the shell for a while, with this idle time-out.
    Disconnect(Option<Duration>),
    /// Come back to the shell.
    Reconnect,
    /// Come to a shell that another session left.
    Connect,
    /// List shells, or the commands of one.
    Enumerate(Enumerate),
    /// List more of them.
    Pull(Pull),
    /// List no more of them.
    Release,
}

/// The body and options of Create.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CreateShell {
    /// The name that the client gives the shell; the host finds one when there is none.
    pub(crate) id: Option<String>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) working_directory: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) code_page: Option<u32>,
}

/// The body and options of Command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StartCommand {
    pub(crate) command: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) skip_cmd_shell: bool,
}

/// The body of Send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) command: String,
    pub(crate) data: Vec<u8>,
    pub(crate) end: bool,
}

/// The body of Signal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignalCommand {
    pub(crate) command: String,
    pub(crate) signal: Signal,
}

/// The body of Enumerate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enumerate {
    /// Whether the first elements may come with the answer.
    pub(crate) optimized: bool,
    pub(crate) elements_max: usize,
    /// The shell whose commands are wanted.
    pub(crate) shell: Option<String>,
}

/// The body of Pull.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) context: String,
    pub(crate) elements_max: usize,
}

/// The signals of a text shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `ctrl_c` and `ctrl_break`.
    Interrupt,
    /// `terminate`.
    Terminate,
}

/// A refused request: the fault and the message it relates to, when one was readable.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    pub(crate) message_id: String,
}

impl Operation {
    /// The action it stands for.
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::Identify => Action::Identify,
            Self::Create(_) => Action::Create,
            Self::Command(_) => Action::Command,
            Self::Send(_) => Action::Send,
            Self::Receive(_) => Action::Receive,
            Self::Signal(_) => Action::Signal,
            Self::Get => Action::Get,
            Self::Delete => Action::Delete,
            Self::Disconnect(_) => Action::Disconnect,
            Self::Reconnect => Action::Reconnect,
            Self::Connect => Action::Connect,
            Self::Enumerate(_) => Action::Enumerate,
            Self::Pull(_) => Action::Pull,
            Self::Release => Action::Release,
        }
    }
}

impl Request {
    /// Reads an envelope.
    pub(crate) fn parse(envelope: &[u8]) -> Result<Self, Refusal> {
        if let Some(request) = long::read(envelope) {
            return Ok(request);
        }
        let text = std::str::from_utf8(envelope).ok();
        match text.and_then(|text| Document::parse(text.trim_start_matches('\u{feff}')).ok()) {
            Some(document) => Self::of(&document),
            None => Err(Refusal { fault: Fault::invalid_xml(), message_id: String::new() }),
        }
    }

    /// Reads an envelope that is a document.
    pub(super) fn of(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = document.root_element();
        let header = child(root, names::SOAP, "Header");
        let message_id = header
            .and_then(|header| child(header, names::ADDRESSING, "MessageID"))
            .map(text_of)
            .unwrap_or_default();
        Self::read(root, header, &message_id).map_err(|fault| Refusal { fault, message_id })
    }

    fn read(root: Node<'_, '_>, header: Option<Node<'_, '_>>, message_id: &str) -> Result<Self, Fault> {
        if !root.has_tag_name((names::SOAP, "Envelope")) {
            return Err(Fault::invalid_xml());
        }
        let body = child(root, names::SOAP, "Body").ok_or_else(Fault::invalid_xml)?;
        if body.children().any(|node| node.tag_name().name() == "Identify") {
            return Ok(Self::identify());
        }
        let header = header.ok_or_else(|| Fault::header_required("Action"))?;
        check_understood(header)?;
        let action_uri = required(header, names::ADDRESSING, "Action")?;
        required(header, names::ADDRESSING, "To")?;
        required(header, names::ADDRESSING, "MessageID")?;
        check_reply_to(header)?;
        let resource = required(header, names::WSMAN, "ResourceURI")?;
        let envelope_bytes_max = required(header, names::WSMAN, "MaxEnvelopeSize")?;
        let envelope_bytes_max =
            envelope_bytes_max.trim().parse().map_err(|_| Fault::invalid_header("MaxEnvelopeSize"))?;
        let timeout = required(header, names::WSMAN, "OperationTimeout")?;
        let timeout = duration::parse(&timeout).ok_or_else(|| Fault::invalid_header("OperationTimeout"))?;
        let action = Action::from_uri(action_uri.trim()).ok_or_else(Fault::unknown_action)?;
        check_resource(action, resource.trim())?;
        let shell = selectors(header).find(|(name, _)| name == "ShellId");
        let session = child(header, names::WSMAN_MS, "SessionId").map(text_of);
        check_complied(header)?;
        let options: Vec<_> = named(header, "OptionSet", "Option").collect();
        Ok(Self {
            operation: body::read(action, body, &options)?,
            message_id: message_id.to_owned(),
            timeout,
            envelope_bytes_max,
            resource: resource.trim().to_owned(),
            shell: shell.map(|(_, id)| id.trim().to_uppercase()),
            session: session.map(|id| id.trim().to_uppercase()).filter(|id| !id.is_empty()),
        })
    }

    fn identify() -> Self {
        Self {
            operation: Operation::Identify,
            message_id: String::new(),
            timeout: Duration::ZERO,
            envelope_bytes_max: usize::MAX,
            resource: String::new(),
            shell: None,
            session: None,
        }
    }
}

/// The first child element of that name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, namespace: &str, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|each| each.has_tag_name((namespace, name)))
}

/// All text directly inside a node.
pub(super) fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter_map(|each| each.text().filter(|_| each.is_text())).collect()
}

fn required(header: Node<'_, '_>, namespace: &str, name: &'static str) -> Result<String, Fault> {
    child(header, namespace, name)
        .map(text_of)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| Fault::header_required(name))
}

fn check_reply_to(header: Node<'_, '_>) -> Result<(), Fault> {
    let reply_to =
        child(header, names::ADDRESSING, "ReplyTo").ok_or_else(|| Fault::header_required("ReplyTo"))?;
    let address = required(reply_to, names::ADDRESSING, "Address")?;
    if address.trim() == names::ANONYMOUS { Ok(()) } else { Err(Fault::invalid_header("ReplyTo")) }
}

/// Shells are opened and used as text shells; looked at and closed also as shells of any kind.
fn check_resource(action: Action, resource: &str) -> Result<(), Fault> {
    let fits = match action {
        Action::Enumerate | Action::Pull | Action::Release => {
            [names::SHELL, names::SHELL_COMMAND].contains(&resource)
        }
        Action::Get | Action::Delete => [names::SHELL, names::SHELL_CMD].contains(&resource),
        _ => resource == names::SHELL_CMD,
    };
    if fits { Ok(()) } else { Err(Fault::unknown_resource(resource)) }
}

/// Refuses a header that says it must be understood and is not one of those the host knows.
fn check_understood(header: Node<'_, '_>) -> Result<(), Fault> {
    let must = |node: &Node<'_, '_>| {
        node.attribute((names::SOAP, "mustUnderstand"))
            .is_some_and(|value| matches!(value.trim(), "true" | "1"))
    };
    for node in header.children().filter(Node::is_element).filter(must) {
        let known: &[&str] = match node.tag_name().namespace() {
            Some(names::ADDRESSING) => {
                &["To", "Action", "MessageID", "ReplyTo", "FaultTo", "From", "RelatesTo"]
            }
            Some(names::WSMAN) => {
                &["ResourceURI", "SelectorSet", "OptionSet", "OperationTimeout", "MaxEnvelopeSize", "Locale"]
            }
            Some(names::WSMAN_MS) => {
                &["DataLocale", "SessionId", "OperationID", "SequenceId", "ActivityId", "CompressionType"]
            }
            Some(names::CONFIG) => &["MaxTimeoutms"],
            _ => &[],
        };
        if !known.contains(&node.tag_name().name()) {
            return Err(Fault::must_understand(node.tag_name().name()));
        }
    }
    Ok(())
}

/// Refuses an option that says it must be complied with and is not one of those the host knows.
fn check_complied(header: Node<'_, '_>) -> Result<(), Fault> {
    let known = ["WINRS_NOPROFILE", "WINRS_CODEPAGE", "WINRS_CONSOLEMODE_STDIN", "WINRS_SKIP_CMD_SHELL"];
    let must = |node: &Node<'_, '_>| {
        node.attribute("MustComply").is_some_and(|value| matches!(value.trim(), "true" | "1"))
    };
    let strange = entries(header, "OptionSet", "Option")
        .filter(must)
        .any(|node| node.attribute("Name").is_none_or(|name| !known.contains(&name)));
    if strange { Err(Fault::invalid_option()) } else { Ok(()) }
}

/// The names and values of the selectors in a header or a filter.
pub(super) fn selectors<'a>(parent: Node<'a, 'a>) -> impl Iterator<Item = (String, String)> + 'a {
    named(parent, "SelectorSet", "Selector")
}

/// The `Name` and text of the entries of a set in the header. A set anywhere else is not looked at.
fn named<'a>(
    header: Node<'a, 'a>,
    set: &'static str,
    entry: &'static str,
) -> impl Iterator<Item = (String, String)> + 'a {
    entries(header, set, entry).filter_map(|node| Some((node.attribute("Name")?.to_owned(), text_of(node))))
}

fn entries<'a>(
    header: Node<'a, 'a>,
    set: &'static str,
    entry: &'static str,
) -> impl Iterator<Item = Node<'a, 'a>> + 'a {
    header
        .children()
        .filter(move |node| node.has_tag_name((names::WSMAN, set)))
        .flat_map(|set| set.children())
        .filter(move |node| node.has_tag_name((names::WSMAN, entry)))
}
