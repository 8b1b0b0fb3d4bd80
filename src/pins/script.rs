//! Carrier: shell scripts, by extension or shebang; PowerShell scripts.

use super::audit::Audit;
use super::carrier::Carrier;
use super::environment::Environment;
use super::repository::{SourceFile, extension, file_name};
use super::shell::{self, Context, Dialect};

/// Shell scripts.
pub const SHELL: Carrier = Carrier {
    name: "shell",
    summary: "shell scripts: *.sh and its kin, or a shebang that names a shell",
    recognises: is_shell,
    read: read_shell,
};

/// PowerShell scripts.
pub const POWERSHELL: Carrier = Carrier {
    name: "powershell",
    summary: "PowerShell scripts: *.ps1, *.psm1",
    recognises: |path, _| {
        extension(untemplated(path))
            .is_some_and(|e| ["ps1", "psm1"].contains(&e.to_ascii_lowercase().as_str()))
    },
    read: |file, audit| {
        let context = Context { dialect: Dialect::PowerShell };
        shell::audit(&file.fragment(), &mut Environment::default(), audit, context);
    },
};

const EXTENSIONS: &[&str] = &["sh", "bash", "ksh", "zsh", "ash", "dash", "bats", "mksh"];

/// Endings of templates.
const TEMPLATES: &[&str] = &["tpl", "tftpl", "tmpl", "template", "j2", "erb", "epp", "in"];

/// Interpreters of a shebang that the shell engine reads.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"];

fn is_shell(path: &str, head: &[u8]) -> bool {
    if extension(untemplated(path)).is_some_and(|own| EXTENSIONS.contains(&own)) {
        return true;
    }
    let named =
        [".bashrc", ".profile", ".bash_profile", ".zshrc", ".envrc", "APKBUILD", "PKGBUILD"];
    named.contains(&file_name(path)) || is_shell_script(head)
}

/// A path without the ending that says that it is filled in before it is used (`user_data.sh.tpl`).
pub(super) fn untemplated(path: &str) -> &str {
    let ending = extension(path).filter(|own| TEMPLATES.contains(own));
    let bare = ending.and_then(|own| path.strip_suffix(own)).and_then(|own| own.strip_suffix('.'));
    bare.unwrap_or(path)
}

/// Whether a text begins with a shebang whose interpreter is a shell.
pub(super) fn is_shell_script(head: &[u8]) -> bool {
    shebang(head).is_some_and(|name| SHELLS.contains(&name))
}

/// The name of the interpreter in `#!/usr/bin/env -S bash -e`.
fn shebang(head: &[u8]) -> Option<&str> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let program = file_name(words.next()?);
    if program == "env" {
        words.find(|word| !word.starts_with('-')).map(file_name)
    } else {
        Some(program)
    }
}

fn read_shell(file: &SourceFile, audit: &mut Audit<'_>) {
    shell::audit(&file.fragment(), &mut Environment::default(), audit, Context::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_recognised() {
        let check = |path: &str, head: &str, expected: bool| {
            assert_eq!(is_shell(path, head.as_bytes()), expected, "{path} {head}");
        };
        check("a/install.sh", "", true);
        check("a/user_data.sh.tpl", "", true);
        check("a/setup.sh.j2", "", true);
        check("a/setup.tpl", "", false);
        check("bin/setup", "#!/bin/bash\n", true);
        check("bin/setup", "#!/usr/bin/env -S bash -e\n", true);
        check("bin/setup", "#! /bin/sh -e\n", true);
        check("bin/setup", "#!/usr/bin/python3\n", false);
        check("README.md", "apt-get install", false);
    }
}
