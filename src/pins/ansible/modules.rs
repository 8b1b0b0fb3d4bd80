//! The modules that install or fetch, by their own names: a collection's prefix is passed over,
//! so that the short and the full name are the same row.

use super::arguments::Arguments;
use super::tasks::Tasks;
use crate::pins::resource::Manager;

/// Reads a call.
pub(super) type Reader = fn(&mut Tasks<'_, '_>, &Arguments);

/// A module's own name.
pub(super) fn own_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Who reads a module, by its short or full name.
pub(super) fn reader_of(name: &str) -> Option<Reader> {
    let own = own_name(name);
    if name.starts_with("nginxinc.") || name.matches('.').count() == 1 {
        return None;
    }
    MODULES
        .binary_search_by(|(row, _)| (*row).cmp(own))
        .ok()
        .and_then(|at| MODULES.get(at))
        .map(|(_, reader)| *reader)
}

/// Whether a key says by itself that a list is one of tasks: not a word that other formats use too.
pub(super) fn is_telling(key: &str) -> bool {
    let common = [
        "action", "command", "git", "script", "shell", "copy", "package", "include", "uri",
        "template", "helm", "pip", "npm", "yarn", "gem", "cargo", "composer", "hg", "k8s", "raw",
        "snap", "flatpak", "pnpm", "conda", "bundler", "expect",
    ];
    !common.contains(&key) && !key.contains('.') && reader_of(key).is_some()
}

/// Whether a module's words are a command.
pub(super) fn takes_command(module: &str) -> bool {
    ["command", "expect", "raw", "script", "shell", "win_command", "win_shell"].contains(&module)
}

macro_rules! packages {
    ($manager:ident) => {
        |tasks, arguments| tasks.packages(Manager::$manager, arguments)
    };
}

