//! Digests as package databases write them: hexadecimal digits in either case.

/// The bytes that the digits stand for; `None` for anything but an even number of digits.
#[must_use]
pub fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    digits.chunks(2).map(byte).collect()
}

/// Likewise for exactly `N` bytes.
#[must_use]
pub fn decode_array<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (out, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *out = byte(pair)?;
    }
    Some(out)
}

fn byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = <[u8; 2]>::try_from(pair).ok()?.map(value);
    Some((high? << 4) | low?)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
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
