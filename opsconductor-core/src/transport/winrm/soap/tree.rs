//! A small tree of an answer. Names are local names: the answers of hosts differ in prefixes, never in these.

use std::borrow::Cow;

use quick_xml::{Reader, escape::resolve_predefined_entity, events::BytesStart, events::Event};

/// Deeper nesting than this is not an answer of a WS-Management host.
const DEPTH_MAX: usize = 64;

/// One element.
#[derive(Debug)]
pub(in super::super) struct Element<'a> {
    /// Its name and its attributes, as they stand in the document: most are never asked for.
    start: BytesStart<'a>,
    /// The text directly inside, joined.
    pub(in super::super) text: Cow<'a, str>,
    pub(in super::super) children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    fn new(start: BytesStart<'a>) -> Self {
        Self { start, text: Cow::Borrowed(""), children: Vec::new() }
    }

    pub(in super::super) fn is(&self, name: &str) -> bool {
        self.start.local_name().as_ref() == name.as_bytes()
    }

    /// The value of an attribute. The declarations of namespaces are none.
    pub(in super::super) fn attribute(&self, name: &str) -> Result<Option<Cow<'_, str>>, TreeError> {
        for attribute in self.start.attributes() {
            let attribute = attribute?;
            let is_declaration = attribute.key.as_namespace_binding().is_some();
            if !is_declaration && attribute.key.local_name().as_ref() == name.as_bytes() {
                let version = quick_xml::XmlVersion::Implicit1_0;
                return Ok(Some(attribute.decoded_and_normalized_value(version, self.start.decoder())?));
            }
        }
        Ok(None)
    }

    /// The first child called `name`.
    pub(in super::super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    /// The first element called `name` here or below, in document order.
    pub(in super::super) fn find(&self, name: &str) -> Option<&Self> {
        if self.is(name) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// All text here and below, in document order.
    pub(in super::super) fn all_text(&self) -> String {
        let mut out = self.text.clone().into_owned();
        for child in &self.children {
            out.push_str(&child.all_text());
        }
        out
    }

    fn push(&mut self, text: Cow<'a, str>) {
        if self.text.is_empty() {
            self.text = text;
        } else {
            self.text.to_mut().push_str(&text);
        }
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
pub(in super::super) fn parse(document: &str) -> Result<Element<'_>, TreeError> {
    let mut reader = Reader::from_str(document);
    let mut open: Vec<Element<'_>> = Vec::with_capacity(8);
    let mut root = None;
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(TreeError::Depth);
                }
                open.push(Element::new(start));
            }
            Event::Empty(start) => close(Element::new(start), &mut open, &mut root)?,
            Event::End(_) => {
                let done = open.pop().ok_or(TreeError::Incomplete)?;
                close(done, &mut open, &mut root)?;
            }
            Event::Text(text) => {
                if let Some(parent) = open.last_mut() {
                    parent.push(text.decode()?);
                }
            }
            Event::CData(text) => {
                if let Some(parent) = open.last_mut() {
                    parent.push(text.decode()?);
                }
            }
            Event::GeneralRef(reference) => {
                let parent = open.last_mut().ok_or(TreeError::Forbidden)?;
                match reference.resolve_char_ref()? {
                    Some(character) => parent.text.to_mut().push(character),
                    None => parent.push(Cow::Borrowed(
                        resolve_predefined_entity(&reference.decode()?).ok_or(TreeError::Forbidden)?,
                    )),
                }
            }
            Event::DocType(_) | Event::PI(_) => return Err(TreeError::Forbidden),
            Event::Comment(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() { root.ok_or(TreeError::Incomplete) } else { Err(TreeError::Incomplete) }
}

fn close<'a>(
    done: Element<'a>,
    open: &mut [Element<'a>],
    root: &mut Option<Element<'a>>,
) -> Result<(), TreeError> {
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
        assert!(root.is("a"));
        assert_eq!(root.text, "x&A<y>");
        assert_eq!(root.attribute("k").unwrap().as_deref(), Some("v"));
        assert_eq!(root.attribute("s").unwrap(), None, "a namespace is no attribute");
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

    #[test]
    fn an_attribute_is_read_when_it_is_asked_for() {
        let root = parse("<a k='1' l='&x;' m/>").unwrap();
        assert_eq!(root.attribute("k").unwrap().as_deref(), Some("1"));
        assert!(root.attribute("l").is_err());
        assert!(root.attribute("n").is_err());
    }
}
