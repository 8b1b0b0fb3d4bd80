//! The menu of extlinux and syslinux, which Alpine and many boards start with.
//!
//! A keyword and its value a line, in any case; after `LABEL` everything belongs to that entry.
//! SYSLINUX wiki, "Config"; U-Boot's `doc/README.pxe`.

use super::Entry;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Menu {
    /// By label.
    pub(super) entries: Vec<(String, Entry)>,
    /// The label that is started if nobody chooses.
    pub(super) default: String,
}

/// Reads it. `APPEND` before the first label holds for all that have none of their own.
pub(super) fn menu(text: &str) -> Menu {
    let mut menu = Menu::default();
    let mut common = String::new();
    for line in text.lines().map(str::trim) {
        let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        let entry = menu.entries.last_mut().map(|(_, entry)| entry);
        match (word.to_ascii_uppercase().as_str(), entry) {
            ("DEFAULT" | "ONTIMEOUT", _) => value.clone_into(&mut menu.default),
            ("LABEL", _) => {
                let entry = Entry { options: common.clone(), ..Entry::default() };
                menu.entries.push((value.to_owned(), entry));
            }
            ("LINUX" | "KERNEL", Some(entry)) => value.clone_into(&mut entry.kernel),
            ("INITRD", Some(entry)) => value.clone_into(&mut entry.initrd),
            ("APPEND", Some(entry)) => value.clone_into(&mut entry.options),
            ("APPEND", None) => value.clone_into(&mut common),
            _ => {}
        }
    }
    menu
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_what_they_start() {
        let check = |text: &str, expected: &str| {
            let menu = menu(text);
            let rows = menu.entries.iter().map(|(label, entry)| {
                format!("{label}: {} [{}] {}", entry.kernel, entry.options, entry.initrd)
            });
            let rows = rows.collect::<Vec<_>>().join("; ");
            assert_eq!(format!("{} <- {rows}", menu.default), expected);
        };
        check(
            "DEFAULT lts\nPROMPT 0\nMENU TITLE Alpine\nLABEL lts\n  MENU LABEL Linux lts\n  \
             LINUX /boot/vmlinuz-lts\n  INITRD /boot/initramfs-lts\n  APPEND root=UUID=1 quiet\n",
            "lts <- lts: /boot/vmlinuz-lts [root=UUID=1 quiet] /boot/initramfs-lts",
        );
        check("append ro\nlabel a\nkernel /k\n", " <- a: /k [ro] ");
        check("", " <- ");
    }
}
