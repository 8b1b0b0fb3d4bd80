//! LZ4 blocks of which only the beginning is wanted, or that are followed by other bytes: what
//! shared extents and images without padding need, and decoders of whole blocks refuse.

use crate::model::Fault;

fn cut() -> Fault {
    Fault::damaged("an LZ4 block is cut off")
}

fn length(input: &mut &[u8], short: u8) -> Result<usize, Fault> {
    let mut length = usize::from(short);
    if short == 15 {
        loop {
            let (byte, rest) = input.split_first().ok_or_else(cut)?;
            *input = rest;
            length = length.saturating_add(usize::from(*byte));
            if *byte != 255 {
                break;
            }
        }
    }
    Ok(length)
}

/// Fills the whole output with the beginning of what the input unpacks to.
pub fn unpack(mut input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
    let mut at = 0_usize;
    while at < output.len() {
        let (token, rest) = input.split_first().ok_or_else(cut)?;
        input = rest;
        let count = length(&mut input, token >> 4)?.min(output.len().saturating_sub(at));
        let (literals, rest) = input.split_at_checked(count).ok_or_else(cut)?;
        let end = at.saturating_add(count);
        output.get_mut(at..end).ok_or_else(cut)?.copy_from_slice(literals);
        (at, input) = (end, rest);
        if at == output.len() {
            break;
        }
        let (distance, rest) = input.split_first_chunk::<2>().ok_or_else(cut)?;
        input = rest;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let count = length(&mut input, token & 15)?.saturating_add(4);
        let start = at.checked_sub(distance).filter(|_| distance > 0);
        let start = start.ok_or_else(|| {
            Fault::damaged(format!("an LZ4 match {distance} bytes before byte {at}"))
        })?;
        let end = at.saturating_add(count).min(output.len());
        if end.saturating_sub(at) <= distance {
            output.copy_within(start..start.saturating_add(end.saturating_sub(at)), at);
        } else {
            // It overlaps what it writes: byte by byte.
            for (from, to) in (start..).zip(at..end) {
                let byte = output.get(from).copied().unwrap_or_default();
                if let Some(place) = output.get_mut(to) {
                    *place = byte;
                }
            }
        }
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_unpacked() {
        let plain: Vec<u8> =
            (0..3000_u32).flat_map(|n| format!("{} ", n / 7 * 31).into_bytes()).collect();
        let mut packed = lz4_flex::block::compress(&plain);
        let whole = packed.len();
        packed.extend_from_slice(b"what follows");
        for length in [0, 1, 100, 1000, plain.len()] {
            let mut output = vec![0; length];
            unpack(&packed, &mut output).unwrap();
            assert_eq!(output, plain[..length]);
        }
        let mut output = vec![0; plain.len()];
        assert!(unpack(&packed[..whole / 2], &mut output).is_err());
        assert!(unpack(&[0x10, b'a', 2, 0], &mut output).is_err());
        assert!(unpack(&[0x10, b'a', 0, 0], &mut output).is_err());
        let mut output = [0; 9];
        unpack(&[0x14, b'a', 1, 0], &mut output).unwrap();
        assert_eq!(&output, b"aaaaaaaaa");
    }
}
