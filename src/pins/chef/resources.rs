//! The resources that install or fetch.

use super::recipe::Recipe;
use crate::pins::classify;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Credit;
use crate::pins::repository::resolve;
use crate::pins::resource::{self, Manager, made};
use crate::pins::shell::Dialect;
use crate::pins::strength::{Ecosystem, Strength};
use std::ops::Range;
use std::sync::Arc;

/// A resource as it is declared.
pub(super) struct Resource {
    /// What stands behind the type: a name, or a list of them.
    pub name: Value,
    /// The raw bytes of the name.
    pub at: Range<usize>,
    pub properties: Vec<(String, Value)>,
}

impl Resource {
    fn get(&self, names: &[&str]) -> Option<&Value> {
        let found = names.iter().find_map(|name| {
            self.properties.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
        });
        found.filter(|value| !matches!(value, Value::Null))
    }

    /// A property, or the resource's own name.
    fn or_name(&self, names: &[&str]) -> &Value {
        self.get(names).unwrap_or(&self.name)
    }
}

/// Reads a resource.
pub(super) type Reader = fn(&mut Recipe<'_, '_>, &Resource);

/// Why a package moves even where it is there already.
const UPGRADE: &str = "`action :upgrade` asks for whatever is newest at every run";

macro_rules! packages {
    ($manager:ident) => {
        |recipe, resource| recipe.packages(Manager::$manager, resource)
    };
}

/// Who reads a resource of this type.
pub(super) fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "package" | "multipackage" | "freebsd_package" | "openbsd_package" | "portage_package"
        | "paludis_package" | "solaris_package" | "smartos_package" | "ips_package"
        | "bff_package" | "macports_package" | "habitat_package" => packages!(System),
        "apt_package" => packages!(Apt),
        "yum_package" | "dnf_package" => packages!(Dnf),
        "zypper_package" => packages!(Zypper),
        "apk_package" => packages!(Apk),
        "pacman_package" => packages!(Pacman),
        "snap_package" => packages!(Snap),
        "homebrew_package" | "homebrew_cask" => packages!(Brew),
        "chocolatey_package" => packages!(Choco),
        "gem_package" | "chef_gem" | "rbenv_gem" | "rvm_gem" => packages!(Gem),
        "python_package"
        | "python_pip"
        | "pip_package"
        | "pyenv_pip"
        | "easy_install_package"
        | "poise_python_package" => packages!(Pip),
        "nodejs_npm" | "npm_package" => packages!(Npm),
        "php_pear" | "cpan_module" => packages!(OtherLanguage),
        "powershell_package" => packages!(PowerShell),
        "jenkins_plugin" => packages!(Plugin),
        "windows_package" | "dmg_package" | "msu_package" | "rpm_package" | "dpkg_package"
        | "cab_package" => |r, resource| r.installer(resource),
        "remote_file" => |r, resource| r.remote_file(resource),
        "ark" | "tar_extract" | "tar_package" | "seven_zip_archive" | "poise_archive"
        | "windows_zipfile" => |r, resource| r.archive(resource),
        "git" => |r, resource| r.checkout("git", resource),
        "subversion" => |r, resource| r.checkout("svn", resource),
        "mercurial" | "hg" => |r, resource| r.checkout("hg", resource),
        "docker_image" => |r, resource| r.docker_image(resource),
        "docker_container" => |r, resource| r.docker_container(resource),
        "docker_installation_package" | "docker_installation_tarball" | "docker_service" => {
            |r, resource| r.docker(resource)
        }
        "apt_repository" | "yum_repository" | "zypper_repository" => {
            |r, resource| r.repository(resource)
        }
        "homebrew_tap" => |r, resource| r.tap(resource),
        "apt_preference" => |r, resource| r.preference(resource),
        "execute" => |r, resource| r.execute(resource),
        "bash" | "sh" | "ksh" | "script" => |r, resource| r.script(resource, Dialect::Posix),
        "powershell_script" => |r, resource| r.script(resource, Dialect::PowerShell),
        "batch" => |r, resource| r.script(resource, Dialect::Cmd),
        "file" => |r, resource| r.file(resource),
        "cookbook_file" | "template" => |r, resource| r.cookbook_file(resource),
        _ => return None,
    })
}

