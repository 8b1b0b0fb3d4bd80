//! Digests as package databases write them: hexadecimal digits in either case.

/// The bytes that the digits stand for; `None` for anything but an even number of digits.
#[must_use]
pub fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; digits.len() / 2];
    fill(digits, &mut out).then_some(out)
}

/// Likewise for exactly `N` bytes.
#[must_use]
pub fn decode_array<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    fill(digits, &mut out).then_some(out)
}

/// Whether the digits are exactly those of as many bytes.
fn fill(digits: &[u8], out: &mut [u8]) -> bool {
    let (pairs, rest) = digits.as_chunks::<2>();
    let mut all = 0;
    for (out, pair) in out.iter_mut().zip(pairs) {
        let [high, low] = pair.map(value);
        all |= high | low;
        *out = (high << 4) | (low & 0x0f);
    }
    rest.is_empty() && pairs.len() == out.len() && all != NO_DIGIT
}

const NO_DIGIT: u8 = 0xff;

/// The value of each byte as a digit: an or of any of them is [`NO_DIGIT`] where one is.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut byte: u8 = 0;
    while byte < 16 {
        let (digits, upper) = (b"0123456789abcdef", b"0123456789ABCDEF");
        values[digits[byte as usize] as usize] = byte;
        values[upper[byte as usize] as usize] = byte;
        byte += 1;
    }
    values
};

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_pairs() {
        let check = |digits: &[u8], expected: Option<&[u8]>| {
            assert_eq!(decode(digits).as_deref(), expected);
            assert_eq!(decode_array::<2>(digits).map(Vec::from), expected.map(Vec::from));
        };
        check(b"00fF", Some(&[0, 255]));
        check(b"00f", None);
        check(b"00fg", None);
        assert_eq!(decode(b""), Some(Vec::new()));
        assert_eq!(decode_array::<16>(b"00ff"), None);
    }
}
