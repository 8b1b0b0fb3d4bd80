//! MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>) as Salt's caches hold it:
//! maps, lists, texts and numbers. Bounded in depth and in the number of values.

use crate::model::Fault;

/// Maps in maps of a job's return are four deep; hostile ones endless.
const MAX_DEPTH: usize = 32;

/// Values of one document: a highstate of thousands of states has some ten thousands.
const MAX_VALUES: usize = 1_000_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// Any integer that fits.
    Integer(i64),
    /// `float 32`, `float 64`.
    Float(f64),
    /// `str` and `bin`; what is no UTF-8 has replacement characters.
    Text(String),
    /// `array`.
    List(Vec<Self>),
    /// `map`, in its order.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// The value of a key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// A text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Self, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// Reads one document.
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let mut reader = Reader { bytes, at: 0, left: MAX_VALUES };
    reader.value(0)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count);
        let part = end.and_then(|end| self.bytes.get(self.at..end));
        let part = part.ok_or_else(|| Fault::damaged("msgpack ends early"))?;
        self.at = self.at.saturating_add(count);
        Ok(part)
    }

    /// A big-endian number of that many bytes.
    fn number(&mut self, count: usize) -> Result<u64, Fault> {
        Ok(self.take(count)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn length(&mut self, count: usize) -> Result<usize, Fault> {
        usize::try_from(self.number(count)?).map_err(Fault::damaged)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::limit("msgpack nested deeper than is read"));
        }
        self.left =
            self.left.checked_sub(1).ok_or_else(|| Fault::limit("msgpack of more values"))?;
        let head = self.take(1)?.first().copied().unwrap_or_default();
        let low = usize::from(head & 0x0f);
        match head {
            0x00..=0x7f => Ok(Value::Integer(i64::from(head))),
            0xe0..=0xff => Ok(Value::Integer(i64::from(i8::from_be_bytes([head])))),
            0x80..=0x8f => self.map(low, depth),
            0x90..=0x9f => self.list(low, depth),
            0xa0..=0xbf => self.text(usize::from(head & 0x1f)),
            0xc0 => Ok(Value::Nil),
            0xc2 | 0xc3 => Ok(Value::Bool(head == 0xc3)),
            0xc4 | 0xd9 => self.length(1).and_then(|length| self.text(length)),
            0xc5 | 0xda => self.length(2).and_then(|length| self.text(length)),
            0xc6 | 0xdb => self.length(4).and_then(|length| self.text(length)),
            0xca => {
                let bits = u32::try_from(self.number(4)?).unwrap_or_default();
                Ok(Value::Float(f64::from(f32::from_bits(bits))))
            }
            0xcb => Ok(Value::Float(f64::from_bits(self.number(8)?))),
            0xcc => self.number(1).map(unsigned),
            0xcd => self.number(2).map(unsigned),
            0xce => self.number(4).map(unsigned),
            0xcf => self.number(8).map(unsigned),
            0xd0 => Ok(Value::Integer(signed(self.take(1)?))),
            0xd1 => Ok(Value::Integer(signed(self.take(2)?))),
            0xd2 => Ok(Value::Integer(signed(self.take(4)?))),
            0xd3 => Ok(Value::Integer(signed(self.take(8)?))),
            0xdc => self.length(2).and_then(|length| self.list(length, depth)),
            0xdd => self.length(4).and_then(|length| self.list(length, depth)),
            0xde => self.length(2).and_then(|length| self.map(length, depth)),
            0xdf => self.length(4).and_then(|length| self.map(length, depth)),
            // Extensions: a type byte and data, which Salt uses for dates.
            0xc7 => self.length(1).and_then(|length| self.extension(length)),
            0xc8 => self.length(2).and_then(|length| self.extension(length)),
            0xc9 => self.length(4).and_then(|length| self.extension(length)),
            0xd4..=0xd8 => self.extension(1 << (head - 0xd4)),
            0xc1 => Err(Fault::damaged("msgpack: a byte that is never used")),
        }
    }

    fn text(&mut self, length: usize) -> Result<Value, Fault> {
        Ok(Value::Text(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    fn extension(&mut self, length: usize) -> Result<Value, Fault> {
        self.take(1)?;
        self.text(length)
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let values = (0..length).map(|_| self.value(depth.saturating_add(1)));
        values.collect::<Result<_, _>>().map(Value::List)
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let depth = depth.saturating_add(1);
        let entries = (0..length).map(|_| Ok((self.value(depth)?, self.value(depth)?)));
        entries.collect::<Result<_, Fault>>().map(Value::Map)
    }
}

fn unsigned(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn signed(bytes: &[u8]) -> i64 {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start: i64 = if is_negative { -1 } else { 0 };
    bytes.iter().fold(start, |sum, byte| sum << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_family() {
        let check = |bytes: &[u8], expected: &str| {
            let found = parse(bytes).map(|value| format!("{value:?}")).unwrap_or("fault".into());
            assert_eq!(found, expected, "{bytes:x?}");
        };
        check(b"\x05", "Integer(5)");
        check(b"\xff", "Integer(-1)");
        check(b"\xd1\xff\x00", "Integer(-256)");
        check(b"\xcd\x01\x00", "Integer(256)");
        check(b"\xa2hi", "Text(\"hi\")");
        check(b"\xc4\x01x", "Text(\"x\")");
        check(b"\x92\xc3\xc0", "List([Bool(true), Nil])");
        check(b"\x81\xa1a\x01", "Map([(Text(\"a\"), Integer(1))])");
        check(b"\xcb\x3f\xf8\0\0\0\0\0\0", "Float(1.5)");
        check(b"\xd6\x05abcd", "Text(\"abcd\")");
        check(b"\xdd\xff\xff\xff\xff", "fault");
        check(b"\xa5hi", "fault");
        check(&[0x91; 100], "fault");
        assert_eq!(parse(b"\x81\xa1a\xa1b").unwrap().get("a").unwrap().text(), Some("b"));
    }
}
