//! Debian's order: `[epoch:]upstream[-revision]`, deb-version(7).

use std::cmp::Ordering;

/// As `dpkg --compare-versions` decides. Total: what is no valid version is ordered all the same.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, rest_a) = split_epoch(a.trim());
    let (epoch_b, rest_b) = split_epoch(b.trim());
    let (upstream_a, revision_a) = split_revision(rest_a);
    let (upstream_b, revision_b) = split_revision(rest_b);
    compare_numbers(epoch_a.as_bytes(), epoch_b.as_bytes())
        .then_with(|| compare_part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| compare_part(revision_a.as_bytes(), revision_b.as_bytes()))
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Turns of what is no number, by [`weight`], and of numbers, by value.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (first_a, first_b) = (a.first().copied(), b.first().copied());
            let is_letter = |byte: Option<u8>| byte.is_some_and(|b| !b.is_ascii_digit());
            if !is_letter(first_a) && !is_letter(first_b) {
                break;
            }
            match weight(first_a).cmp(&weight(first_b)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (number_a, rest_a) = split_digits(a);
        let (number_b, rest_b) = split_digits(b);
        match compare_numbers(number_a, number_b) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// A tilde before the end, the end (and a digit) before letters, letters before all else.
fn weight(byte: Option<u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None | Some(b'0'..=b'9') => 1,
        Some(letter) if letter.is_ascii_alphabetic() => u16::from(letter),
        Some(other) => u16::from(other).saturating_add(256),
    }
}

/// The leading decimal digits, and what follows.
pub(super) fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Decimal numbers of any length by value; none at all is 0.
pub(super) fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let bare = |digits: &[u8]| {
        let zeros = digits.iter().take_while(|b| **b == b'0').count();
        digits.get(zeros..).unwrap_or_default().to_vec()
    };
    let (a, b) = (bare(a), bare(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::super::testing::both_ways;
    use super::*;

    #[test]
    fn order_of_the_manual() {
        let check = both_ways(compare);
        check("1.0", Ordering::Equal, "1.0-0");
        check("1.0", Ordering::Equal, "0:1.00");
        check("1.0~rc1", Ordering::Less, "1.0");
        check("1.0~~", Ordering::Less, "1.0~");
        check("1.0", Ordering::Less, "1.0a");
        check("1.0a", Ordering::Less, "1.0+");
        check("1:0", Ordering::Greater, "99");
        check("1.9", Ordering::Less, "1.10");
        check("1.6-2.1+deb12u2", Ordering::Less, "1.6-2.1+deb12u3");
        check("1-2-3", Ordering::Less, "1-2-4");
        check("99999999999999999999999998", Ordering::Less, "99999999999999999999999999");
        check("1.0-", Ordering::Equal, "1.0");
    }
}
