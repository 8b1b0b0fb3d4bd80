//! The core metadata of a distribution: `METADATA` of a dist-info, `PKG-INFO` of an egg-info.
//!
//! Headers as in mail, then a description that is not read. Old files fold the description into a
//! header of many lines; only first lines are kept, which is all that the other fields have.
//! <https://packaging.python.org/en/latest/specifications/core-metadata/>

/// The fields before the first empty line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Metadata<'a> {
    /// Reads the headers; a line that is none is left out, as every reader of them does.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let lines =
            bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut fields = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let is_continued = line.first().is_some_and(u8::is_ascii_whitespace);
            if let Some(colon) = line.iter().position(|b| *b == b':').filter(|_| !is_continued) {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                if !value.is_empty() {
                    fields.push((name, value));
                }
            }
        }
        Self { fields }
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// All fields of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_named = move |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|field| field.1)
    }
}

/// The name by which installers compare (PEP 503): lower case, runs of `-`, `_` and `.` one `-`.
#[must_use]
pub fn normalized(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_first_empty_line() {
        let metadata = Metadata::parse(
            b"Metadata-Version: 2.1\r\nName: A\r\nDescription: long\r\n        \r\n        Name: x\r\n\
              Requires-Dist: b>1\r\nrequires-dist: c\r\nodd\r\n\r\nVersion: 9\r\n",
        );
        assert_eq!(metadata.get("name"), Some(b"A".as_slice()));
        assert_eq!(metadata.get("Version"), None);
        let requires: Vec<_> = metadata.all("Requires-Dist").collect();
        assert_eq!(requires, [b"b>1".as_slice(), b"c"]);
        assert_eq!(Metadata::parse(b""), Metadata::default());
    }

    #[test]
    fn names_as_installers_compare_them() {
        let check = |name: &str, expected: &str| assert_eq!(normalized(name), expected);
        check("PyYAML", "pyyaml");
        check("zope.interface", "zope-interface");
        check("a-_.B", "a-b");
        check("ruamel_yaml", "ruamel-yaml");
    }
}
