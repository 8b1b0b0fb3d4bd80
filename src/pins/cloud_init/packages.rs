//! `packages`, `package_upgrade`, `snap`: what the distribution's own package manager installs.
//!
//! cloud-init hands the names to the manager of the distribution that it runs on, which the file
//! does not name; other keys and commands of the same file tell it, and apt is taken where nothing
//! does. A list `[name, version]` becomes `name=version` for apt alone: the Alpine and Arch
//! backends write `name-version`, which is the name of another package there.

use super::Seed;
use crate::pins::input::{Input, PinForm};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{Kind, Node};

/// The distribution's package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Apt,
    Dnf,
    Zypper,
    Apk,
    Pacman,
}

impl Manager {
    /// The words in front of a package.
    const fn command(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["apt-get", "install"],
            Self::Dnf => &["dnf", "install"],
            Self::Zypper => &["zypper", "install"],
            Self::Apk => &["apk", "add"],
            Self::Pacman => &["pacman", "-S"],
        }
    }

    const fn upgrade(self) -> [&'static str; 2] {
        match self {
            Self::Apt => ["apt-get", "upgrade"],
            Self::Dnf => ["dnf", "upgrade"],
            Self::Zypper => ["zypper", "update"],
            Self::Apk => ["apk", "upgrade"],
            Self::Pacman => ["pacman", "-Syu"],
        }
    }

    /// What stands between name and version, where that is a version to the manager.
    const fn separator(self) -> Option<&'static str> {
        match self {
            Self::Apt | Self::Zypper => Some("="),
            Self::Dnf => Some("-"),
            Self::Apk | Self::Pacman => None,
        }
    }

    const fn ecosystem(self) -> Ecosystem {
        match self {
            Self::Apt => Ecosystem::Apt,
            Self::Dnf => Ecosystem::Dnf,
            Self::Zypper => Ecosystem::Zypper,
            Self::Apk => Ecosystem::Apk,
            Self::Pacman => Ecosystem::Pacman,
        }
    }

    /// By the other keys of the file, then by its commands.
    fn of(config: &Node) -> Self {
        let by_key = [
            ("apk_repos", Self::Apk),
            ("zypper", Self::Zypper),
            ("yum_repos", Self::Dnf),
            ("yum_repo_dir", Self::Dnf),
            ("apt", Self::Apt),
            ("snap", Self::Apt),
        ];
        if let Some((_, manager)) = by_key.iter().find(|(key, _)| config.get(key).is_some()) {
            return *manager;
        }
        let by_word = |word: &str| match word {
            "apt-get" | "apt" | "dpkg" | "add-apt-repository" | "snap" | "ufw" => Some(Self::Apt),
            "yum" | "dnf" | "microdnf" | "tdnf" | "rpm" | "amazon-linux-extras" => Some(Self::Dnf),
            "zypper" | "transactional-update" => Some(Self::Zypper),
            "apk" | "rc-update" | "rc-service" => Some(Self::Apk),
            "pacman" => Some(Self::Pacman),
            _ => None,
        };
        let lists = ["bootcmd", "runcmd"].iter().filter_map(|key| config.get(key));
        let entries = lists.flat_map(Node::items).take(500);
        let mut words = entries.flat_map(|entry| -> Vec<&str> {
            match entry.kind() {
                Kind::Sequence(words) => words.iter().filter_map(Node::text).take(4).collect(),
                Kind::Scalar { fragment, .. } => {
                    fragment.text().split_whitespace().take(50).collect()
                }
                Kind::Mapping(_) => Vec::new(),
            }
        });
        words.find_map(by_word).unwrap_or(Self::Apt)
    }
}

impl Seed<'_, '_> {
    /// `packages` and `package_upgrade`, as their module runs: the upgrade first.
    pub(super) fn packages(&mut self, config: &Node) {
        let manager = Manager::of(config);
        for key in ["package_upgrade", "apt_upgrade"] {
            let Some((name, value)) = config.entry(key) else { continue };
            if value.truth() == Some(true) {
                let range = name.range();
                let words = manager.upgrade().map(|word| Self::made(word, &range));
                self.renamed(&words, key);
            }
        }
        self.package_list(config.get("packages"), manager);
        let client = config.get("ntp").and_then(|ntp| ntp.get("config"));
        self.package_list(client.and_then(|client| client.get("packages")), manager);
    }

    /// Words whose inputs are called otherwise in this file.
    pub(super) fn renamed(&mut self, words: &[Fragment], subject: &str) {
        let before = self.audit.inputs().len();
        self.words(words);
        for input in self.audit.inputs_since_mut(before) {
            subject.clone_into(&mut input.subject);
        }
    }

    /// One package by the distribution's manager, under the raw bytes of a key or value.
    pub(super) fn install(&mut self, config: &Node, package: &Fragment) {
        self.install_with(Manager::of(config), package);
    }

    fn install_with(&mut self, manager: Manager, package: &Fragment) {
        let start = package.raw_whole().start;
        let mut words: Vec<Fragment> =
            manager.command().iter().map(|word| Self::made(word, &(start..start))).collect();
        words.push(package.clone());
        self.words(&words);
    }