/// Sorted by name.
const MODULES: &[(&str, Reader)] = &[
    ("ansible_galaxy_install", |t, a| t.galaxy_install(a)),
    ("apk", packages!(Apk)),
    ("apt", |t, a| t.apt(a)),
    ("apt_key", |t, a| t.key(a)),
    ("apt_repository", |t, a| t.repository(a)),
    ("apt_rpm", packages!(System)),
    ("assemble", |_, _| {}),
    ("azure_rm_virtualmachine", |t, a| t.azure_machine(a)),
    ("bower", packages!(OtherLanguage)),
    ("bundler", |t, a| t.bundler(a)),
    ("cargo", packages!(Cargo)),
    ("command", |t, a| t.command(a)),
    ("composer", |t, a| t.composer(a)),
    ("conda", packages!(Conda)),
    ("copr", |t, a| t.copr(a)),
    ("copy", |t, a| t.copy(a)),
    ("cpanm", packages!(Perl)),
    ("deb822_repository", |t, a| t.deb822(a)),
    ("dnf", packages!(Dnf)),
    ("dnf5", packages!(Dnf)),
    ("dnf_versionlock", |t, a| t.version_lock(a)),
    ("docker_compose", |t, a| t.compose(a)),
    ("docker_compose_v2", |t, a| t.compose(a)),
    ("docker_container", |t, a| t.container(a)),
    ("docker_image", |t, a| t.container_image(a)),
    ("docker_image_pull", |t, a| t.container_image(a)),
    ("docker_swarm_service", |t, a| t.container(a)),
    ("easy_install", packages!(Pip)),
    ("ec2", |t, a| t.ec2(a)),
    ("ec2_ami_info", |t, a| t.ec2_images(a)),
    ("ec2_instance", |t, a| t.ec2(a)),
    ("ec2_launch_template", |t, a| t.ec2(a)),
    ("elasticsearch_plugin", packages!(Plugin)),
    ("expect", |t, a| t.command(a)),
    ("flatpak", packages!(Flatpak)),
    ("flatpak_remote", |t, a| t.repository(a)),
    ("gem", packages!(Gem)),
    ("get_url", |t, a| t.get_url(a)),
    ("git", |t, a| t.git(a)),
    ("grafana_plugin", packages!(Plugin)),
    ("helm", |t, a| t.helm(a)),
    ("helm_plugin", |t, a| t.helm_plugin(a)),
    ("hg", |t, a| t.mercurial(a)),
    ("homebrew", packages!(Brew)),
    ("homebrew_cask", packages!(Brew)),
    ("homebrew_tap", |t, a| t.tap(a)),
    ("import_role", |t, a| t.include_role(a)),
    ("import_tasks", |t, a| t.include_tasks(a)),
    ("include", |t, a| t.include_tasks(a)),
    ("include_role", |t, a| t.include_role(a)),
    ("include_tasks", |t, a| t.include_tasks(a)),
    ("include_vars", |t, a| t.include_vars(a)),
    ("installp", packages!(System)),
    ("jenkins_plugin", packages!(Plugin)),
    ("k8s", |t, a| t.manifest(a)),
    ("kibana_plugin", packages!(Plugin)),
    ("kubernetes", |t, a| t.manifest(a)),
    ("macports", packages!(System)),
    ("maven_artifact", |t, a| t.maven(a)),
    ("nix", packages!(System)),
    ("npm", |t, a| t.npm(a)),
    ("openbsd_pkg", packages!(System)),
    ("opkg", packages!(System)),
    ("package", packages!(System)),
    ("pacman", packages!(Pacman)),
    ("pear", packages!(OtherLanguage)),
    ("pip", |t, a| t.pip(a)),
    ("pipx", packages!(Pipx)),
    ("pkg5", packages!(System)),
    ("pkgin", packages!(System)),
    ("pkgng", packages!(System)),
    ("pkgutil", packages!(System)),
    ("pnpm", |t, a| t.npm(a)),
    ("podman_container", |t, a| t.container(a)),
    ("podman_image", |t, a| t.container_image(a)),
    ("portage", packages!(System)),
    ("portinstall", packages!(System)),
    ("raw", |t, a| t.command(a)),
    ("rpm_key", |t, a| t.key(a)),
    ("rpm_ostree_pkg", packages!(Dnf)),
    ("script", |t, a| t.script(a)),
    ("shell", |t, a| t.command(a)),
    ("slackpkg", packages!(System)),
    ("snap", packages!(Snap)),
    ("sorcery", packages!(System)),
    ("subversion", |t, a| t.subversion(a)),
    ("svr4pkg", packages!(System)),
    ("swdepot", packages!(System)),
    ("swupd", packages!(System)),
    ("template", |t, a| t.copy(a)),
    ("unarchive", |t, a| t.unarchive(a)),
    ("uri", |t, a| t.uri(a)),
    ("urpmi", packages!(System)),
    ("win_chocolatey", packages!(Choco)),
    ("win_chocolatey_source", |t, a| t.repository(a)),
    ("win_command", |t, a| t.windows_command(a)),
    ("win_get_url", |t, a| t.get_url(a)),
    ("win_package", |t, a| t.windows_package(a)),
    ("win_powershell", |t, a| t.windows_shell(a)),
    ("win_psmodule", packages!(PowerShell)),
    ("win_shell", |t, a| t.windows_shell(a)),
    ("win_updates", |t, a| t.windows_updates(a)),
    ("winget", packages!(Winget)),
    ("xbps", packages!(System)),
    ("yarn", |t, a| t.npm(a)),
    ("yum", packages!(Dnf)),
    ("yum_repository", |t, a| t.repository(a)),
    ("yum_versionlock", |t, a| t.version_lock(a)),
    ("zypper", packages!(Zypper)),
    ("zypper_repository", |t, a| t.repository(a)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_found_by_both_names() {
        assert!(MODULES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for name in ["apt", "ansible.builtin.apt", "community.general.snap", "win_chocolatey"] {
            assert!(reader_of(name).is_some(), "{name}");
        }
        assert!(reader_of("debug").is_none() && reader_of("vars.apt").is_none());
        assert!(is_telling("apt") && !is_telling("git") && !is_telling("name"));
    }
}
