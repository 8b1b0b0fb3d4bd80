//! BLAKE2b with 256 bits and no key, after RFC 7693.

use std::array;

const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Which words of the message a round mixes, in pairs; the last two rounds begin again.
const ORDER: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The columns and then the diagonals of the state.
const LANES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

const ROUNDS: usize = 12;
const BLOCK: usize = 128;
const LENGTH: usize = 32;

#[expect(clippy::indexing_slicing, reason = "all indices are constants of the tables above")]
fn mix(state: &mut [u64; 16], lane: [usize; 4], x: u64, y: u64) {
    let [a, b, c, d] = lane;
    state[a] = state[a].wrapping_add(state[b]).wrapping_add(x);
    state[d] = (state[d] ^ state[a]).rotate_right(32);
    state[c] = state[c].wrapping_add(state[d]);
    state[b] = (state[b] ^ state[c]).rotate_right(24);
    state[a] = state[a].wrapping_add(state[b]).wrapping_add(y);
    state[d] = (state[d] ^ state[a]).rotate_right(16);
    state[c] = state[c].wrapping_add(state[d]);
    state[b] = (state[b] ^ state[c]).rotate_right(63);
}

#[expect(clippy::indexing_slicing, reason = "the order names words 0 to 15")]
fn compress(hash: &mut [u64; 8], block: &[u8; BLOCK], count: u128, is_last: bool) {
    let words = block.as_chunks::<8>().0;
    let message: [u64; 16] =
        array::from_fn(|index| words.get(index).map_or(0, |word| u64::from_le_bytes(*word)));
    let [h0, h1, h2, h3, h4, h5, h6, h7] = *hash;
    let [i0, i1, i2, i3, i4, i5, i6, i7] = INITIAL;
    let low = u64::try_from(count & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(count >> 64).unwrap_or(0);
    let last = if is_last { u64::MAX } else { 0 };
    let mut state =
        [h0, h1, h2, h3, h4, h5, h6, h7, i0, i1, i2, i3, i4 ^ low, i5 ^ high, i6 ^ last, i7];
    for order in ORDER.iter().cycle().take(ROUNDS) {
        for (lane, pair) in LANES.iter().zip(order.as_chunks::<2>().0) {
            let [x, y] = *pair;
            mix(&mut state, *lane, message[x], message[y]);
        }
    }
    let (first, second) = state.split_at(8);
    for ((word, a), b) in hash.iter_mut().zip(first).zip(second) {
        *word ^= a ^ b;
    }
}

/// The hash of the bytes.
pub fn blake2b_256(bytes: &[u8]) -> [u8; LENGTH] {
    let mut hash = INITIAL;
    if let Some(first) = hash.first_mut() {
        // The parameter block: length 32, no key, fan-out and depth 1.
        *first ^= 0x0101_0000 ^ LENGTH as u64;
    }
    let mut count = 0_u128;
    let mut rest = bytes;
    while let Some((block, after)) =
        rest.split_first_chunk::<BLOCK>().filter(|(_, r)| !r.is_empty())
    {
        count = count.saturating_add(BLOCK as u128);
        compress(&mut hash, block, count, false);
        rest = after;
    }
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    compress(&mut hash, &block, count.saturating_add(rest.len() as u128), true);
    let mut out = [0; LENGTH];
    for (to, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(hash) {
        *to = word.to_le_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let check = |bytes: &[u8], expected: &str| {
            let hex: String = blake2b_256(bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, expected);
        };
        check(b"", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
        check(b"abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    }
}
