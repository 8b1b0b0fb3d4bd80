//! Four lanes at a time, in plain arrays from which the compiler makes vectors of 128 bits.

use super::{BLOCK, LANES, Parts, SINES, State, all_steps, message_word, registers, rotation};

/// Lanes that fill one vector: with more of them there are not enough registers.
const GROUP: usize = 4;

/// One word of each lane.
type Words = [u32; GROUP];

/// Takes in all blocks.
pub(super) fn update(states: &mut [State; LANES], parts: &Parts<'_>) {
    let groups = states.as_chunks_mut::<GROUP>().0.iter_mut();
    for (states, parts) in groups.zip(parts.as_chunks::<GROUP>().0) {
        update_group(states, *parts);
    }
}

fn update_group(states: &mut [State; GROUP], parts: [&[[u8; BLOCK]]; GROUP]) {
    let mut lanes = [[0; GROUP]; 4];
    for (word, lane) in lanes.iter_mut().enumerate() {
        for (slot, state) in lane.iter_mut().zip(states.iter()) {
            *slot = state.0.get(word).copied().unwrap_or_default();
        }
    }
    let [a, b, c, d] = parts;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let mut message = [[0; GROUP]; 16];
        for (lane, block) in [a, b, c, d].into_iter().enumerate() {
            for (words, bytes) in message.iter_mut().zip(block.as_chunks().0) {
                if let Some(word) = words.get_mut(lane) {
                    *word = u32::from_le_bytes(*bytes);
                }
            }
        }
        compress(&mut lanes, &message);
    }
    for (word, lane) in lanes.iter().enumerate() {
        for (value, state) in lane.iter().zip(states.iter_mut()) {
            if let Some(slot) = state.0.get_mut(word) {
                *slot = *value;
            }
        }
    }
}

/// One step on all lanes.
#[expect(
    clippy::indexing_slicing,
    reason = "all indices follow from the step's number, which is below 64: checks in the innermost loop would keep it out of vectors"
)]
#[inline(always)]
fn step<const STEP: usize>(state: &mut [Words; 4], message: &[Words; 16]) {
    let [a, b, c, d] = registers(STEP);
    let word = message_word(STEP);
    let mut out = [0_u32; GROUP];
    for (lane, out) in out.iter_mut().enumerate() {
        let (x, y, z) = (state[b][lane], state[c][lane], state[d][lane]);
        let mixed = match STEP / 16 {
            0 => z ^ (x & (y ^ z)),
            1 => y ^ (z & (x ^ y)),
            2 => x ^ y ^ z,
            _ => y ^ (x | !z),
        };
        let sum = state[a][lane].wrapping_add(mixed).wrapping_add(SINES[STEP]);
        *out = sum.wrapping_add(message[word][lane]).rotate_left(rotation(STEP)).wrapping_add(x);
    }
    state[a] = out;
}

#[inline(always)]
fn compress(lanes: &mut [Words; 4], message: &[Words; 16]) {
    let mut state = *lanes;
    all_steps!(step, &mut state, message);
    for (lane, more) in lanes.iter_mut().flatten().zip(state.iter().flatten()) {
        *lane = lane.wrapping_add(*more);
    }
}
