//! Switches that take protection away. The path says so, in review and in the audit record.

use super::WinrmConnectorBuilder;

/// Accepts whatever certificate a host shows. Whoever sits on the way then reads and changes the conversation, and a
/// channel binding is all that is left against it. Prefer `winrm_cert_sha256` or `winrm_ca_pem` in a target's metadata.
pub fn accept_any_certificate(mut builder: WinrmConnectorBuilder) -> WinrmConnectorBuilder {
    builder.accept_any = true;
    builder
}
