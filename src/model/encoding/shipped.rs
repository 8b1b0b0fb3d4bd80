//! Directories of shipped files.

use super::{Reader, Writer};
use crate::model::{
    Expectation, Fault, FileKind, Name, PackageKey, ShippedDigest, ShippedEntry, ShippedId,
    ShippedSource, ShippedTree,
};

const SHIPPED: u8 = b'S';

const SOURCES: [ShippedSource; 3] =
    [ShippedSource::File, ShippedSource::Configuration, ShippedSource::Ghost];

/// Stands beside the number of the source.
const MAY_BE_MISSING: u64 = 1 << 6;

const KINDS: [FileKind; 7] = [
    FileKind::File,
    FileKind::Directory,
    FileKind::Symlink,
    FileKind::Fifo,
    FileKind::Socket,
    FileKind::CharacterDevice,
    FileKind::BlockDevice,
];

/// Encodes a directory of shipped files, sorted by name, with its id. Package keys stand once in
/// front and are referred to by number.
#[must_use]
pub fn encode_shipped(tree: &ShippedTree) -> (ShippedId, Vec<u8>) {
    let mut keys: Vec<&PackageKey> =
        tree.entries.iter().flat_map(|entry| entry.claims.iter().map(|(key, _)| key)).collect();
    keys.sort();
    keys.dedup();
    let mut out = Writer::with_tag(SHIPPED);
    out.list(&keys, |out, key| write_key(out, key));
    for entry in &tree.entries {
        out.bytes(entry.name.as_bytes());
        out.list(&entry.claims, |out, (key, expectation)| {
            let index = keys.binary_search(&key).unwrap_or_default();
            out.number(index as u64);
            write_expectation(out, expectation);
        });
        out.option(entry.below.as_ref(), |out, id| out.fixed(id.as_bytes()));
    }
    (ShippedId::of(&out.0), out.0)
}

/// Reads what [`encode_shipped`] wrote.
pub fn decode_shipped(bytes: &[u8]) -> Result<ShippedTree, Fault> {
    let mut reader = Reader::with_tag(bytes, SHIPPED)?;
    let keys = reader.list(read_key)?;
    let mut entries: Vec<ShippedEntry> = Vec::new();
    while !reader.is_at_end() {
        let name = Name::new(reader.bytes()?)
            .ok_or_else(|| Fault::damaged("a name that no directory can hold"))?;
        if entries.last().is_some_and(|last| last.name >= name) {
            return Err(Fault::damaged("entries of a directory out of order"));
        }
        let claims = reader.list(|reader| {
            let index: usize = reader.small()?;
            let key =
                keys.get(index).ok_or_else(|| Fault::damaged(format!("package number {index}")))?;
            Ok((key.clone(), read_expectation(reader)?))
        })?;
        let below = reader.option(|reader| Ok(ShippedId(reader.array()?)))?;
        entries.push(ShippedEntry { name, claims, below });
    }
    Ok(ShippedTree { entries })
}

pub(super) fn write_key(out: &mut Writer, key: &PackageKey) {
    out.bytes(key.manager.as_bytes());
    out.bytes(key.name.as_bytes());
    out.option(key.architecture.as_ref(), |out, text| out.bytes(text.as_bytes()));
    out.option(key.instance.as_ref(), |out, text| out.bytes(text.as_bytes()));
}

pub(super) fn read_key(reader: &mut Reader<'_>) -> Result<PackageKey, Fault> {
    Ok(PackageKey {
        manager: reader.text()?,
        name: reader.text()?,
        architecture: reader.option(Reader::text)?,
        instance: reader.option(Reader::text)?,
    })
}

fn position<T: PartialEq>(all: &[T], value: &T) -> u64 {
    all.iter().position(|one| one == value).unwrap_or_default() as u64
}

fn pick<T: Copy>(all: &[T], reader: &mut Reader<'_>) -> Result<T, Fault> {
    choose(all, reader.number()?)
}

fn choose<T: Copy>(all: &[T], index: u64) -> Result<T, Fault> {
    let found = usize::try_from(index).ok().and_then(|index| all.get(index));
    found.copied().ok_or_else(|| Fault::damaged(format!("choice {index} of {}", all.len())))
}

