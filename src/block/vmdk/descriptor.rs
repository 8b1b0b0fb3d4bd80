//! The text that describes a VMDK: what kind it is and which extents it has.

use crate::model::Fault;
use crate::model::path::Escaped;

/// Larger descriptors than any that is written: 10,000 extents have less.
pub(super) const MAX_DESCRIPTOR_BYTES: u64 = 2 << 20;
/// Sectors of a VMDK.
pub(super) const SECTOR: u64 = 512;

/// What an extent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExtentKind {
    /// Bytes as they are, from an offset of a file.
    Flat { file: Vec<u8>, offset: u64 },
    /// A file with grain tables.
    Sparse { file: Vec<u8> },
    /// Zeros.
    Zero,
}

/// A line of the extent description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExtentLine {
    /// Bytes.
    pub(super) length: u64,
    pub(super) kind: ExtentKind,
}

/// Reads a descriptor.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<ExtentLine>, Fault> {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    let mut extents = Vec::new();
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if let Some((key, value)) = setting(line) {
            if key.eq_ignore_ascii_case(b"parentCID") && !value.eq_ignore_ascii_case(b"ffffffff") {
                return Err(Fault::unsupported("a VMDK that is a delta of a parent"));
            }
            continue;
        }
        let is_extent = [b"RW ".as_slice(), b"RDONLY ", b"NOACCESS "]
            .iter()
            .any(|access| line.starts_with(access));
        if is_extent {
            extents.push(extent(line)?);
        }
    }
    if extents.is_empty() {
        return Err(Fault::damaged("a VMDK descriptor without extents"));
    }
    Ok(extents)
}

/// `key=value`, quotes taken off. Extent lines have a quote or nothing before any `=`.
fn setting(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|b| matches!(b, b'=' | b'"'))?;
    let (key, value) = line.split_at_checked(at)?;
    let value = value.strip_prefix(b"=")?.trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    Some((key.trim_ascii(), value))
}

fn extent(line: &[u8]) -> Result<ExtentLine, Fault> {
    let damaged = || Fault::damaged(format!("VMDK extent \"{}\"", Escaped(line)));
    let mut parts = line.splitn(4, |b| *b == b' ');
    let (_access, sectors, kind) = (parts.next(), parts.next(), parts.next());
    let rest = parts.next().unwrap_or_default();
    let length =
        sectors.and_then(number).and_then(|n| n.checked_mul(SECTOR)).ok_or_else(damaged)?;
    let mut quoted = rest.splitn(3, |b| *b == b'"');
    let (_before, file) = (quoted.next(), quoted.next().unwrap_or_default().to_vec());
    let offset = quoted.next().unwrap_or_default().trim_ascii();
    let kind = match kind.ok_or_else(damaged)? {
        b"ZERO" => ExtentKind::Zero,
        b"SPARSE" => ExtentKind::Sparse { file },
        b"FLAT" | b"VMFS" => {
            let sectors = if offset.is_empty() { Some(0) } else { number(offset) };
            let offset = sectors.and_then(|n| n.checked_mul(SECTOR)).ok_or_else(damaged)?;
            ExtentKind::Flat { file, offset }
        }
        other => {
            return Err(Fault::unsupported(format!("VMDK extents of type {}", Escaped(other))));
        }
    };
    Ok(ExtentLine { length, kind })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_read() {
        let check = |text: &str, expected: &str| {
            let shown = match parse(text.as_bytes()) {
                Ok(extents) => format!("{extents:?}"),
                Err(fault) => format!("{:?}: {fault}", fault.kind),
            };
            assert!(shown.contains(expected), "{shown}");
        };
        check(
            "CID=1\nparentCID=ffffffff\nRW 8 SPARSE \"a = b.vmdk\"\n",
            "length: 4096, kind: Sparse",
        );
        check(
            "RW 8 FLAT \"a b\" 16\r\n",
            "length: 4096, kind: Flat { file: [97, 32, 98], offset: 8192 }",
        );
        check("RW 8 ZERO", "Zero");
        check("RW 8 SESPARSE \"x\"", "Unsupported: VMDK extents of type SESPARSE");
        check("parentCID=12345678\nRW 8 ZERO", "Unsupported: a VMDK that is a delta");
        check("RW x ZERO", "Damaged: VMDK extent");
        check("# Disk DescriptorFile", "Damaged: a VMDK descriptor without extents");
    }
}
