//! RC4, which NTLM seals with.

/// A running RC4 key stream.
///
/// The state holds its bytes as words and the stream is made eight bytes at a time: whoever copies files to the host waits
/// for this, and so it takes half the time.
pub(crate) struct Rc4 {
    state: [u32; 256],
    i: u32,
    j: u32,
}

impl Rc4 {
    /// A fresh key stream.
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let mut state = std::array::from_fn(|index| index as u32);
        let mut j = 0;
        for (i, byte) in (0..256).zip(key.iter().cycle()) {
            j = (j + state[i] + u32::from(*byte)) & 255;
            state.swap(i, j as usize);
        }
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts in place; the next call goes on where this one ended.
    pub(crate) fn apply(&mut self, data: &mut [u8]) {
        let Self { state, i, j } = self;
        // In locals they stay in registers.
        let (mut at_i, mut at_j) = (*i, *j);
        let mut next = || {
            at_i = (at_i + 1) & 255;
            let one = state[at_i as usize];
            at_j = (at_j + one) & 255;
            let other = state[at_j as usize];
            state[at_i as usize] = other;
            state[at_j as usize] = one;
            state[((one + other) & 255) as usize]
        };
        let mut words = data.chunks_exact_mut(8);
        for word in &mut words {
            let mut mask = 0;
            for byte in 0..8 {
                mask |= u64::from(next()) << (8 * byte);
            }
            for (byte, mask) in word.iter_mut().zip(mask.to_le_bytes()) {
                *byte ^= mask;
            }
        }
        for byte in words.into_remainder() {
            *byte ^= next() as u8;
        }
        (*i, *j) = (at_i, at_j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6229, the 128-bit key, at the offsets 0, 16 and 4096.
    #[test]
    fn the_published_key_streams_come_out() {
        let key = std::array::from_fn(|index| index as u8 + 1);
        let mut stream = vec![0; 4112];
        Rc4::new(&key).apply(&mut stream);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&stream[..16]), "9ac7cc9a609d1ef7b2932899cde41b97");
        assert_eq!(hex(&stream[16..32]), "5248c4959014126a6e8a84f11d1a9e1c");
        assert_eq!(hex(&stream[4096..]), "a36a4c301ae8ac13610ccbc12256cacc");
    }

    #[test]
    fn the_stream_goes_on_wherever_a_message_ends() {
        let mut whole = vec![0; 300];
        Rc4::new(&[7; 16]).apply(&mut whole);
        let mut pieces = vec![0; 300];
        let mut stream = Rc4::new(&[7; 16]);
        let mut rest = &mut pieces[..];
        for length in [1, 7, 8, 9, 0, 31, 244] {
            let (piece, after) = rest.split_at_mut(length);
            stream.apply(piece);
            rest = after;
        }
        assert_eq!(pieces, whole);
    }
}
