//! GRUB's menu: `grub.cfg` as grub-mkconfig writes it, and the environment block beside it.
//!
//! The file is a script. Read are its menu entries, with the submenus that they stand in, and which
//! of them it makes the default; conditions are not evaluated. GNU GRUB Manual, "Shell-like
//! scripting" and "The list of menu entry commands".

use super::Entry;
use crate::collect::facts::lines::single_spaced;

/// Submenus within submenus; grub-mkconfig writes one. Entries deeper down are listed and never
/// found as the default, so that a hostile file costs what it is long.
const MAX_DEPTH: usize = 8;

/// Blocks within blocks, functions and conditions among them; more is no menu.
const MAX_OPEN: usize = 64;

/// Which entry is started if nobody chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// This one, by number, title or id.
    Fixed(String),
    /// The one that the environment block names.
    Saved,
}

/// How an entry or the submenu around it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    /// Counted from 0 within its own menu.
    number: usize,
    title: String,
    id: String,
}

/// An entry that starts a Linux kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// From the outermost submenu to the entry itself; never empty.
    labels: Vec<Label>,
    pub(super) entry: Entry,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Menu {
    pub(super) entries: Vec<Placed>,
    pub(super) default: Default,
    /// Whether entries of the Boot Loader Specification are part of it.
    pub(super) is_specified: bool,
}

impl Placed {
    /// As the menu shows it.
    pub(super) fn title(&self) -> &str {
        self.labels.last().map_or("", |label| &label.title)
    }
}

impl Menu {
    /// The entry that `1>2`, a title or an id stands for.
    pub(super) fn find(&self, wanted: &str) -> Option<&Placed> {
        let is_meant = |label: &Label, word: &str| {
            word == label.title
                || (!label.id.is_empty() && word == label.id)
                || word.parse() == Ok(label.number)
        };
        self.entries.iter().find(|one| {
            // A title may have a `>` in it.
            let whole = one.labels.len() == 1 && one.labels.iter().all(|l| is_meant(l, wanted));
            let mut words = wanted.split('>');
            let mut labels = one.labels.iter();
            whole
                || (labels.by_ref().all(|l| words.next().is_some_and(|word| is_meant(l, word)))
                    && words.next().is_none())
        })
    }
}

/// A block that is open at a line.
enum Block {
    /// With how many entries and submenus it has so far.
    Submenu(Label, usize),
    Entry(Placed),
    /// Of a function.
    Other,
}

/// Reads the script.
pub(super) fn menu(text: &str) -> Menu {
    let mut menu =
        Menu { entries: Vec::new(), default: Default::Fixed("0".to_owned()), is_specified: false };
    let mut open: Vec<Block> = Vec::new();
    let mut count = 0_usize;
    for line in text.lines().map(single_spaced) {
        if open.len() > MAX_OPEN {
            break;
        }
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (command, open.last_mut()) {
            ("menuentry" | "submenu", _) => {
                let siblings = open.iter_mut().rev().find_map(|block| match block {
                    Block::Submenu(_, count) => Some(count),
                    _ => None,
                });
                let siblings = siblings.unwrap_or(&mut count);
                let label =
                    Label { number: *siblings, title: title(rest).to_owned(), id: id(rest) };
                *siblings = siblings.saturating_add(1);
                open.push(if command == "submenu" {
                    Block::Submenu(label, 0)
                } else {
                    let around = open.iter().filter_map(|block| match block {
                        Block::Submenu(label, _) => Some(label.clone()),
                        _ => None,
                    });
                    let labels = around.take(MAX_DEPTH).chain([label]).collect();
                    Block::Entry(Placed { labels, entry: Entry::default() })
                });
            }
            ("linux" | "linux16" | "linuxefi", Some(Block::Entry(one))) => {
                let (kernel, options) = rest.split_once(' ').unwrap_or((rest, ""));
                one.entry.kernel = kernel.to_owned();
                one.entry.options = options.to_owned();
            }
            ("initrd" | "initrd16" | "initrdefi", Some(Block::Entry(one))) => {
                one.entry.initrd = rest.to_owned();
            }
            ("set", _) => {
                if let Some(value) = rest.strip_prefix("default=") {
                    set_default(value.trim_matches(['"', '\'']), &mut menu.default);
                }
            }
            ("blscfg", _) => menu.is_specified = true,
            _ if command.starts_with('}') => {
                // `}}` closes two.
                for _ in command.bytes().filter(|byte| *byte == b'}') {
                    close(open.pop(), &mut menu);
                }
            }
            _ if line.ends_with('{') => open.push(Block::Other),
            _ => {}
        }
    }
    while let Some(block) = open.pop() {
        close(Some(block), &mut menu);
    }
    menu
}