impl Recipe<'_, '_> {
    fn texts(&self, value: &Value, at: &Range<usize>) -> Vec<Text> {
        resource::texts(value, &self.audit.file().path, at)
    }

    /// The first text of a property.
    fn text(&self, resource: &Resource, names: &[&str]) -> Option<Text> {
        self.texts(resource.get(names)?, &resource.at).into_iter().next()
    }

    fn word(&self, resource: &Resource, names: &[&str]) -> String {
        self.text(resource, names).map(|text| text.text().to_owned()).unwrap_or_default()
    }

    fn actions(&self, resource: &Resource) -> Vec<String> {
        let actions = resource.get(&["action"]);
        let texts = actions.map(|actions| self.texts(actions, &resource.at)).unwrap_or_default();
        texts.iter().map(|text| text.text().to_owned()).collect()
    }

    /// Whether the resource only takes something away.
    fn is_removal(&self, resource: &Resource) -> bool {
        let gone = [
            "remove",
            "purge",
            "delete",
            "uninstall",
            "unlock",
            "stop",
            "kill",
            "disable",
            "reconfig",
        ];
        let actions = self.actions(resource);
        !actions.is_empty() && actions.iter().all(|action| gone.contains(&action.as_str()))
    }

    /// Names, and versions beside them.
    fn packages(&mut self, manager: Manager, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let manager = match manager {
            Manager::System => {
                let path = Arc::clone(&self.audit.file().path);
                let of_file = || Manager::of_file(&path);
                self.platform.or_else(of_file).unwrap_or(Manager::System)
            }
            other => other,
        };
        let note =
            self.actions(resource).iter().any(|action| action == "upgrade").then_some(UPGRADE);
        let own = if manager == Manager::Npm { &["package"][..] } else { &["package_name"][..] };
        let names = resource.or_name(own).clone();
        let at = resource.at.clone();
        // A file that lies on the machine is no package of a repository.
        if let Some(source) = self.text(resource, &["source"]) {
            let text = source.text();
            if text.contains("://") && !matches!(manager, Manager::Choco | Manager::Gem) {
                self.host().download(&source, "", None, &at);
                return;
            }
            let local = !text.contains("://") && !classify::is_unknown(text);
            if local && matches!(manager, Manager::System | Manager::Apt | Manager::Dnf) {
                return;
            }
        }
        let release = self.word(resource, &["default_release"]);
        let mut options: Vec<&str> = Vec::new();
        if !release.is_empty() && manager == Manager::Apt {
            options.extend(["-t", release.as_str()]);
        }
        let version = resource.get(&["version", "channel"]).cloned();
        match (&names, version) {
            (Value::List(names), Some(Value::List(versions))) => {
                for (index, name) in names.iter().enumerate() {
                    let version = versions
                        .get(index)
                        .and_then(|version| self.texts(version, &at).into_iter().next());
                    let name = self.texts(name, &at);
                    self.host().packages_with(
                        manager,
                        &name,
                        version.as_ref(),
                        &options,
                        &at,
                        note,
                    );
                }
            }
            (names, version) => {
                let names = self.texts(names, &at);
                let versions = version.map(|version| self.texts(&version, &at)).unwrap_or_default();
                if versions.is_empty() {
                    self.host().packages_with(manager, &names, None, &options, &at, note);
                }
                for version in &versions {
                    self.host().packages_with(manager, &names, Some(version), &options, &at, note);
                }
            }
        }
    }

    /// Packages of files: by path, or by URL with a checksum.
    fn installer(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let checksum = self.text(resource, &["checksum"]);
        let at = resource.at.clone();
        let source = resource.or_name(&["source"]).clone();
        for url in self.texts(&source, &at) {
            if url.text().contains("://") {
                self.host().download(&url, "", checksum.as_ref(), &at);
            }
        }
    }

