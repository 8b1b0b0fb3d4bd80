//! Stanzas of `Name: value` fields, as dpkg, apt and opkg write them (deb-control(5), deb822(5)).
//!
//! Bytes in, slices of them out: nothing is copied and nothing has to be UTF-8. A damaged line is
//! reported with its number and costs that line only. Not for documents with OpenPGP armour.

/// How many damaged lines are told one by one; a file that is no control file at all has one a
/// line, and one sentence says that as well.
const MAX_DAMAGES: usize = 50;

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As written; names are compared without regard to case.
    pub name: &'a [u8],
    /// Without surrounding white space; further lines follow with their line breaks.
    pub value: &'a [u8],
}

/// One paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// Its first line, counted from 1.
    pub line: usize,
    /// In the order of the file.
    pub fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// The value of the first field of that name; `None` where there is none or it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let field = self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(field.value).filter(|value| !value.is_empty())
    }
}

/// What could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Counted from 1.
    pub line: usize,
    /// In one sentence.
    pub reason: String,
}

/// Splits a file into its stanzas.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Vec<Stanza<'_>>, Vec<Damage>) {
    let mut stanzas = Vec::new();
    let mut damages = Vec::new();
    let mut left_out = 0_usize;
    let mut stanza = Stanza::default();
    let mut start = 0_usize;
    let mut number = 0_usize;
    let mut damage = |line, reason: &str| {
        if damages.len() < MAX_DAMAGES {
            damages.push(Damage { line, reason: reason.to_owned() });
        } else {
            left_out = left_out.saturating_add(1);
        }
    };
    // Where the value of the last field starts, so that further lines can be added to it.
    let mut value_start = None;
    for line in bytes.split(|b| *b == b'\n') {
        number = number.saturating_add(1);
        let end = start.saturating_add(line.len());
        let next = end.saturating_add(1);
        let trimmed = line.trim_ascii();
        match line.first() {
            _ if trimmed.is_empty() => {
                if !stanza.fields.is_empty() {
                    stanzas.push(std::mem::take(&mut stanza));
                }
                value_start = None;
            }
            Some(b'#') => {}
            Some(b' ' | b'\t') => match (value_start, stanza.fields.last_mut()) {
                (Some(from), Some(field)) => {
                    field.value = bytes.get(from..end).unwrap_or_default().trim_ascii();
                }
                _ => damage(number, "a continuation line without a field"),
            },
            _ => match line.iter().position(|b| *b == b':') {
                Some(colon) if is_field_name(line.get(..colon).unwrap_or_default()) => {
                    if stanza.fields.is_empty() {
                        stanza.line = number;
                    }
                    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
                    let after = colon.saturating_add(1);
                    let value = line.get(after..).unwrap_or_default().trim_ascii();
                    value_start = Some(start.saturating_add(after));
                    stanza.fields.push(Field { name, value });
                }
                _ => {
                    value_start = None;
                    damage(number, "a line that is no field");
                }
            },
        }
        start = next;
    }
    if !stanza.fields.is_empty() {
        stanzas.push(stanza);
    }
    if left_out > 0 {
        let reason = format!("{left_out} more lines like those before");
        damages.push(Damage { line: number, reason });
    }
    (stanzas, damages)
}

fn is_field_name(name: &[u8]) -> bool {
    let name = name.trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[(usize, &[(&str, &str)])], damaged: &[usize]) {
        let (stanzas, damages) = parse(input.as_bytes());
        let seen: Vec<_> = stanzas
            .iter()
            .map(|stanza| {
                let pair = |f: &Field<'_>| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    (text(f.name), text(f.value))
                };
                (stanza.line, stanza.fields.iter().map(pair).collect::<Vec<_>>())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, fields)| {
                let pair = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
                (*line, fields.iter().map(pair).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(damages.iter().map(|d| d.line).collect::<Vec<_>>(), damaged);
    }

    #[test]
    fn stanzas_and_folded_values() {
        check(
            "\n\nA: 1\nB:\n x\n .\n y  \n# note\n\n  \nC : 2",
            &[(3, &[("A", "1"), ("B", "x\n .\n y")]), (11, &[("C", "2")])],
            &[],
        );
        check("", &[], &[]);
    }

    #[test]
    fn damage_costs_its_line_only() {
        check(
            " lost\nA: 1\nnonsense\n more\nB: 2\n\n: x\nC: 3\n",
            &[(2, &[("A", "1"), ("B", "2")]), (8, &[("C", "3")])],
            &[1, 3, 4, 7],
        );
    }

    #[test]
    fn names_are_found_in_any_case() {
        let (stanzas, _) = parse(b"Multi-Arch: same\nEmpty:\n");
        assert_eq!(stanzas[0].get("multi-arch"), Some(b"same".as_slice()));
        assert_eq!(stanzas[0].get("empty"), None);
    }

    #[test]
    fn noise_is_told_briefly() {
        let noise = "x\n".repeat(10_000);
        let (stanzas, damages) = parse(noise.as_bytes());
        assert!(stanzas.is_empty());
        assert_eq!(damages.len(), MAX_DAMAGES + 1);
    }
}