    /// Names, `[name, version]`, and maps of them by manager.
    pub(super) fn package_list(&mut self, list: Option<&Node>, manager: Manager) {
        let Some(list) = list else { return };
        let items = if list.is_sequence() { list.items() } else { std::slice::from_ref(list) };
        for item in items {
            match item.kind() {
                Kind::Scalar { fragment, .. } => {
                    if !fragment.text().trim().is_empty() {
                        self.install_with(manager, &fragment.clone());
                    }
                }
                Kind::Sequence(parts) => self.versioned(manager, parts),
                Kind::Mapping(pairs) => {
                    for (key, value) in pairs {
                        match key.text() {
                            Some("snap") => {
                                for snap in value.items() {
                                    self.snap_package(snap);
                                }
                            }
                            Some("apt") => self.plain_list(value, Manager::Apt),
                            Some("dnf" | "yum") => self.plain_list(value, Manager::Dnf),
                            Some("zypper") => self.plain_list(value, Manager::Zypper),
                            Some("apk") => self.plain_list(value, Manager::Apk),
                            Some("pacman") => self.plain_list(value, Manager::Pacman),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn plain_list(&mut self, list: &Node, manager: Manager) {
        for item in list.items() {
            match item.kind() {
                Kind::Scalar { fragment, .. } => self.install_with(manager, &fragment.clone()),
                Kind::Sequence(parts) => self.versioned(manager, parts),
                Kind::Mapping(_) => {}
            }
        }
    }

    /// `[name, version]`.
    fn versioned(&mut self, manager: Manager, parts: &[Node]) {
        let Some(name) = parts.first().and_then(Node::fragment) else { return };
        let Some(version) = parts.get(1).and_then(Node::fragment) else {
            self.install_with(manager, &name.clone());
            return;
        };
        let Some(separator) = manager.separator() else {
            let range = name.raw_whole().start..version.raw_whole().end;
            let place = self.audit.place(range);
            let subject = name.text().replace(UNKNOWN, "…");
            self.audit.push(
                Input::new(manager.ecosystem(), &subject, Strength::None, place)
                    .requesting(version.text())
                    .under("pins/fake-pin")
                    .noting("cloud-init writes `name-version` here, which is no version to this manager"),
            );
            return;
        };
        let mut builder = FragmentBuilder::default();
        builder.append(name);
        let between = name.raw_whole().end;
        builder.replaced(separator, between..between);
        builder.append(version);
        let before = self.audit.inputs().len();
        self.install_with(manager, &builder.finish());
        if version.is_verbatim(0..version.text().len()) {
            let range = version.raw_whole();
            for input in self.audit.inputs_since_mut(before) {
                input.form = Some(PinForm {
                    start_byte: range.start,
                    end_byte: range.end,
                    template: "{version}".to_owned(),
                });
            }
        }
    }

    /// An entry below `packages: snap:`: a name, or a name with options.
    fn snap_package(&mut self, snap: &Node) {
        let start = snap.range().start;
        let mut words =
            vec![Self::made("snap", &(start..start)), Self::made("install", &(start..start))];
        match snap.kind() {
            Kind::Scalar { fragment, .. } => words.push(fragment.clone()),
            Kind::Sequence(parts) => {
                words.extend(parts.iter().filter_map(|part| part.fragment().cloned()));
            }
            Kind::Mapping(_) => return,
        }
        self.words(&words);
    }

    /// Autoinstall's `snaps`: `{name, channel, classic}`.
    pub(super) fn snap_by_name(&mut self, snap: &Node) {
        let Some(name) = snap.get("name").and_then(Node::fragment) else { return };
        let start = name.raw_whole().start;
        let mut words = vec![
            Self::made("snap", &(start..start)),
            Self::made("install", &(start..start)),
            name.clone(),
        ];
        if let Some(channel) = snap.get("channel").and_then(Node::fragment) {
            let range = channel.raw_whole();
            words.push(Self::made(&format!("--channel={}", channel.text()), &range));
        }
        self.words(&words);
    }

    /// `snap.commands`: a list or a map of commands; `snap` may be left out in front of a list.
    pub(super) fn snap(&mut self, config: &Node) {
        let Some(commands) = config.get("snap").and_then(|snap| snap.get("commands")) else {
            return;
        };
        let mapped: Vec<&Node> = commands.pairs().iter().map(|(_, command)| command).collect();
        let listed = commands.items().iter().chain(mapped);
        for command in listed {
            match command.kind() {
                Kind::Sequence(words) => {
                    let mut words: Vec<Fragment> =
                        words.iter().filter_map(|word| word.fragment().cloned()).collect();
                    if words.first().is_some_and(|first| first.text() != "snap") {
                        let start = command.range().start;
                        words.insert(0, Self::made("snap", &(start..start)));
                    }
                    self.words(&words);
                }
                Kind::Scalar { fragment, .. } => {
                    let mut builder = FragmentBuilder::default();
                    if !fragment.text().trim_start().starts_with("snap") {
                        let start = fragment.raw_whole().start;
                        builder.replaced("snap ", start..start);
                    }
                    builder.append(fragment);
                    self.script(&builder.finish(), crate::pins::shell::Dialect::Posix);
                }
                Kind::Mapping(_) => {}
            }
        }
    }
}