    fn remote_file(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let checksum = self.text(resource, &["checksum"]);
        let at = resource.at.clone();
        let target = resource.or_name(&["path"]).clone();
        let target = self.texts(&target, &at);
        let target = target.first().map(|text| text.text().to_owned()).unwrap_or_default();
        let Some(sources) = resource.get(&["source"]).cloned() else { return };
        let sources = self.texts(&sources, &at);
        let fetched = |text: &Text| {
            text.text().contains("://") && !text.text().starts_with("file:")
                || classify::is_unknown(text.text())
        };
        for url in sources.iter().filter(|text| fetched(text)) {
            self.host().download(url, &target, checksum.as_ref(), &at);
        }
    }

    /// Archives by URL.
    fn archive(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let checksum = self.text(resource, &["checksum"]);
        let at = resource.at.clone();
        let url = resource.or_name(&["url", "source", "path"]).clone();
        for url in self.texts(&url, &at) {
            if url.text().contains("://") {
                self.host().download(&url, "", checksum.as_ref(), &at);
            } else if resource.get(&["url"]).is_some() {
                let strength = Strength::Unknown;
                self.host().input(Ecosystem::Download, &url, "", strength, &at, None);
            }
        }
    }

    fn checkout(&mut self, program: &str, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        let reference =
            self.text(resource, &["revision", "reference", "branch", "checkout_branch"]);
        let Some(url) = resource.get(&["repository", "repo"]).cloned() else { return };
        for url in self.texts(&url, &at) {
            self.host().checkout(program, &url, reference.as_ref(), &at);
        }
    }

    fn docker_image(&mut self, resource: &Resource) {
        let actions = self.actions(resource);
        let built =
            ["build", "build_if_missing", "load", "import", "tag", "save", "push", "remove"];
        let local = actions.iter().any(|action| built.contains(&action.as_str()));
        if local || self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        let image = resource.or_name(&["repo", "image", "image_name"]).clone();
        let tag = self.text(resource, &["tag"]);
        for image in self.texts(&image, &at) {
            self.host().image(&image, tag.as_ref(), &at);
        }
    }

    fn docker_container(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        let Some(image) = resource.get(&["image", "repo"]).cloned() else { return };
        let tag = self.text(resource, &["tag"]);
        for image in self.texts(&image, &at) {
            self.host().image(&image, tag.as_ref(), &at);
        }
    }

    /// The engine itself.
    fn docker(&mut self, resource: &Resource) {
        let Some(version) = self.text(resource, &["version", "install_version"]) else { return };
        let requested = version.text().to_owned();
        let strength = classify::version(Ecosystem::Tool, &requested);
        let subject = Text { fragment: made("docker", &version.fragment.raw_whole()), ..version };
        let at = resource.at.clone();
        self.host().input(Ecosystem::Tool, &subject, &requested, strength, &at, None);
    }

    fn repository(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        let suite = self.word(resource, &["distribution", "components"]);
        for key in ["uri", "baseurl", "mirrorlist"] {
            let Some(address) = resource.get(&[key]).cloned() else { continue };
            for address in self.texts(&address, &at) {
                let line = format!("deb {} {suite}", address.text());
                let line =
                    (key == "uri" && address.text().contains("://")).then_some(line.as_str());
                self.host().repository(&address, line, &at);
            }
        }
    }

    fn tap(&mut self, resource: &Resource) {
        let at = resource.at.clone();
        let name = resource.or_name(&["tap_name"]).clone();
        for name in self.texts(&name, &at) {
            let note = Some("a tap is read at its newest commit");
            let held = Strength::Floating;
            self.host().input(Ecosystem::Repository, &name, "", held, &at, note);
        }
    }

