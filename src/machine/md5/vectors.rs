//! All lanes in vectors of 256 bits, for processors with AVX2.
//!
//! A vector has eight lanes. Two groups of eight go through each step together, because a step of
//! one group waits for the one before for longer than the processor works on it.

use super::{BLOCK, LANES, Parts, SINES, State, all_steps, message_word, registers, rotation};
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_extract_epi32, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set_epi32,
    _mm256_set_epi64x, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sll_epi32, _mm256_srl_epi32,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};

/// Lanes of one vector.
const GROUP: usize = 8;
const GROUPS: usize = LANES / GROUP;

/// One word of each lane of a group.
type Words = __m256i;

/// Takes in all blocks.
#[target_feature(enable = "avx2")]
pub(in crate::machine) fn update(states: &mut [State; LANES], parts: &Parts<'_>) {
    let (groups, _) = states.as_chunks_mut::<GROUP>();
    let (parts, _) = parts.as_chunks::<GROUP>();
    let ([first, second], [[any, ..], _]) = (groups, parts) else { return };
    let mut lanes = [load(first), load(second)];
    let mut messages = [[_mm256_setzero_si256(); 16]; GROUPS];
    let count = any.len();
    for number in 0..count {
        for (parts, message) in parts.iter().zip(&mut messages) {
            read(parts, number, message);
        }
        let mut state = lanes;
        all_steps!(step, &mut state, &messages);
        for (lane, more) in lanes.iter_mut().flatten().zip(state.iter().flatten()) {
            *lane = _mm256_add_epi32(*lane, *more);
        }
    }
    let [first_lanes, second_lanes] = lanes;
    store(first_lanes, first);
    store(second_lanes, second);
}

/// One step on all lanes.
#[expect(
    clippy::indexing_slicing,
    reason = "all indices follow from the step's number, which is below 64"
)]
#[inline]
#[target_feature(enable = "avx2")]
fn step<const STEP: usize>(state: &mut [[Words; 4]; GROUPS], messages: &[[Words; 16]; GROUPS]) {
    let [a, b, c, d] = registers(STEP);
    let left = rotation(STEP).cast_signed();
    for (state, message) in state.iter_mut().zip(messages) {
        let (x, y, z) = (state[b], state[c], state[d]);
        let sine = _mm256_set1_epi32(SINES[STEP].cast_signed());
        let sum = _mm256_add_epi32(state[a], _mm256_add_epi32(message[message_word(STEP)], sine));
        let sum = match STEP / 16 {
            0 => {
                let mixed = _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)));
                _mm256_add_epi32(sum, mixed)
            }
            // The halves have no bit in common, and only one of them waits for the last step.
            1 => _mm256_add_epi32(
                _mm256_add_epi32(sum, _mm256_andnot_si256(z, y)),
                _mm256_and_si256(x, z),
            ),
            2 => _mm256_add_epi32(sum, _mm256_xor_si256(x, _mm256_xor_si256(y, z))),
            _ => {
                let not_z = _mm256_xor_si256(z, _mm256_set1_epi32(-1));
                _mm256_add_epi32(sum, _mm256_xor_si256(y, _mm256_or_si256(x, not_z)))
            }
        };
        let rotated = _mm256_or_si256(
            _mm256_sll_epi32(sum, _mm_cvtsi32_si128(left)),
            _mm256_srl_epi32(sum, _mm_cvtsi32_si128(32 - left)),
        );
        state[a] = _mm256_add_epi32(x, rotated);
    }
}

/// Reads one block of each lane, turned so that each word of all lanes is a vector.
#[inline]
#[target_feature(enable = "avx2")]
fn read(parts: &[&[[u8; BLOCK]]; GROUP], number: usize, message: &mut [Words; 16]) {
    let (halves, _) = message.as_chunks_mut::<GROUP>();
    if let [first, second] = halves {
        *first = transpose(rows::<0>(parts, number));
        *second = transpose(rows::<1>(parts, number));
    }
}

/// One half of the block of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn rows<const HALF: usize>(parts: &[&[[u8; BLOCK]]; GROUP], number: usize) -> [Words; GROUP] {
    let [a, b, c, d, e, f, g, h] = parts;
    [
        row::<HALF>(a, number),
        row::<HALF>(b, number),
        row::<HALF>(c, number),
        row::<HALF>(d, number),
        row::<HALF>(e, number),
        row::<HALF>(f, number),
        row::<HALF>(g, number),
        row::<HALF>(h, number),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn row<const HALF: usize>(blocks: &[[u8; BLOCK]], number: usize) -> Words {
    let block = blocks.get(number).unwrap_or(&[0; BLOCK]);
    let (words, _) = block.as_chunks::<8>();
    let word = |at: usize| words.get(HALF * 4 + at).map_or(0, |bytes| i64::from_le_bytes(*bytes));
    _mm256_set_epi64x(word(3), word(2), word(1), word(0))
}

/// Eight rows of eight words become eight columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d, e, f, g, h]: [Words; GROUP]) -> [Words; GROUP] {
    // Columns of two rows, of four, of eight; within each half of a vector at first.
    let [[ab0, ab1], [cd0, cd1], [ef0, ef1], [gh0, gh1]] = [(a, b), (c, d), (e, f), (g, h)]
        .map(|(a, b)| [_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)]);
    let [[ad0, ad1], [ad2, ad3], [eh0, eh1], [eh2, eh3]] =
        [(ab0, cd0), (ab1, cd1), (ef0, gh0), (ef1, gh1)]
            .map(|(a, b)| [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)]);
    let [[r0, r4], [r1, r5], [r2, r6], [r3, r7]] = [(ad0, eh0), (ad1, eh1), (ad2, eh2), (ad3, eh3)]
        .map(|(a, b)| {
            [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
        });
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(states: &[State; GROUP]) -> [Words; 4] {
    [0, 1, 2, 3].map(|word: usize| {
        let [a, b, c, d, e, f, g, h] = states
            .each_ref()
            .map(|state| state.0.get(word).copied().unwrap_or_default().cast_signed());
        _mm256_set_epi32(h, g, f, e, d, c, b, a)
    })
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: [Words; 4], states: &mut [State; GROUP]) {
    let lanes = words.map(|words| {
        [
            _mm256_extract_epi32::<0>(words),
            _mm256_extract_epi32::<1>(words),
            _mm256_extract_epi32::<2>(words),
            _mm256_extract_epi32::<3>(words),
            _mm256_extract_epi32::<4>(words),
            _mm256_extract_epi32::<5>(words),
            _mm256_extract_epi32::<6>(words),
            _mm256_extract_epi32::<7>(words),
        ]
    });
    for (lane, state) in states.iter_mut().enumerate() {
        state.0 = lanes.map(|word| word.get(lane).copied().unwrap_or_default().cast_unsigned());
    }
}
