//! The published vectors of MS-NLMP §4.2.4, and what must be refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{crypto::utf16, message::av, *};

const USER: &str = "User";
const DOMAIN: &str = "Domain";
const PASSWORD: &str = "Password";
const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const CLIENT_CHALLENGE: [u8; 8] = [0xaa; 8];
const RANDOM_SESSION_KEY: [u8; 16] = [0x55; 16];
const CHALLENGE_FLAGS: u32 = 0xe28a_8233;
const AUTHENTICATE_FLAGS: u32 = 0xe288_8235;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn target_info() -> Vec<u8> {
    hex("02000c00 44006f006d00610069006e00 01000c00 530065007200760065007200 00000000")
}

/// `temp` of §4.2.4.1.3 with other AV pairs, if wanted, before the end.
fn blob(extra: &[(u16, &[u8])]) -> Vec<u8> {
    let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
    blob.extend([0; 8]);
    blob.extend(CLIENT_CHALLENGE);
    blob.extend([0; 4]);
    let info = target_info();
    blob.extend(&info[..info.len() - 4]);
    for (id, value) in extra {
        blob.extend(id.to_le_bytes());
        blob.extend((value.len() as u16).to_le_bytes());
        blob.extend(*value);
    }
    blob.extend([0; 8]);
    blob
}

fn proof(password: &str, blob: &[u8]) -> ([u8; 16], [u8; 16]) {
    let key = crypto::response_key(&crypto::nt_hash(password), USER, DOMAIN);
    let proof = crypto::hmac_md5(&key, &[&SERVER_CHALLENGE, blob]);
    (proof, crypto::hmac_md5(&key, &[&proof]))
}

/// An AUTHENTICATE message laid out as the published one, with the given NT response and session key.
fn authenticate(nt_response: &[u8], session_key: &[u8], mic: bool) -> Vec<u8> {
    let (domain, user, workstation) = (utf16(DOMAIN), utf16(USER), utf16("COMPUTER"));
    let lm = hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa");
    let fixed = if mic { 88 } else { 72 };
    let parts: [&[u8]; 6] = [&domain, &user, &workstation, &lm, nt_response, session_key];
    let offset = |index: usize| fixed + parts[..index].iter().map(|part| part.len()).sum::<usize>();
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    for index in [3, 4, 0, 1, 2, 5] {
        message.extend((parts[index].len() as u16).to_le_bytes());
        message.extend((parts[index].len() as u16).to_le_bytes());
        message.extend((offset(index) as u32).to_le_bytes());
    }
    message.extend(AUTHENTICATE_FLAGS.to_le_bytes());
    message.extend(hex("0501280a0000000f"));
    message.resize(fixed, 0);
    parts.iter().for_each(|part| message.extend(*part));
    message
}

fn pending() -> Pending {
    Pending {
        negotiate: b"negotiate".to_vec(),
        challenge: b"challenge".to_vec(),
        server_challenge: SERVER_CHALLENGE,
        flags: CHALLENGE_FLAGS,
    }
}

fn attempt(
    token: &[u8],
    policy: ChannelBinding,
    binding: Option<[u8; 16]>,
) -> Result<Established, NtlmError> {
    let hash = |user: &str, _: &str| (user == USER).then(|| crypto::nt_hash(PASSWORD));
    let judge = Judge { nt_hash: &hash, channel_binding: policy, expected_binding: binding };
    pending().authenticate(token, &judge).map_err(|refused| refused.reason)
}