    /// apt preferences: `pin 'version 1.2'` holds a package from here on.
    fn preference(&mut self, resource: &Resource) {
        let at = resource.at.clone();
        let names = resource.or_name(&["package_name", "glob"]).clone();
        let pin = self.word(resource, &["pin"]);
        let Some(version) = pin.trim().strip_prefix("version") else { return };
        let strength = classify::version(Ecosystem::Apt, version.trim());
        for name in self.texts(&names, &at) {
            let why = format!("apt preferences hold it at{version}");
            let credit = Credit { strength, why };
            self.environment.machine.held.insert(name.text().to_owned(), credit);
        }
    }

    /// A command: through a shell where it is a text.
    fn execute(&mut self, resource: &Resource) {
        let at = resource.at.clone();
        let command = resource.or_name(&["command"]).clone();
        let constants = self.environment.constants_only();
        self.variables(resource);
        let before = self.environment.machine.directory.clone();
        if let Some(directory) = self.text(resource, &["cwd"]) {
            self.environment.machine.directory = Some(directory.text().to_owned());
        }
        if let Value::List(words) = &command {
            let words: Vec<Text> = words.iter().flat_map(|word| self.texts(word, &at)).collect();
            self.host().words(&words, &at);
        } else {
            for script in self.texts(&command, &at) {
                self.host().script(&script, Dialect::Posix);
            }
        }
        self.environment.machine.directory = before;
        self.environment.restore_constants(&constants);
    }

    /// `environment 'NAME' => 'value'`.
    fn variables(&mut self, resource: &Resource) {
        let Some(Value::Object(entries)) = resource.get(&["environment", "env"]) else { return };
        let file = Arc::clone(&self.audit.file().path);
        for (name, value) in entries {
            if let Value::Text(text) = value {
                let origin = crate::pins::input::Origin {
                    name: format!("environment {name}"),
                    place: None,
                    overridable: false,
                };
                let values = vec![made(text.text(), &resource.at)];
                let file = Arc::clone(&file);
                let constant =
                    crate::pins::environment::Constant { values, file, origin, element: false };
                self.environment.set(name, constant);
            }
        }
    }

    fn script(&mut self, resource: &Resource, dialect: Dialect) {
        let interpreter = self.word(resource, &["interpreter"]);
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        if ["python", "perl", "ruby", "node"].iter().any(|own| name.starts_with(own)) {
            return;
        }
        let Some(code) = resource.get(&["code", "command"]).cloned() else { return };
        let constants = self.environment.constants_only();
        self.variables(resource);
        let before = self.environment.machine.directory.clone();
        if let Some(directory) = self.text(resource, &["cwd"]) {
            self.environment.machine.directory = Some(directory.text().to_owned());
        }
        for script in self.texts(&code, &resource.at.clone()) {
            self.host().script(&script, dialect);
        }
        self.environment.machine.directory = before;
        self.environment.restore_constants(&constants);
    }

    /// Files with their content: repositories, preferences, scripts that a command runs.
    fn file(&mut self, resource: &Resource) {
        let Some(content) = self.text(resource, &["content"]) else { return };
        let path = resource.or_name(&["path"]).clone();
        if let Some(path) = self.texts(&path, &resource.at).first() {
            let path = path.text().to_owned();
            self.host().file_written(&path, &content);
        }
    }

    /// Files of the cookbook that a command may run.
    fn cookbook_file(&mut self, resource: &Resource) {
        let path = resource.or_name(&["path"]).clone();
        let Some(path) = self.texts(&path, &resource.at).first().map(|t| t.text().to_owned())
        else {
            return;
        };
        let source = self.word(resource, &["source"]);
        let source = if source.is_empty() {
            path.rsplit('/').next().unwrap_or_default().to_owned()
        } else {
            source
        };
        let folders = ["files/default/", "files/", "templates/default/", "templates/"];
        let found = folders.iter().find_map(|folder| {
            let own = resolve("", &format!("{}{folder}{source}", self.cookbook))?;
            self.audit.repository().exists(&own).then_some(own)
        });
        if let Some(found) = found {
            self.host().file_copied(&path, &found);
        }
    }
}
