//! Namespaces and the URIs that stand for actions, streams, signals and states.

/// SOAP 1.2.
pub(crate) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing.
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Management.
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// Microsoft's additions to WS-Management.
pub(crate) const WSMAN_MS: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// Microsoft's configuration namespace.
pub(crate) const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
/// Microsoft's fault detail.
pub(crate) const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// The remote shell.
pub(crate) const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// WS-Transfer.
pub(crate) const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// Identify.
pub(crate) const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";

/// The resource of a text shell.
pub(crate) const SHELL_CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// The only address a reply may go to.
pub(crate) const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";

/// What a WS-Management message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Who are you.
    Identify,
    /// Open a shell.
    Create,
    /// Start a command in a shell.
    Command,
    /// Write to a command's standard input.
    Send,
    /// Wait for a command's output.
    Receive,
    /// Interrupt or end a command.
    Signal,
    /// Close a shell.
    Delete,
}

impl Action {
    /// The action behind an `Action` header.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        [Self::Create, Self::Command, Self::Send, Self::Receive, Self::Signal, Self::Delete]
            .into_iter()
            .find(|action| action.uri() == uri)
    }

    /// The text of the `Action` header; the response's ends in `Response`.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Identify => "",
            Self::Create => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            Self::Delete => "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
            Self::Command => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
            Self::Send => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send",
            Self::Receive => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
            Self::Signal => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal",
        }
    }
}
