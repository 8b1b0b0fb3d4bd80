//! The text in which LVM2 keeps its metadata: sections, strings, numbers, lists.

use crate::model::Fault;

/// Real metadata is nested four deep.
const MAX_DEPTH: usize = 16;

/// A value of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Section(Vec<(String, Self)>),
    Text(String),
    Number(u64),
    List(Vec<Self>),
    /// A number that is none of ours: negative or with a fraction.
    Other,
}

impl Value {
    /// The named member of a section.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All members of a section; none of anything else.
    pub(super) fn members(&self) -> &[(String, Self)] {
        if let Self::Section(members) = self { members } else { &[] }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Some(Self::Text(text)) = self.get(name) { Some(text) } else { None }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        if let Some(Self::Number(number)) = self.get(name) { Some(*number) } else { None }
    }

    pub(super) fn list(&self, name: &str) -> &[Self] {
        if let Some(Self::List(list)) = self.get(name) { list } else { &[] }
    }
}

/// Reads a whole text as one section.
pub(super) fn parse(text: &[u8]) -> Result<Value, Fault> {
    let mut parser = Parser { text, at: 0 };
    parser.section(0)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn damaged(&self, what: &str) -> Fault {
        Fault::damaged(format!("LVM metadata: {what} at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied().filter(|byte| *byte != 0)
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let mut taken = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| fits(*byte)) {
            taken.push(byte);
            self.step();
        }
        String::from_utf8_lossy(&taken).into_owned()
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                self.take_while(|byte| byte != b'\n');
            } else if byte.is_ascii_whitespace() {
                self.step();
            } else {
                return;
            }
        }
    }

    fn section(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(self.damaged("sections nested too deep"));
        }
        let mut members = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                None if depth == 0 => return Ok(Value::Section(members)),
                Some(b'}') if depth > 0 => {
                    self.step();
                    return Ok(Value::Section(members));
                }
                None | Some(b'}') => return Err(self.damaged("an unexpected end")),
                Some(_) => {}
            }
            let name = self.take_while(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+' | b'/')
            });
            if name.is_empty() {
                return Err(self.damaged("no name"));
            }
            self.skip_space();
            let value = if self.eat(b'{') {
                self.section(depth.saturating_add(1))?
            } else if self.eat(b'=') {
                self.value()?
            } else {
                return Err(self.damaged("neither a section nor a value"));
            };
            members.push((name, value));
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        self.skip_space();
        if !self.eat(b'[') {
            return self.scalar();
        }
        let mut list = Vec::new();
        loop {
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List(list));
            }
            list.push(self.scalar()?);
            self.skip_space();
            if !self.eat(b',') && self.peek() != Some(b']') {
                return Err(self.damaged("a list that does not end"));
            }
        }
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        if self.eat(b'"') {
            let mut text = Vec::new();
            loop {
                let byte = self.peek().ok_or_else(|| self.damaged("a string that does not end"))?;
                self.step();
                match byte {
                    b'"' => return Ok(Value::Text(String::from_utf8_lossy(&text).into_owned())),
                    b'\\' => {
                        text.extend(self.peek());
                        self.step();
                    }
                    other => text.push(other),
                }
            }
        }
        let number = self
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
        if number.is_empty() {
            return Err(self.damaged("no value"));
        }
        Ok(number.parse().map_or(Value::Other, Value::Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read() {
        let text = b"# made by lvm\nvg { id = \"a\\\"b\" seqno = 3\n list = [\"pv0\", 0, ] # end\n x { y=-1 } }\n\0junk";
        let config = parse(text).unwrap();
        let group = config.get("vg").unwrap();
        assert_eq!(group.text("id"), Some("a\"b"));
        assert_eq!(group.number("seqno"), Some(3));
        assert_eq!(group.list("list"), [Value::Text("pv0".into()), Value::Number(0)]);
        assert_eq!(group.get("x").unwrap().get("y"), Some(&Value::Other));
    }

    #[test]
    fn damage_ends() {
        let check = |text: &[u8]| assert!(parse(text).is_err(), "{}", text.escape_ascii());
        check(b"a {");
        check(b"a = [1");
        check(b"a = \"");
        check(b"}");
        check(b"a = [1 2]");
        check("a {".repeat(100_000).as_bytes());
    }
}
