//! How counts are written in sentences, so that notes and reports write them alike.

/// Digits in groups of three: `15,820`.
#[must_use]
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// [`number`] of a length in memory.
#[must_use]
pub fn length(count: usize) -> String {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// A count with its noun: `1 change`, `288 changes`, `2 entries`.
#[must_use]
pub fn count(count: usize, noun: &str) -> String {
    let written = length(count);
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("{written} {noun}"),
        (_, Some(stem)) => format!("{written} {stem}ies"),
        _ => format!("{written} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouped_with_their_noun() {
        let check = |written: String, expected: &str| assert_eq!(written, expected);
        check(number(7), "7");
        check(number(15_820), "15,820");
        check(number(1_000_000), "1,000,000");
        check(count(1, "change"), "1 change");
        check(count(16_068, "entry"), "16,068 entries");
    }
}
