//! The three messages of MS-NLMP §2.2.1 on the wire, and the AV pairs inside them.

use super::{NtlmError, crypto::utf16, flags};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Windows Server 2022, NTLM revision 15.
const VERSION: [u8; 8] = [10, 0, 0x7c, 0x4f, 0, 0, 0, 15];
const MIC_AT: usize = 72;
const MIC_FLAG: u32 = 0x2;

/// The identifiers of AV pairs (MS-NLMP §2.2.2.1).
pub(crate) mod av {
    pub(crate) const END: u16 = 0;
    pub(crate) const COMPUTER: u16 = 1;
    pub(crate) const DOMAIN: u16 = 2;
    pub(crate) const DNS_COMPUTER: u16 = 3;
    pub(crate) const DNS_DOMAIN: u16 = 4;
    pub(crate) const FLAGS: u16 = 6;
    pub(crate) const TIMESTAMP: u16 = 7;
    pub(crate) const CHANNEL_BINDINGS: u16 = 10;
}

/// The flags of a NEGOTIATE message (type 1).
pub(crate) fn negotiate_flags(message: &[u8]) -> Result<u32, NtlmError> {
    check_type(message, 1)?;
    u32_at(message, 12)
}

/// Writes a CHALLENGE message (type 2) of the host `name`.
pub(crate) fn challenge(name: &str, flags: u32, server_challenge: &[u8; 8], file_time: u64) -> Vec<u8> {
    let computer = utf16(&name.to_uppercase());
    let dns = utf16(&name.to_lowercase());
    let mut info = Vec::new();
    for (id, value) in [
        (av::DOMAIN, computer.as_slice()),
        (av::COMPUTER, &computer),
        (av::DNS_DOMAIN, &dns),
        (av::DNS_COMPUTER, &dns),
        (av::TIMESTAMP, &file_time.to_le_bytes()),
        (av::END, &[]),
    ] {
        info.extend(id.to_le_bytes());
        info.extend((value.len() as u16).to_le_bytes());
        info.extend(value);
    }

    const FIXED: u32 = 56;
    let mut message = Vec::with_capacity(FIXED as usize + computer.len() + info.len());
    message.extend(SIGNATURE);
    message.extend(2u32.to_le_bytes());
    field(&mut message, computer.len(), FIXED);
    message.extend(flags.to_le_bytes());
    message.extend(server_challenge);
    message.extend([0; 8]);
    field(&mut message, info.len(), FIXED + computer.len() as u32);
    message.extend(VERSION);
    message.extend(&computer);
    message.extend(info);
    message
}

/// An AUTHENTICATE message (type 3), read.
pub(crate) struct Authenticate {
    pub(crate) nt_response: Vec<u8>,
    pub(crate) domain: String,
    pub(crate) user: String,
    pub(crate) encrypted_session_key: Vec<u8>,
    pub(crate) flags: u32,
}

impl Authenticate {
    /// Reads the message.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, NtlmError> {
        check_type(message, 3)?;
        Ok(Self {
            nt_response: payload(message, 20)?.to_vec(),
            domain: text(payload(message, 28)?)?,
            user: text(payload(message, 36)?)?,
            encrypted_session_key: payload(message, 52)?.to_vec(),
            flags: u32_at(message, 60)?,
        })
    }
}

/// Takes the message integrity code out of an AUTHENTICATE message and zeroes it there, as it was when it was computed.
pub(crate) fn take_mic(message: &mut [u8]) -> Result<[u8; 16], NtlmError> {
    let place = message.get_mut(MIC_AT..MIC_AT + 16).ok_or(NtlmError::Malformed)?;
    let mic = <[u8; 16]>::try_from(&*place).map_err(|_| NtlmError::Malformed)?;
    place.fill(0);
    Ok(mic)
}

/// The client's part of an NTLMv2 response (MS-NLMP §2.2.2.7, behind the 16 bytes of proof).
pub(crate) struct ClientBlob<'a> {
    pairs: Vec<(u16, &'a [u8])>,
}

impl<'a> ClientBlob<'a> {
    /// Reads the blob that follows the proof.
    pub(crate) fn parse(blob: &'a [u8]) -> Result<Self, NtlmError> {
        if blob.first() != Some(&1) || blob.get(1) != Some(&1) {
            return Err(NtlmError::Malformed);
        }
        let mut rest = blob.get(28..).ok_or(NtlmError::Malformed)?;
        let mut pairs = Vec::new();
        loop {
            let id = u16_at(rest, 0)?;
            let length = usize::from(u16_at(rest, 2)?);
            if id == av::END {
                return Ok(Self { pairs });
            }
            pairs.push((id, rest.get(4..4 + length).ok_or(NtlmError::Malformed)?));
            rest = &rest[4 + length..];
        }
    }

    /// True when the client says that its AUTHENTICATE message carries a MIC.
    pub(crate) fn has_mic(&self) -> bool {
        self.get(av::FLAGS)
            .and_then(|value| value.try_into().ok())
            .is_some_and(|value| u32::from_le_bytes(value) & MIC_FLAG != 0)
    }

    /// The hash of the channel bindings, when the client sent one that is not all zero.
    pub(crate) fn channel_bindings(&self) -> Option<&'a [u8]> {
        self.get(av::CHANNEL_BINDINGS).filter(|hash| hash.iter().any(|byte| *byte != 0))
    }

    fn get(&self, id: u16) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(each, _)| *each == id).map(|(_, value)| *value)
    }
}

/// True when the bytes begin like any NTLM message, as against a SPNEGO token.
pub(crate) fn is_ntlm(message: &[u8]) -> bool {
    message.starts_with(SIGNATURE)
}

fn check_type(message: &[u8], expected: u32) -> Result<(), NtlmError> {
    if is_ntlm(message) && u32_at(message, 8)? == expected { Ok(()) } else { Err(NtlmError::Malformed) }
}

/// Length, space and offset of a payload field.
fn field(message: &mut Vec<u8>, length: usize, offset: u32) {
    message.extend((length as u16).to_le_bytes());
    message.extend((length as u16).to_le_bytes());
    message.extend(offset.to_le_bytes());
}

/// The bytes that the field at `at` points to.
fn payload(message: &[u8], at: usize) -> Result<&[u8], NtlmError> {
    let length = usize::from(u16_at(message, at)?);
    let offset = u32_at(message, at + 4)? as usize;
    if length == 0 {
        return Ok(&[]);
    }
    let end = offset.checked_add(length).ok_or(NtlmError::Malformed)?;
    message.get(offset..end).ok_or(NtlmError::Malformed)
}

fn text(bytes: &[u8]) -> Result<String, NtlmError> {
    if !bytes.len().is_multiple_of(2) {
        return Err(NtlmError::Malformed);
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).map_err(|_| NtlmError::Malformed)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, NtlmError> {
    let found = bytes.get(at..at + 2).and_then(|found| found.try_into().ok());
    found.map(u16::from_le_bytes).ok_or(NtlmError::Malformed)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, NtlmError> {
    let found = bytes.get(at..at + 4).and_then(|found| found.try_into().ok());
    found.map(u32::from_le_bytes).ok_or(NtlmError::Malformed)
}

/// The flags of the CHALLENGE message that answers an initiator's flags.
pub(crate) fn agree(asked: u32) -> Result<u32, NtlmError> {
    let agreed = (asked & flags::GRANTED) | flags::ALWAYS;
    let weak = agreed & flags::REQUIRED != flags::REQUIRED || asked & flags::EXTENDED_SESSION_SECURITY == 0;
    if weak { Err(NtlmError::TooWeak) } else { Ok(agreed & !flags::OEM) }
}
