//! LZO1X, the decompressor, after `Documentation/staging/lzo.rst` of the kernel.
//!
//! The output has a fixed length, so that no input can make it grow; a match reaches only into
//! what was written.

use crate::model::Fault;

/// What the last instruction copied as literals; the meaning of the lowest ones depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// None.
    None,
    /// One to three, named by a match.
    Few,
    /// A run of four and more.
    Run,
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<usize, Fault> {
        let (first, rest) = self.0.split_first().ok_or_else(|| Fault::damaged("lzo: cut off"))?;
        self.0 = rest;
        Ok(usize::from(*first))
    }

    fn le16(&mut self) -> Result<usize, Fault> {
        Ok(self.byte()? | self.byte()? << 8)
    }

    /// A length of which the instruction holds `short`; 0 there means that more bytes follow.
    fn length(&mut self, short: usize, most: usize) -> Result<usize, Fault> {
        if short != 0 {
            return Ok(short);
        }
        let mut length = most;
        loop {
            match self.byte()? {
                0 => length = length.saturating_add(255),
                last => return Ok(length.saturating_add(last)),
            }
        }
    }
}

struct Output<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Output<'_> {
    fn literals(&mut self, input: &mut Input<'_>, count: usize) -> Result<(), Fault> {
        let end = self.at.saturating_add(count);
        let (from, rest) =
            input.0.split_at_checked(count).ok_or_else(|| Fault::damaged("lzo: cut off"))?;
        let to = self.bytes.get_mut(self.at..end).ok_or_else(too_long)?;
        to.copy_from_slice(from);
        (self.at, input.0) = (end, rest);
        Ok(())
    }

    fn repeat(&mut self, distance: usize, count: usize) -> Result<(), Fault> {
        let start = self.at.checked_sub(distance);
        let start = start.ok_or_else(|| Fault::damaged("lzo: a match before the beginning"))?;
        let end = self.at.saturating_add(count);
        if end > self.bytes.len() {
            return Err(too_long());
        }
        if distance >= count {
            self.bytes.copy_within(start..start.saturating_add(count), self.at);
        } else {
            // It overlaps what it writes: byte by byte.
            for (from, to) in (start..).zip(self.at..end) {
                let byte = self.bytes.get(from).copied().unwrap_or_default();
                if let Some(place) = self.bytes.get_mut(to) {
                    *place = byte;
                }
            }
        }
        self.at = end;
        Ok(())
    }
}

fn too_long() -> Fault {
    Fault::damaged("lzo: more bytes than are expected")
}

/// Fills the output from its beginning; returns how many bytes there were.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
    let mut input = Input(input);
    let mut output = Output { bytes: output, at: 0 };
    let mut last = Last::None;
    if let Some(first @ 18..) = input.0.first().copied() {
        input.byte()?;
        let count = usize::from(first).saturating_sub(17);
        output.literals(&mut input, count)?;
        last = if count < 4 { Last::Few } else { Last::Run };
    }
    loop {
        let code = input.byte()?;
        // How far back, how many, and how many literals follow.
        let (distance, count, literals) = match (code, last) {
            (0..16, Last::None) => {
                let count = input.length(code, 15)?.saturating_add(3);
                output.literals(&mut input, count)?;
                last = Last::Run;
                continue;
            }
            (0..16, Last::Few) => ((code >> 2 | input.byte()? << 2).saturating_add(1), 2, code & 3),
            (0..16, Last::Run) => {
                ((code >> 2 | input.byte()? << 2).saturating_add(0x801), 3, code & 3)
            }
            (16..32, _) => {
                let count = input.length(code & 7, 7)?.saturating_add(2);
                let word = input.le16()?;
                let distance = (code & 8) << 11 | word >> 2;
                if distance == 0 {
                    return match count {
                        3 => Ok(output.at),
                        _ => Err(Fault::damaged("lzo: an odd end")),
                    };
                }
                (distance.saturating_add(0x4000), count, word & 3)
            }
            (32..64, _) => {
                let count = input.length(code & 31, 31)?.saturating_add(2);
                let word = input.le16()?;
                ((word >> 2).saturating_add(1), count, word & 3)
            }
            _ => {
                let distance = (code >> 2 & 7 | input.byte()? << 3).saturating_add(1);
                (distance, (code >> 5).saturating_add(1), code & 3)
            }
        };
        output.repeat(distance, count)?;
        output.literals(&mut input, literals)?;
        last = if literals == 0 { Last::None } else { Last::Few };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions() {
        let check = |input: &[u8], expected: Option<&[u8]>| {
            let mut output = [0; 100];
            let found = decompress(input, &mut output).ok().map(|length| output[..length].to_vec());
            assert_eq!(found.as_deref(), expected, "{input:?}");
        };
        let end = [17, 0, 0];
        check(&end, Some(b""));
        check(&[[21, b'a', b'b', b'c', b'd'].as_slice(), &end].concat(), Some(b"abcd"));
        check(&[[1, b'a', b'b', b'c', b'd'].as_slice(), &end].concat(), Some(b"abcd"));
        // A match of 8 one byte back, then one literal.
        check(&[[18, b'a', 38, 1, 0, b'z'].as_slice(), &end].concat(), Some(b"aaaaaaaaaz"));
        // A short match of 3 at a distance of 2.
        check(&[[19, b'a', b'b', 0x44, 0].as_slice(), &end].concat(), Some(b"ababa"));
        check(&[18, b'a', 38, 8, 0], None);
        check(&[18, b'a'], None);
        check(&[[18, b'a', 32, 0, 0, 0, 255, 0, 0].as_slice(), &end].concat(), None);
    }
}
