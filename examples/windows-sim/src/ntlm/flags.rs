//! The negotiate flags of MS-NLMP §2.2.2.5 that this acceptor looks at.

pub(crate) const UNICODE: u32 = 0x0000_0001;
pub(crate) const OEM: u32 = 0x0000_0002;
pub(crate) const REQUEST_TARGET: u32 = 0x0000_0004;
pub(crate) const SIGN: u32 = 0x0000_0010;
pub(crate) const SEAL: u32 = 0x0000_0020;
pub(crate) const NTLM: u32 = 0x0000_0200;
pub(crate) const ALWAYS_SIGN: u32 = 0x0000_8000;
pub(crate) const TARGET_TYPE_SERVER: u32 = 0x0002_0000;
pub(crate) const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
pub(crate) const TARGET_INFO: u32 = 0x0080_0000;
pub(crate) const VERSION: u32 = 0x0200_0000;
pub(crate) const KEY_128: u32 = 0x2000_0000;
pub(crate) const KEY_EXCHANGE: u32 = 0x4000_0000;
pub(crate) const KEY_56: u32 = 0x8000_0000;

/// What the acceptor grants when the initiator asks for it.
pub(crate) const GRANTED: u32 = UNICODE | REQUEST_TARGET | SIGN | SEAL | KEY_128 | KEY_EXCHANGE | KEY_56;
/// What the acceptor sets whether asked or not.
pub(crate) const ALWAYS: u32 =
    NTLM | ALWAYS_SIGN | EXTENDED_SESSION_SECURITY | TARGET_INFO | TARGET_TYPE_SERVER | VERSION;
/// Without these an initiator is too weak to be let in: text in Unicode, session security with 128-bit keys.
pub(crate) const REQUIRED: u32 = UNICODE | NTLM | EXTENDED_SESSION_SECURITY | KEY_128;
