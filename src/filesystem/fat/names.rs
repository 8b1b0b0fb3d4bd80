//! Names: 8.3 in the OEM code page, long ones in UTF-16; both are given as UTF-8.
//!
//! The volume does not say its code page: 437, the default of Linux and of the makers of boot
//! media, is taken.

/// The upper half of code page 437.
const UPPER_HALF: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ',
    'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ',
    'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕',
    '╣', '║', '╗', '╝', '╜', '╛', '┐', '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦',
    '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐',
    '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±',
    '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

/// Bits of `DIR_NTRes`: what the 8.3 name does not say of its case.
const LOWER_BASE: u8 = 8;
const LOWER_EXTENSION: u8 = 0x10;

/// What each part of a long name has of the short one.
pub fn checksum(short: &[u8]) -> u8 {
    short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// A long name up to its end; half a surrogate pair becomes U+FFFD.
pub fn long(units: &[u16]) -> Vec<u8> {
    let name = units.split(|unit| *unit == 0).next().unwrap_or_default();
    String::from_utf16_lossy(name).into_bytes()
}

/// An 8.3 name of 11 bytes, in the case that Windows NT notes beside it.
pub fn short(raw: &[u8], case: u8) -> Vec<u8> {
    let (base, extension) = raw.split_at_checked(8).unwrap_or_default();
    let mut name = part(base, case & LOWER_BASE != 0);
    let extension = part(extension, case & LOWER_EXTENSION != 0);
    if !extension.is_empty() {
        name.push('.');
        name.push_str(&extension);
    }
    // 0x05 stands for 0xe5 in the first place, where that marks what was deleted.
    if let Some(rest) = name.strip_prefix('\u{5}') {
        name = format!("σ{rest}");
    }
    name.into_bytes()
}

fn part(raw: &[u8], lower: bool) -> String {
    let end = raw.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
    let text = raw.iter().take(end).map(|byte| match byte.checked_sub(128) {
        Some(upper) => UPPER_HALF.get(usize::from(upper)).copied().unwrap_or('\u{fffd}'),
        None => char::from(*byte),
    });
    if lower { text.flat_map(char::to_lowercase).collect() } else { text.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_have_the_case_of_their_flags() {
        let check = |raw: &[u8; 11], case: u8, expected: &str| {
            assert_eq!(String::from_utf8(short(raw, case)).unwrap(), expected);
        };
        check(b"BOOTX64 EFI", 0, "BOOTX64.EFI");
        check(b"BOOTX64 EFI", LOWER_BASE, "bootx64.EFI");
        check(b"BOOTX64 EFI", LOWER_BASE | LOWER_EXTENSION, "bootx64.efi");
        check(b"EFI        ", 0, "EFI");
        check(b"A B     C D", 0, "A B.C D");
        check(b"\x05\x80\x81     TXT", 0, "σÇü.TXT");
        check(b"\x90       TXT", LOWER_BASE, "é.TXT");
    }

    #[test]
    fn long_names_are_utf_16() {
        let check = |units: &[u16], expected: &str| {
            assert_eq!(String::from_utf8(long(units)).unwrap(), expected);
        };
        check(&[0x67, 0xfc, 0, 0xffff], "gü");
        check(&[0xd83d, 0xde00], "😀");
        check(&[0x61, 0xd83d], "a\u{fffd}");
        check(&[0], "");
    }
}
