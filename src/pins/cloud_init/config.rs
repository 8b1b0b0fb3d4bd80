//! The modules of a cloud-config, in the order in which cloud-init runs them, so that a file that
//! is written or a repository that is frozen counts for what comes after it.

use super::Seed;
use crate::pins::shell::{self, Context, Dialect};
use crate::pins::span::{Fragment, FragmentBuilder};
use crate::pins::yaml::{Kind, Node};

impl Seed<'_, '_> {
    /// A cloud-config as text.
    pub(super) fn config(&mut self, data: &Fragment) {
        for document in self.documents(data) {
            self.modules(&document);
        }
    }

    /// The top-level keys.
    fn modules(&mut self, config: &Node) {
        if !config.is_mapping() {
            return;
        }
        if let Some(install) = config.get("autoinstall") {
            self.autoinstall(install);
        } else if config.get("late-commands").is_some() {
            self.autoinstall(config);
        }
        self.run_list(config.get("bootcmd"));
        self.files(config, false);
        self.sources(config);
        self.snap(config);
        self.packages(config);
        self.tools(config);
        self.files(config, true);
        self.run_list(config.get("runcmd"));
    }

    /// Ubuntu's installer: its own keys, and user-data for the first boot.
    fn autoinstall(&mut self, install: &Node) {
        if self.depth > super::MAX_DEPTH {
            return;
        }
        self.depth = self.depth.saturating_add(1);
        self.run_list(install.get("early-commands"));
        self.sources(install);
        self.package_list(install.get("packages"), super::packages::Manager::Apt);
        for snap in install.get("snaps").map(Node::items).unwrap_or_default() {
            self.snap_by_name(snap);
        }
        self.run_list(install.get("late-commands"));
        if let Some(data) = install.get("user-data").filter(|data| data.is_mapping()) {
            self.modules(&data.clone());
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// `runcmd`: strings are lines of one shell script, lists are words without a shell.
    pub(super) fn run_list(&mut self, list: Option<&Node>) {
        let Some(list) = list else { return };
        let before = self.environment.constants_only();
        let functions = std::mem::take(&mut self.environment.functions);
        let entries = if list.is_sequence() { list.items() } else { std::slice::from_ref(list) };
        let mut lines = FragmentBuilder::default();
        for entry in entries {
            match entry.kind() {
                Kind::Scalar { fragment, .. } => {
                    lines.append(fragment);
                    let end = fragment.raw_whole().end;
                    lines.replaced("\n", end..end);
                }
                Kind::Sequence(words) => {
                    self.lines(std::mem::take(&mut lines));
                    let words: Vec<Fragment> =
                        words.iter().filter_map(|word| word.fragment().cloned()).collect();
                    self.words(&words);
                }
                Kind::Mapping(_) => {}
            }
        }
        self.lines(lines);
        self.environment.functions = functions;
        self.environment.restore_constants(&before);
    }
    fn lines(&mut self, lines: FragmentBuilder) {
        let context = Context { dialect: Dialect::Posix };
        shell::audit(&lines.finish(), self.environment, self.audit, context);
    }
}
