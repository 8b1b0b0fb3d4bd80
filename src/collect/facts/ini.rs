//! Sections of `key = value` lines, as yum, zypper, dnf and pacman write them.

/// One section; what stands before the first has an empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Between the brackets.
    pub name: String,
    /// In the order of the file; a key may stand more than once, and one without a value has an
    /// empty one.
    pub values: Vec<(String, String)>,
}

impl Section {
    /// The last value of a key, as readers of these files take it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().rev().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// All values of a key, a blank between them.
    #[must_use]
    pub fn all(&self, key: &str) -> String {
        let values = self.values.iter().filter(|(own, _)| own == key);
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Splits a file. Comments start a line with `#` or `;`; a line that starts with a blank goes on with
/// the value before it.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Section> {
    let text = String::from_utf8_lossy(bytes);
    let mut sections = vec![Section::default()];
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name: name.trim().to_owned(), values: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        let last = section.values.last_mut();
        if let Some((_, value)) = last.filter(|_| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(trimmed);
            continue;
        }
        let (key, value) = trimmed.split_once('=').unwrap_or((trimmed, ""));
        section.values.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    sections.retain(|section| !section.name.is_empty() || !section.values.is_empty());
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_values() {
        let sections =
            parse(b"# c\n[a]\nx = 1\nurl=http://a\n   http://b\nx=2\n; c\n[ b ]\nflag\n");
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0].get("x"), Some("2"));
        assert_eq!(sections[0].all("x"), "1 2");
        assert_eq!(sections[0].get("url"), Some("http://a http://b"));
        assert_eq!((sections[1].name.as_str(), sections[1].get("flag")), ("b", Some("")));
        assert!(parse(b"").is_empty());
    }
}