fn close(block: Option<Block>, menu: &mut Menu) {
    if let Some(Block::Entry(one)) = block
        && !one.entry.kernel.is_empty()
    {
        menu.entries.push(one);
    }
}

/// What is chosen for the next start only (`next_entry`) and by hand (`chosen`) does not count.
fn set_default(value: &str, default: &mut Default) {
    if value.contains("saved_entry") {
        *default = Default::Saved;
    } else if !value.contains('$') && !value.is_empty() {
        *default = Default::Fixed(value.to_owned());
    }
}

fn title(rest: &str) -> &str {
    match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => rest.split(quote).nth(1).unwrap_or_default(),
        _ => rest.split(' ').next().unwrap_or_default(),
    }
}

fn id(rest: &str) -> String {
    let marks = ["$menuentry_id_option ", "--id ", "--id="];
    let after = marks.iter().find_map(|mark| rest.split_once(mark)).map(|(_, after)| after);
    after.map(title).unwrap_or_default().to_owned()
}

/// From the environment block.
pub(super) fn saved_entry(block: &str) -> Option<&str> {
    let value = block.lines().find_map(|line| line.strip_prefix("saved_entry="));
    value.map(str::trim).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n\
        else\n   set default=\"DEFAULT\"\nfi\nfunction gfx {\n\tset x=1\n}\n\
        menuentry 'UEFI' --id uefi {\n fwsetup\n}\n\
        menuentry 'Debian' --class x $menuentry_id_option 'simple-1' {\n\
        \tlinux /vmlinuz-6 ro  quiet\n\tinitrd /initrd-6\n}\n\
        submenu 'More' $menuentry_id_option 'more' {\n\
        menuentry \"6\" {\n linux\t/vmlinuz-6\n}\n\
        menuentry 'Old > 5' --id=old {\n linux16 /vmlinuz-5\n}}\n\
        menuentry 'Last' {\n linux /last\n}\n";

    #[test]
    fn the_default_by_number_title_and_id() {
        let check = |default: &str, expected: &str| {
            let menu = menu(&SCRIPT.replace("DEFAULT", default));
            let found = match &menu.default {
                Default::Fixed(wanted) => menu.find(wanted),
                Default::Saved => menu.find("simple-1"),
            };
            let found = found.map_or("-", |one| one.entry.kernel.as_str());
            assert_eq!(found, expected, "{default}");
            assert_eq!(menu.entries.len(), 4);
        };
        check("1", "/vmlinuz-6");
        check("Debian", "/vmlinuz-6");
        check("${saved_entry}", "/vmlinuz-6");
        check("2>1", "/vmlinuz-5");
        check("more>old", "/vmlinuz-5");
        check("3", "/last");
        check("0", "-");
        check("2", "-");
        check("2>7", "-");
    }

    #[test]
    fn hostile_scripts_end() {
        assert!(menu("}\n}}}\nmenuentry\nset default=\n").entries.is_empty());
        let deep = "submenu 'a' {\n".repeat(20_000) + "menuentry x {\nlinux /x\n";
        assert!(menu(&deep).entries.is_empty());
        let deep = "submenu 'a' {\n".repeat(20) + "menuentry x {\nlinux /x\n";
        assert_eq!(menu(&deep).entries[0].labels.len(), MAX_DEPTH + 1);
        assert_eq!(saved_entry("# GRUB\nsaved_entry=a b\n###"), Some("a b"));
        assert_eq!(saved_entry("saved_entry=\n"), None);
    }
}
