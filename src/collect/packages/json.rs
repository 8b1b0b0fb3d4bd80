//! What collectors ask of JSON that an installer wrote: words, and lists of what is needed.

use super::text;
use serde_json::{Map, Value};

/// The text of a member; `None` where it is absent, empty or no text.
#[must_use]
pub fn word(object: &Map<String, Value>, name: &str) -> Option<String> {
    as_word(object.get(name)?)
}

/// Likewise of a value.
#[must_use]
pub fn as_word(value: &Value) -> Option<String> {
    value.as_str().filter(|word| !word.is_empty()).map(|word| text(word.as_bytes()))
}

/// A text, or the texts of a list with commas between them.
#[must_use]
pub fn words(value: &Value) -> Option<String> {
    match value {
        Value::Array(values) => {
            let words: Vec<String> = values.iter().filter_map(as_word).collect();
            (!words.is_empty()).then(|| words.join(", "))
        }
        value => as_word(value),
    }
}

/// An object of names and the versions that will do, as `NAME VERSIONS, …`, sorted by name.
#[must_use]
pub fn needs(value: &Value) -> Option<String> {
    let one = |(name, versions): (&String, &Value)| {
        text(format!("{name} {}", versions.as_str().unwrap_or("*")).as_bytes())
    };
    let mut all: Vec<String> = value.as_object()?.iter().map(one).collect();
    all.sort_unstable();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_json() {
        let check = |json: &str, expected: (Option<&str>, Option<&str>)| {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!((words(&value).as_deref(), needs(&value).as_deref()), expected, "{json}");
        };
        check(r#""MIT""#, (Some("MIT"), None));
        check(r#"["MIT", 7, "ISC"]"#, (Some("MIT, ISC"), None));
        check(r#"{"b": "^1", "a": null}"#, (None, Some("a *, b ^1")));
        check("[]", (None, None));
        check("{}", (None, None));
        check("7", (None, None));
    }
}