#[test]
fn the_keys_are_those_of_the_published_example() {
    let key = crypto::response_key(&crypto::nt_hash(PASSWORD), USER, DOMAIN);
    assert_eq!(key.to_vec(), hex("0c868a403bfd7a93a3001ef22ef02e3f"));
    let (proof, session_base_key) = proof(PASSWORD, &blob(&[]));
    assert_eq!(proof.to_vec(), hex("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(session_base_key.to_vec(), hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    let encrypted = crypto::rc4_once(&session_base_key, &RANDOM_SESSION_KEY);
    assert_eq!(encrypted.to_vec(), hex("c5dad2544fc9799094ce1ce90bc9d03e"));
}

#[test]
fn the_published_authenticate_message_is_accepted_and_seals_as_published() {
    let mut response = hex("68cd0ab851e51c96aabc927bebef6a1c");
    response.extend(blob(&[]));
    let token = authenticate(&response, &hex("c5dad2544fc9799094ce1ce90bc9d03e"), false);
    let mut established = attempt(&token, ChannelBinding::Relaxed, None).ok().unwrap();
    assert_eq!((established.user.as_str(), established.domain.as_str()), (USER, DOMAIN));
    assert!(established.security.sealing);

    // The published GSS_WrapEx output of the client is what the server must be able to open.
    let mut data = hex("54e50165bf1936dc996020c1811b0f06fb5f");
    let signature = hex("010000007fb38ec5c55d497600000000");
    established.security.inbound.unseal(&signature, &mut data).unwrap();
    assert_eq!(data, utf16("Plaintext"));
}

#[test]
fn a_wrong_password_an_unknown_user_and_ntlm_v1_are_refused() {
    let mut response = proof("other", &blob(&[])).0.to_vec();
    response.extend(blob(&[]));
    let token = authenticate(&response, &[0; 16], false);
    assert_eq!(attempt(&token, ChannelBinding::None, None).err(), Some(NtlmError::LogonDenied));

    let unknown =
        Judge { nt_hash: &|_, _| None, channel_binding: ChannelBinding::None, expected_binding: None };
    let refused = pending().authenticate(&token, &unknown).err().unwrap();
    assert_eq!(refused.reason, NtlmError::LogonDenied);
    assert_eq!(refused.user, Some((USER.to_owned(), DOMAIN.to_owned())));

    let token = authenticate(&[0; 24], &[0; 16], false);
    assert_eq!(attempt(&token, ChannelBinding::None, None).err(), Some(NtlmError::NotNtlmV2));
}

#[test]
fn the_message_integrity_code_covers_all_three_messages() {
    let blob = blob(&[(av::FLAGS, &2u32.to_le_bytes())]);
    let (proof, session_base_key) = proof(PASSWORD, &blob);
    let mut response = proof.to_vec();
    response.extend(&blob);
    let mut token = authenticate(&response, &crypto::rc4_once(&session_base_key, &RANDOM_SESSION_KEY), true);
    assert_eq!(attempt(&token, ChannelBinding::None, None).err(), Some(NtlmError::BadMic));
    let mic = crypto::hmac_md5(&RANDOM_SESSION_KEY, &[b"negotiate", b"challenge", &token]);
    token[72..88].copy_from_slice(&mic);
    assert!(attempt(&token, ChannelBinding::None, None).is_ok());
}

#[test]
fn channel_bindings_are_checked_as_the_policy_says() {
    let expected = channel_binding_hash(&[7; 32]);
    let token = |pairs: &[(u16, &[u8])]| {
        let blob = blob(pairs);
        let mut response = proof(PASSWORD, &blob).0.to_vec();
        response.extend(&blob);
        authenticate(&response, &[0; 16], false)
    };
    let absent = token(&[]);
    let right = token(&[(av::CHANNEL_BINDINGS, &expected)]);
    let wrong = token(&[(av::CHANNEL_BINDINGS, &[9; 16])]);
    let outcome = |token: &[u8], policy| attempt(token, policy, Some(expected)).err();
    assert_eq!(outcome(&absent, ChannelBinding::Relaxed), None);
    assert_eq!(outcome(&absent, ChannelBinding::Strict), Some(NtlmError::BadChannelBinding));
    assert_eq!(outcome(&right, ChannelBinding::Strict), None);
    assert_eq!(outcome(&wrong, ChannelBinding::Relaxed), Some(NtlmError::BadChannelBinding));
    assert_eq!(outcome(&wrong, ChannelBinding::None), None);
}

#[test]
fn an_initiator_that_offers_too_little_is_refused() {
    let mut negotiate = b"NTLMSSP\0\x01\0\0\0".to_vec();
    negotiate.extend((CHALLENGE_FLAGS & !flags::KEY_128).to_le_bytes());
    assert_eq!(Pending::new("WEB-1", &negotiate, SERVER_CHALLENGE, 0).err(), Some(NtlmError::TooWeak));
}

#[test]
fn a_message_cut_short_anywhere_is_refused_without_a_panic() {
    let mut response = hex("68cd0ab851e51c96aabc927bebef6a1c");
    response.extend(blob(&[]));
    let token = authenticate(&response, &hex("c5dad2544fc9799094ce1ce90bc9d03e"), false);
    for end in 0..token.len() {
        assert!(attempt(&token[..end], ChannelBinding::None, None).is_err(), "{end}");
    }
}
