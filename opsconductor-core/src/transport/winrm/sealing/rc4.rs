//! RC4, the stream cipher that NTLM seals with (RFC 6229 has its vectors). Broken as a cipher to choose today, and the
//! only one that MS-NLMP knows.

use zeroize::Zeroize;

/// How many bytes are done in one go: a loop that is unrolled so far is twice as fast.
const STRIDE: usize = 16;

/// A key stream, and how far it has been used.
#[derive(Zeroize)]
#[zeroize(drop)]
pub(super) struct Rc4 {
    state: State,
    /// The place that the next byte begins at: `i` of the usual description, one further.
    next: usize,
    j: u32,
}

/// A permutation of the bytes. In words, for whole registers are moved faster than parts of them.
type State = [u32; 256];

impl Rc4 {
    /// The beginning of the key stream of a key.
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let mut state = [0; 256];
        state.iter_mut().zip(0..).for_each(|(slot, value)| *slot = value);
        let mut j = 0_u8;
        for i in 0..state.len() {
            // What stands in the state is a byte.
            j = j.wrapping_add(state[i] as u8).wrapping_add(key[i % key.len()]);
            state.swap(i, usize::from(j));
        }
        Self { state, next: 1, j: 0 }
    }

    /// Exchanges plain text and sealed text, one for the other.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        let (state, j) = (&mut self.state, &mut self.j);
        // A stride begins at a multiple of its length, so that its places differ by constants alone.
        let lead = (STRIDE - self.next % STRIDE) % STRIDE;
        let (lead, rest) = data.split_at_mut(lead.min(data.len()));
        for byte in lead {
            *byte ^= step(state, self.next & 0xff, j);
            self.next += 1;
        }
        let (strides, rest) = rest.as_chunks_mut::<STRIDE>();
        for stride in strides {
            let start = self.next & 0xf0;
            for (offset, byte) in stride.iter_mut().enumerate() {
                *byte ^= step(state, start | offset, j);
            }
            self.next = start + STRIDE;
        }
        for byte in rest {
            *byte ^= step(state, self.next & 0xff, j);
            self.next += 1;
        }
        self.next &= 0xff;
    }
}

/// The next byte of the key stream.
#[inline(always)]
fn step(state: &mut State, i: usize, j: &mut u32) -> u8 {
    let x = state[i];
    *j = (*j + x) & 0xff;
    let y = state[*j as usize];
    state[*j as usize] = x;
    state[i] = y;
    state[((x + y) & 0xff) as usize] as u8
}

#[cfg(test)]
mod tests {
    use super::Rc4;

    #[test]
    fn the_key_stream_is_that_of_rfc_6229() {
        let key = std::array::from_fn(|at| at as u8 + 1);
        let mut stream = vec![0; 4112];
        Rc4::new(&key).apply(&mut stream);
        let at = |at: usize| u128::from_be_bytes(std::array::from_fn(|byte| stream[at + byte]));
        assert_eq!(at(0), 0x9ac7_cc9a_609d_1ef7_b293_2899_cde4_1b97);
        assert_eq!(at(16), 0x5248_c495_9014_126a_6e8a_84f1_1d1a_9e1c);
        assert_eq!(at(4096), 0xa36a_4c30_1ae8_ac13_610c_cbc1_2256_cacc);
    }

    #[test]
    fn the_stream_goes_on_wherever_it_is_cut() {
        let key = [7; 16];
        let (mut whole, mut pieces) = ([0; 200], [0; 200]);
        Rc4::new(&key).apply(&mut whole);
        let mut stream = Rc4::new(&key);
        let mut rest = &mut pieces[..];
        for length in [1, 15, 16, 17, 0, 33, 118] {
            let (piece, after) = rest.split_at_mut(length);
            stream.apply(piece);
            rest = after;
        }
        assert_eq!(whole, pieces);
    }
}
