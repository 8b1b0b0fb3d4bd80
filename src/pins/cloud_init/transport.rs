//! How user-data is wrapped for its way: base64, gzip, quoted-printable. What they hold is bounded:
//! a few kilobytes of gzip can stand for gigabytes.

use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::io::Read;

/// What a compressed part may hold: as much as a file that is read at all.
pub(super) const MAX_INFLATED: u64 = 5 * 1024 * 1024;

/// Shorter words could be anything.
const MIN_BASE64: usize = 24;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of base64, blanks in it passed over; `None` where it is none.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let bare: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(bare).ok()
}

/// Unpacks gzip; `None` where it is none or too much.
pub(super) fn gunzip(bytes: &[u8]) -> Option<String> {
    if !is_gzip(bytes) {
        return None;
    }
    let mut inflated = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(bytes);
    decoder.take(MAX_INFLATED.saturating_add(1)).read_to_end(&mut inflated).ok()?;
    let fits = u64::try_from(inflated.len()).is_ok_and(|length| length <= MAX_INFLATED);
    fits.then(|| String::from_utf8_lossy(&inflated).into_owned())
}

/// Whether bytes are compressed.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The bytes of a text that is base64 as a whole.
pub(super) fn whole_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n ".contains(&byte);
    if text.len() < MIN_BASE64 || text.contains(UNKNOWN) || !text.bytes().all(alphabet) {
        return None;
    }
    base64(text)
}

/// Text as it is or out of gzip; `None` where it is neither.
pub(super) fn unpacked(bytes: &[u8]) -> Option<String> {
    if is_gzip(bytes) {
        return gunzip(bytes);
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

/// RFC 2045, 6.7: `=3D` and soft line breaks.
pub(super) fn quoted_printable(data: &Fragment) -> Fragment {
    let text = data.text();
    let mut builder = FragmentBuilder::default();
    let (mut at, mut done) = (0_usize, 0_usize);
    while let Some(skip) = text.get(at..).and_then(|rest| rest.find('=')) {
        let start = at.saturating_add(skip);
        let mut end = start;
        let mut bytes = Vec::new();
        while let Some(byte) = escaped(text.get(end..).unwrap_or_default()) {
            bytes.push(byte);
            end = end.saturating_add(3);
        }
        let rest = text.get(start.saturating_add(1)..).unwrap_or_default();
        if bytes.is_empty() {
            let feed =
                if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
            end = start.saturating_add(1).saturating_add(feed);
            if feed == 0 {
                at = end;
                continue;
            }
        }
        builder.append_range(data, done..start);
        builder.replaced(&String::from_utf8_lossy(&bytes), data.raw_range(start..end));
        done = end;
        at = end;
    }
    builder.append_range(data, done..text.len());
    builder.finish()
}

fn escaped(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('=')?.get(..2)?;
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_keeps_its_bytes() {
        let text = "a=3Db=\n curl =C3=A4 x=y";
        let decoded = quoted_printable(&Fragment::verbatim(text, 0));
        assert_eq!(decoded.text(), "a=b curl ä x=y");
        let at = decoded.text().find("curl").unwrap();
        assert_eq!(decoded.raw_range(at..at + 4).start, text.find("curl").unwrap());
    }

    #[test]
    fn base64_is_told_from_words() {
        assert_eq!(
            whole_base64("I2Nsb3VkLWNvbmZpZwpwYWNrYWdlczogW2N1cmxdCg==").as_deref(),
            Some(b"#cloud-config\npackages: [curl]\n".as_slice())
        );
        assert_eq!(whole_base64("apt-get install curl now and then"), None);
        assert_eq!(whole_base64("abcd"), None);
    }
}
