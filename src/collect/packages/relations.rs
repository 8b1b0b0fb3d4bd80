//! Names in lists of relations (`depends`, `provides`, `replaces`), as each manager writes them.

use super::python::metadata::normalized;

/// The names in a list, each with its alternatives in order, versions left out.
pub fn choices(manager: &str, list: &str) -> impl Iterator<Item = Vec<String>> {
    let by_space = matches!(manager, "apk" | "portage");
    let is_python = manager == "pypi";
    let has_architectures = matches!(manager, "dpkg" | "opkg" | "rpm");
    let parts = list.split(move |c: char| if by_space { c == ' ' } else { c == ',' });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    // What is needed only for an extra may well not be there, and nobody recorded who asked.
    let parts = parts.filter(move |part| !(is_python && part.contains("extra ==")));
    let choices = parts.map(move |part| {
        let name = |choice: &str| {
            let ends = |c: char| " (<>=~!;[".contains(c);
            let bare = choice.trim().split(ends).next().unwrap_or_default();
            match bare.split_once(':') {
                _ if is_python => normalized(bare),
                // `python3:any`; of apk `so:libc.so` is a name, of Maven `org.slf4j:slf4j-api`.
                Some((name, _)) if has_architectures => name.to_owned(),
                _ => bare.to_owned(),
            }
        };
        part.split('|').map(name).filter(|name| !name.is_empty()).collect()
    });
    // `(~> 2.0, >= 2.2)` of a gem leaves a part that is no name.
    choices.filter(|choices: &Vec<String>| !choices.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_names() {
        let check = |manager: &str, list: &str, expected: &[&[&str]]| {
            let seen: Vec<Vec<String>> = choices(manager, list).collect();
            assert_eq!(seen, expected, "{list}");
        };
        check("dpkg", "a (>= 1), b | c [x], d:any", &[&["a"], &["b", "c"], &["d"]]);
        check("pypi", "Foo_Bar>1, baz[x] (<2), q; extra == 'y'", &[&["foo-bar"], &["baz"]]);
        check("npm", "@s/c ^1, d *", &[&["@s/c"], &["d"]]);
        check("apk", "so:libc.so.1 busybox>=1", &[&["so:libc.so.1"], &["busybox"]]);
        check("gem", "rack (~> 2.0, >= 2.2), rake", &[&["rack"], &["rake"]]);
        check("maven", "g:a 1", &[&["g:a"]]);
        check("dpkg", "", &[]);
    }
}