fn write_expectation(out: &mut Writer, expectation: &Expectation) {
    let optional = if expectation.may_be_missing { MAY_BE_MISSING } else { 0 };
    out.number(position(&SOURCES, &expectation.source) | optional);
    out.option(expectation.kind, |out, kind| out.number(position(&KINDS, &kind)));
    out.option(expectation.digest.as_ref(), write_digest);
    out.option(expectation.size, Writer::number);
    out.option(expectation.mode, |out, mode| out.number(mode.into()));
    out.option(expectation.user.as_ref(), |out, text| out.bytes(text.as_bytes()));
    out.option(expectation.group.as_ref(), |out, text| out.bytes(text.as_bytes()));
    out.option(expectation.target.as_ref(), |out, target| out.bytes(target));
    out.option(expectation.capabilities.as_ref(), |out, text| out.bytes(text.as_bytes()));
}

fn read_expectation(reader: &mut Reader<'_>) -> Result<Expectation, Fault> {
    let source = reader.number()?;
    Ok(Expectation {
        source: choose(&SOURCES, source & !MAY_BE_MISSING)?,
        may_be_missing: source & MAY_BE_MISSING != 0,
        kind: reader.option(|reader| pick(&KINDS, reader))?,
        digest: reader.option(read_digest)?,
        size: reader.option(Reader::number)?,
        mode: reader.option(Reader::small)?,
        user: reader.option(Reader::text)?,
        group: reader.option(Reader::text)?,
        target: reader.option(|reader| Ok(reader.bytes()?.to_vec()))?,
        capabilities: reader.option(Reader::text)?,
    })
}

fn write_digest(out: &mut Writer, digest: &ShippedDigest) {
    match digest {
        ShippedDigest::Md5(bytes) => out.bytes(bytes),
        ShippedDigest::Sha1(bytes) => out.bytes(bytes),
        ShippedDigest::Sha256(bytes) => out.bytes(bytes),
        ShippedDigest::Sha512(bytes) => out.bytes(bytes),
    }
}

fn read_digest(reader: &mut Reader<'_>) -> Result<ShippedDigest, Fault> {
    let bytes = reader.bytes()?;
    ShippedDigest::from_slice(bytes)
        .ok_or_else(|| Fault::damaged(format!("a shipped digest of {} bytes", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ShippedTree {
        let key = |name: &str| PackageKey {
            manager: "dpkg".into(),
            name: name.into(),
            architecture: Some("amd64".into()),
            instance: None,
        };
        let full = Expectation {
            source: ShippedSource::Configuration,
            may_be_missing: false,
            kind: Some(FileKind::Symlink),
            digest: Some(ShippedDigest::Sha512([7; 64])),
            size: Some(1 << 33),
            mode: Some(0o4755),
            user: Some("root".into()),
            group: Some("0".into()),
            target: Some(b"x\xff".to_vec()),
            capabilities: Some("cap_net_raw=ep".into()),
        };
        let entry = |name: &[u8], claims, below| ShippedEntry {
            name: Name::new(name).unwrap(),
            claims,
            below,
        };
        let owned = Expectation::owned(ShippedSource::File);
        ShippedTree {
            entries: vec![
                entry(b"etc", vec![], Some(ShippedId([9; 32]))),
                entry(b"usr", vec![(key("b"), owned.clone()), (key("a"), full)], None),
                entry(b"var", vec![(key("a"), owned)], None),
            ],
        }
    }

    #[test]
    fn comes_back_and_its_id_is_pinned() {
        let (id, bytes) = encode_shipped(&sample());
        assert_eq!(decode_shipped(&bytes).unwrap(), sample());
        assert_eq!(
            id.to_string(),
            "7fd9d7fb3dbe123aff36ac84022541743a8208330bfc3a516e6ce2d421c1f7ed"
        );
        let mut optional = sample();
        for (_, expectation) in optional.entries.iter_mut().flat_map(|entry| &mut entry.claims) {
            expectation.may_be_missing = true;
        }
        assert_eq!(decode_shipped(&encode_shipped(&optional).1).unwrap(), optional);
    }
}
