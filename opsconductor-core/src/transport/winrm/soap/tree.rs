//! A small tree of an answer. Names are local names: the answers of hosts differ in prefixes, never in these.

use std::borrow::Cow;

use quick_xml::{Reader, escape::resolve_predefined_entity, events::BytesStart, events::Event};

/// Deeper nesting than this is not an answer of a WS-Management host.
const DEPTH_MAX: usize = 64;

/// The names that answers are made of; one that is here is not copied.
const NAMES: [&str; 22] = [
    "Envelope",
    "Header",
    "Body",
    "Action",
    "MessageID",
    "OperationID",
    "SequenceId",
    "To",
    "RelatesTo",
    "Stream",
    "CommandState",
    "ExitCode",
    "ReceiveResponse",
    "CommandResponse",
    "CommandId",
    "SendResponse",
    "SignalResponse",
    "Name",
    "State",
    "End",
    "Shell",
    "ShellId",
];

/// One element.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Element {
    pub(in super::super) name: Cow<'static, str>,
    /// Without the declarations of namespaces, which say nothing here.
    pub(in super::super) attributes: Vec<(Cow<'static, str>, String)>,
    /// The text directly inside, joined.
    pub(in super::super) text: String,
    pub(in super::super) children: Vec<Element>,
}

impl Element {
    pub(in super::super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first child called `name`.
    pub(in super::super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first element called `name` here or below, in document order.
    pub(in super::super) fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// All text here and below, in document order.
    pub(in super::super) fn all_text(&self) -> String {
        let mut out = self.text.clone();
        for child in &self.children {
            out.push_str(&child.all_text());
        }
        out
    }
}

/// Why an answer is not XML that we accept.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum TreeError {
    #[error("the answer is not well-formed XML")]
    Malformed(#[from] quick_xml::Error),
    #[error("the answer holds text in an unknown encoding")]
    Encoding(#[from] quick_xml::encoding::EncodingError),
    #[error("the answer has a malformed attribute")]
    Attribute(#[from] quick_xml::events::attributes::AttrError),
    #[error("the answer holds a document type, a processing instruction or an unknown entity")]
    Forbidden,
    #[error("the answer is nested too deeply")]
    Depth,
    #[error("the answer ends in the middle or holds no element")]
    Incomplete,
}

/// Parses a document.
pub(in super::super) fn parse(document: &str) -> Result<Element, TreeError> {
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(TreeError::Depth);
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let done = open.pop().ok_or(TreeError::Incomplete)?;
                close(done, &mut open, &mut root)?;
            }
            Event::Text(text) => {
                if let Some(parent) = open.last_mut() {
                    parent.text.push_str(&text.decode()?);
                }
            }
            Event::CData(text) => {
                if let Some(parent) = open.last_mut() {
                    parent.text.push_str(&text.decode()?);
                }
            }
            Event::GeneralRef(reference) => {
                let parent = open.last_mut().ok_or(TreeError::Forbidden)?;
                match reference.resolve_char_ref()? {
                    Some(character) => parent.text.push(character),
                    None => parent.text.push_str(
                        resolve_predefined_entity(&reference.decode()?).ok_or(TreeError::Forbidden)?,
                    ),
                }
            }
            Event::DocType(_) | Event::PI(_) => return Err(TreeError::Forbidden),
            Event::Comment(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() { root.ok_or(TreeError::Incomplete) } else { Err(TreeError::Incomplete) }
}

fn element(start: &BytesStart<'_>) -> Result<Element, TreeError> {
    let mut out = Element { name: local(start.local_name().as_ref()), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value =
            attribute.decoded_and_normalized_value(quick_xml::XmlVersion::Implicit1_0, start.decoder())?;
        out.attributes.push((local(attribute.key.local_name().as_ref()), value.into_owned()));
    }
    Ok(out)
}

fn local(name: &[u8]) -> Cow<'static, str> {
    match NAMES.iter().find(|known| known.as_bytes() == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(String::from_utf8_lossy(name).into_owned()),
    }
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), TreeError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err(TreeError::Incomplete),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{TreeError, parse};

    #[test]
    fn prefixes_are_dropped_and_text_is_joined() {
        let root =
            parse("<?xml version=\"1.0\"?><s:a xmlns:s=\"u\" s:k='v'>x&amp;&#x41;<b/><![CDATA[<y>]]></s:a>")
                .unwrap();
        assert_eq!((root.name.as_ref(), root.text.as_str()), ("a", "x&A<y>"));
        assert_eq!(root.attribute("k"), Some("v"));
        assert_eq!(root.attribute("s"), None, "a namespace is no attribute");
        assert!(root.find("b").is_some());
    }

    #[test]
    fn a_cut_document_and_a_document_type_are_refused() {
        assert!(matches!(parse("<a><b>"), Err(TreeError::Incomplete)));
        assert!(matches!(parse(""), Err(TreeError::Incomplete)));
        assert!(matches!(parse("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), Err(TreeError::Forbidden)));
        assert!(matches!(parse("<a>&x;</a>"), Err(TreeError::Forbidden)));
        assert!(matches!(parse(&"<a>".repeat(100)), Err(TreeError::Depth)));
    }
}
