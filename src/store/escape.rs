//! The way back from [`crate::model::path::escape`]: text to the bytes that it was made of.

/// Reads escaped bytes: `\\`, `\xNN` and `\u{N}`, all else as it stands. The number is the
/// offset of what cannot be read.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let offset = text.len() - escaped.len();
        rest = one(escaped, &mut out).ok_or(offset)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Reads the escape at the start; what follows it comes back.
fn one<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let text = text.strip_prefix('\\')?;
    if let Some(rest) = text.strip_prefix('\\') {
        out.push(b'\\');
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('x') {
        let (digits, rest) = rest.split_at_checked(2)?;
        out.push(u8::try_from(hexadecimal(digits)?).ok()?);
        return Some(rest);
    }
    let (digits, rest) = text.strip_prefix("u{")?.split_once('}')?;
    let character = char::from_u32(hexadecimal(digits)?)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

/// Small digits alone, as they are written: bytes have one escaped form.
fn hexadecimal(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::Escaped;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_inverse(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,20}") {
            prop_assert_eq!(unescape(&Escaped(&bytes).to_string()), Ok(bytes));
            let bytes = text.into_bytes();
            prop_assert_eq!(unescape(&Escaped(&bytes).to_string()), Ok(bytes));
        }
    }

    #[test]
    fn names_the_offset_of_what_is_wrong() {
        let check = |text: &str, expected| assert_eq!(unescape(text), Err(expected), "{text}");
        check("ab\\", 2);
        check("\\\\\\q", 2);
        check("\\x1", 0);
        check("\\x+1", 0);
        check("\\xFF", 0);
        check("é\\u{110000}", 2);
    }
}
