//! The SOAP side of WS-Management, pure: envelopes out, trees and faults in. Nothing here touches a socket.

pub(super) mod body;
pub(super) mod envelope;
pub(super) mod escape;
pub(super) mod fault;
pub(super) mod reply;
pub(super) mod tree;

pub(super) use envelope::{Action, Envelope};
pub(super) use fault::Fault;

/// XML namespaces and the resource that this client speaks about.
pub(super) mod uri {
    pub(in crate::transport::winrm) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
    pub(in crate::transport::winrm) const ADDRESSING: &str =
        "http://schemas.xmlsoap.org/ws/2004/08/addressing";
    pub(in crate::transport::winrm) const ANONYMOUS: &str =
        "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
    pub(in crate::transport::winrm) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
    pub(in crate::transport::winrm) const MICROSOFT: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
    pub(in crate::transport::winrm) const IDENTITY: &str =
        "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
    pub(in crate::transport::winrm) const SHELL: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    /// The text shell: cmd.exe and whatever it starts.
    pub(in crate::transport::winrm) const CMD: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
}
