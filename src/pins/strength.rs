//! How firmly an input is held, and the worlds that inputs come from.

use std::fmt;

/// How firmly a version is held; ordered from not at all to for ever. [`Strength::Unknown`]
/// stands outside of the order: compare with [`Strength::satisfies`], never with `<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// No version at all, `latest`, the default branch.
    None,
    /// Named, but movable on purpose: a channel, a branch, a major tag, an image family.
    Floating,
    /// Constrained, not fixed: `>=`, `~>`, `7.*`.
    Range,
    /// One version in a storage where it can be replaced: `curl=7.88.1-10`, a git tag.
    Exact,
    /// Fixed by its content: a digest, a full commit hash, a verified checksum, an immutable id.
    Content,
    /// The value comes from outside.
    Unknown,
}

impl Strength {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Floating, Self::Range, Self::Exact, Self::Content, Self::Unknown];

    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Floating => "floating",
            Self::Range => "range",
            Self::Exact => "exact",
            Self::Content => "content",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the contract's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strength| strength.as_str() == word)
    }

    /// Whether this is at least what is `required`; `None` where it is unknown.
    #[must_use]
    pub fn satisfies(self, required: Self) -> Option<bool> {
        match (self, required) {
            (_, Self::None | Self::Unknown) => Some(true),
            (Self::Unknown, _) => None,
            (held, required) => Some(held >= required),
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of thing an input is: policy requires a strength per category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the words of the policy file")]
pub enum Category {
    OsPackage,
    LangPackage,
    Module,
    ContainerImage,
    MachineImage,
    Download,
    VcsRef,
    Tool,
    Plugin,
    RepoSource,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::OsPackage,
        Self::LangPackage,
        Self::Module,
        Self::ContainerImage,
        Self::MachineImage,
        Self::Download,
        Self::VcsRef,
        Self::Tool,
        Self::Plugin,
        Self::RepoSource,
    ];

    /// The word in policy files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OsPackage => "os-package",
            Self::LangPackage => "lang-package",
            Self::Module => "module",
            Self::ContainerImage => "container-image",
            Self::MachineImage => "machine-image",
            Self::Download => "download",
            Self::VcsRef => "vcs-ref",
            Self::Tool => "tool",
            Self::Plugin => "plugin",
            Self::RepoSource => "repo-source",
        }
    }
}

macro_rules! ecosystems {
    ($($(#[$doc:meta])* $variant:ident $name:literal $category:ident;)*) => {
        /// The world that an input comes from: it decides how its versions are written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Ecosystem { $($(#[$doc])* $variant,)* }

        impl Ecosystem {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in reports and policy files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What kind of thing it delivers.
            #[must_use]
            pub const fn category(self) -> Category {
                match self { $(Self::$variant => Category::$category,)* }
            }
        }
    };
}

ecosystems! {
    /// Debian and Ubuntu: apt-get, apt, aptitude.
    Apt "apt" OsPackage;
    /// rpm distributions: yum, dnf, microdnf, tdnf.
    Dnf "dnf" OsPackage;
    /// SUSE.
    Zypper "zypper" OsPackage;
    /// Alpine.
    Apk "apk" OsPackage;
    /// Arch.
    Pacman "pacman" OsPackage;
    /// Gentoo, Nix, FreeBSD and others that only a module names.
    OtherOs "os" OsPackage;
    /// Snap store.
    Snap "snap" OsPackage;
    /// Flatpak remotes.
    Flatpak "flatpak" OsPackage;
    /// Homebrew.
    Brew "brew" OsPackage;
    /// Chocolatey.
    Choco "choco" OsPackage;
    /// Windows package manager.
    Winget "winget" OsPackage;
    /// Python packages: pip, pipx, uv, poetry.
    Pip "pip" LangPackage;
    /// conda, mamba, micromamba.
    Conda "conda" LangPackage;
    /// JavaScript packages: npm, npx, yarn, pnpm, bun.
    Npm "npm" LangPackage;
    /// Ruby gems: gem, bundle.
    Gem "gem" LangPackage;
    /// Go modules.
    Go "go" LangPackage;
    /// Rust crates.
    Cargo "cargo" LangPackage;
    /// .NET packages and tools.
    Nuget "nuget" LangPackage;
    /// PHP packages.
    Composer "composer" LangPackage;
    /// PowerShell gallery.
    PowerShell "powershell" LangPackage;
    /// Perl, Lua, R, Haskell and others that only one command names.
    OtherLanguage "lang" LangPackage;
    /// Terraform and OpenTofu modules.
    TerraformModule "terraform-module" Module;
    /// Ansible roles and collections.
    Galaxy "galaxy" Module;
    /// Chef cookbooks.
    Cookbook "cookbook" Module;
    /// Puppet modules.
    PuppetModule "puppet-module" Module;
    /// Helm charts.
    Helm "helm" Module;
    /// Kustomize resources and Kubernetes manifests by URL.
    Kubernetes "kubernetes" Module;
    /// GitHub Actions and reusable workflows.
    Action "github-action" Module;
    /// CI includes, components, templates, orbs, pre-commit hooks.
    CiInclude "ci-include" Module;
    /// Container images.
    Image "container-image" ContainerImage;
    /// Machine images: AMIs, families, gallery images, boxes, runner labels.
    MachineImage "machine-image" MachineImage;
    /// Files by URL.
    Download "download" Download;
    /// Git, Mercurial, Subversion.
    Git "git" VcsRef;
    /// Rust toolchains.
    Rustup "rustup" LangPackage;
    /// Toolchains and programs asked for by version (`required_version`, setup actions).
    Tool "tool" Tool;
    /// Terraform providers.
    TerraformProvider "terraform-provider" Plugin;
    /// Packer plugins.
    PackerPlugin "packer-plugin" Plugin;
    /// Plugins of any other program.
    Plugin "plugin" Plugin;
    /// Package repositories: PPAs, channels, remotes.
    Repository "repository" RepoSource;
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_unique_and_read_back() {
        for strength in Strength::ALL {
            assert_eq!(Strength::parse(strength.as_str()), Some(strength));
        }
        let names: BTreeSet<_> = Ecosystem::ALL.iter().map(|e| e.as_str()).collect();
        assert_eq!(names.len(), Ecosystem::ALL.len());
    }

    #[test]
    fn unknown_is_neither_enough_nor_too_little() {
        assert_eq!(Strength::Unknown.satisfies(Strength::Exact), None);
        assert_eq!(Strength::Unknown.satisfies(Strength::None), Some(true));
        assert_eq!(Strength::Range.satisfies(Strength::Exact), Some(false));
        assert_eq!(Strength::Content.satisfies(Strength::Exact), Some(true));
    }
}
