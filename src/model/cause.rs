//! What caused a change, and how that is known.

use super::{Timestamp, TreePath};
use std::fmt;

/// Who changes machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum CauseKind {
    PackageManager,
    UnattendedUpgrades,
    CloudInit,
    Ansible,
    Chef,
    Puppet,
    Salt,
    Terraform,
    Packer,
    SshSession,
    Human,
    SystemJob,
}

impl CauseKind {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 12] = [
        Self::PackageManager,
        Self::UnattendedUpgrades,
        Self::CloudInit,
        Self::Ansible,
        Self::Chef,
        Self::Puppet,
        Self::Salt,
        Self::Terraform,
        Self::Packer,
        Self::SshSession,
        Self::Human,
        Self::SystemJob,
    ];

    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PackageManager => "package-manager",
            Self::UnattendedUpgrades => "unattended-upgrades",
            Self::CloudInit => "cloud-init",
            Self::Ansible => "ansible",
            Self::Chef => "chef",
            Self::Puppet => "puppet",
            Self::Salt => "salt",
            Self::Terraform => "terraform",
            Self::Packer => "packer",
            Self::SshSession => "ssh-session",
            Self::Human => "human",
            Self::SystemJob => "system-job",
        }
    }

    /// Reads the contract's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How strongly the evidence binds a cause to a change; ordered from weak to proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A time window of forgeable times, or a line that anyone could have written.
    Weak,
    /// Named by path in evidence that only the actor writes, or inside its window of ctimes.
    Strong,
    /// The bytes themselves agree.
    Proof,
}

impl Confidence {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Strong => "strong",
            Self::Proof => "proof",
        }
    }
}

/// One quoted piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// The file in the target that says so.
    pub path: TreePath,
    /// Line from 1.
    pub line: Option<u64>,
    /// When, as far as it says.
    pub time: Option<Timestamp>,
    /// The line itself, or what was compared.
    pub text: String,
}

/// Why something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who or what.
    pub kind: CauseKind,
    /// Module, task, command or user.
    pub detail: String,
    /// How sure.
    pub confidence: Confidence,
    /// What it rests on, in the order of the chain.
    pub evidence: Vec<Evidence>,
}

impl Cause {
    /// Whether it is a job of the system of which no more is known than that it ran at the time.
    #[must_use]
    pub fn is_idle_job(&self) -> bool {
        self.kind == CauseKind::SystemJob && self.confidence == Confidence::Weak
    }
}
