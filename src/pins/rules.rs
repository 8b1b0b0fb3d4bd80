//! The rule families: one row each. `explain`, the rule pages of the docs and the reporters are
//! made of these rows.

use super::strength::Category;
use std::fmt::Write;

/// A family of findings with a stable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleFamily {
    /// `pins/os-package`.
    pub id: &'static str,
    /// The rule set that it came with: a policy that freezes an older one is not judged by it.
    pub since: u32,
    /// One line.
    pub summary: &'static str,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// An example that is found.
    pub bad: &'static str,
    /// The same, held.
    pub good: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// The rule set of this program; `rules = "1"` in a `driftcheck.toml` freezes an older one, so that
/// no upgrade reddens a build.
pub const RULE_SET: u32 = 2;

/// The carriers of the first rule set.
const FIRST_CARRIERS: &[&str] = &[
    "cloud-init",
    "dockerfile",
    "github-actions",
    "makefile",
    "packer",
    "packer-json",
    "powershell",
    "shell",
    "terraform",
];

/// The rule set that a carrier came with.
#[must_use]
pub fn carrier_since(name: &str) -> u32 {
    if FIRST_CARRIERS.contains(&name) { 1 } else { 2 }
}

/// All families, by id.
pub const RULES: &[RuleFamily] = &[
    RuleFamily {
        id: "pins/baseline",
        since: 2,
        summary: "an accepted finding is not there any more",
        why: "An entry that nothing needs would let the same finding come back unseen.",
        bad: "an entry of driftcheck-pins.baseline whose line was pinned since",
        good: "the file as `driftcheck pins --write-baseline` writes it now",
        fix: "Remove the line, or run `driftcheck pins --write-baseline` again.",
    },
    RuleFamily {
        id: "pins/consistency",
        since: 2,
        summary: "one tool is pinned to two versions in two files",
        why: "What was tested with the one version is built or run with the other, and a fix of \
              one file leaves the other behind.",
        bad: "Dockerfile: pip install ansible==9.1.0\nbuild.sh: pip install ansible==8.7.0",
        good: "both: pip install ansible==9.1.0",
        fix: "Pin both to the same version, or keep the version in one place that both read.",
    },
    RuleFamily {
        id: "pins/download",
        since: 1,
        summary: "a file is fetched by URL and nothing checks its bytes",
        why: "The server, or whoever stands between, decides what is run at the next build. A \
              version in the URL says what was meant, not what came.",
        bad: "RUN curl -fsSL https://get.example.org | sh",
        good: "RUN curl -fsSLo tool.tgz https://example.org/tool-1.2.3.tgz \\\n \
               && echo \"<sha256>  tool.tgz\" | sha256sum -c -",
        fix: "Save the file, check it against a literal SHA-256 (or a signature whose key lies in \
              the repository), then use it. With ADD: --checksum=sha256:….",
    },
    RuleFamily {
        id: "pins/fake-pin",
        since: 1,
        summary: "it looks like a pinned version and is none",
        why: "The tool reads the word differently than it looks, or something after it undoes \
              the pin, so that the reader is sure of a version that the machine will not have.",
        bad: "RUN pip install requests=2.31.0",
        good: "RUN pip install requests==2.31.0",
        fix: "Write the version in the tool's own syntax; remove what undoes it.",
    },
    RuleFamily {
        id: "pins/golden-image",
        since: 2,
        summary: "a pin and the golden image contradict each other",
        why: "The file says one version and the image has another, so that either the image was \
              not built from it or the pin did not hold.",
        bad: "apt-get install jq=1.5-1   # and the image has jq 1.6-2.1",
        good: "apt-get install jq=1.6-2.1",
        fix: "Build the image again, or write the version that it has (`pins --fix --from`).",
    },
    RuleFamily {
        id: "pins/image-ref",
        since: 1,
        summary: "a container image is named without the digest of its content",
        why: "A tag can be moved at any time, and most are: the same line builds another image \
              next week.",
        bad: "FROM debian:12",
        good: "FROM debian:12@sha256:<digest>",
        fix: "Add the digest behind the tag and let a bot update both.",
    },
    RuleFamily {
        id: "pins/lang-package",
        since: 1,
        summary: "a language package is installed without one exact version",
        why: "The registry's newest release at the time of the build is installed, wanted or not.",
        bad: "pip install requests",
        good: "pip install requests==2.31.0",
        fix: "Name one version, or install from a lockfile with the command that enforces it \
              (`npm ci`, `pip install --require-hashes -r …`, `cargo install --locked`).",
    },
    RuleFamily {
        id: "pins/lock",
        since: 1,
        summary: "a lockfile is missing, stale, or not enforced by the command used",
        why: "A lockfile that the installing command may rewrite or ignore holds nothing.",
        bad: "RUN npm install",
        good: "COPY package.json package-lock.json ./\nRUN npm ci",
        fix: "Commit the lockfile, copy it, and use the command that refuses to leave it.",
    },
    RuleFamily {
        id: "pins/machine-image",
        since: 1,
        summary: "the machine image below is chosen anew at every run",
        why: "`most_recent`, families, `latest` and runner labels are resolved when they are \
              used, so that the ground moves without any change in the repository.",
        bad: "most_recent = true",
        good: "source_ami = \"ami-0123456789abcdef0\"",
        fix: "Name one image by its immutable id.",
    },
    RuleFamily {
        id: "pins/module-ref",
        since: 1,
        summary: "a module, role, chart, action or include is used without one exact version",
        why: "Its author, or a new tag, decides what the next run does.",
        bad: "source = \"git::https://example.org/vpc.git?ref=main\"",
        good: "source = \"git::https://example.org/vpc.git?ref=<commit>\"",
        fix: "Name one released version, or the commit.",
    },
    RuleFamily {
        id: "pins/os-package",
        since: 1,
        summary: "an operating system package is installed without one exact version",
        why: "The mirror's newest version at the time of the build is installed; two builds of \
              the same file give two machines.",
        bad: "apt-get install -y curl",
        good: "apt-get install -y curl=7.88.1-10+deb12u5",
        fix: "Name the version in the manager's own syntax, or install from a dated snapshot \
              repository.",
    },
    RuleFamily {
        id: "pins/repo-source",
        since: 1,
        summary: "a package repository is added that moves: a PPA, a channel, an undated mirror",
        why: "What it offers changes at any time and is often not kept.",
        bad: "add-apt-repository ppa:deadsnakes/ppa",
        good: "deb [signed-by=…] https://snapshot.debian.org/archive/debian/20240101T000000Z/ …",
        fix: "Use a dated snapshot of it, or pin every package that is taken from it.",
    },
    RuleFamily {
        id: "pins/suppression",
        since: 1,
        summary: "a suppression comment is malformed, expired or hides nothing",
        why: "An exception that nobody looks at again becomes the rule.",
        bad: "# driftcheck:ignore pins/os-package until=soon",
        good: "# driftcheck:ignore pins/os-package until=2027-01-31 reason=\"vendor mirror\"",
        fix: "Correct or remove the comment.",
    },
    RuleFamily {
        id: "pins/tool-version",
        since: 1,
        summary: "a tool, toolchain or plugin is asked for without one exact version",
        why: "The program that builds the image is an input of the image.",
        bad: "required_plugins { amazon = { version = \">= 1.0\" } }",
        good: "required_plugins { amazon = { version = \"1.2.8\" } }",
        fix: "Name one version.",
    },
    RuleFamily {
        id: "pins/upgrade-all",
        since: 1,
        summary: "everything installed is upgraded to whatever is newest",
        why: "It undoes every pin that came before, the base image's included.",
        bad: "RUN apt-get update && apt-get upgrade -y",
        good: "FROM debian:12@sha256:<newer digest>",
        fix: "Take a newer base image, or upgrade from a dated snapshot repository.",
    },
    RuleFamily {
        id: "pins/vcs-ref",
        since: 1,
        summary: "a repository is cloned without a commit that cannot move",
        why: "The default branch, any branch and even a tag can point elsewhere tomorrow.",
        bad: "git clone https://example.org/tool.git",
        good: "git clone https://example.org/tool.git && git -C tool checkout <40 hex digits>",
        fix: "Check out a full commit hash, or at least a release tag.",
    },
];

/// The family that inputs of a category are judged by unless their carrier says otherwise.
#[must_use]
pub const fn rule_of(category: Category) -> &'static str {
    match category {
        Category::OsPackage => "pins/os-package",
        Category::LangPackage => "pins/lang-package",
        Category::Module => "pins/module-ref",
        Category::ContainerImage => "pins/image-ref",
        Category::MachineImage => "pins/machine-image",
        Category::Download => "pins/download",
        Category::VcsRef => "pins/vcs-ref",
        Category::Tool | Category::Plugin => "pins/tool-version",
        Category::RepoSource => "pins/repo-source",
    }
}

/// The row of an id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static RuleFamily> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The rule that a person may have meant: the id of the fewest typing errors, `pins/` left out or not;
/// `None` where nothing is near.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    let bare = |id: &'static str| id.strip_prefix("pins/").unwrap_or(id);
    let own = word.strip_prefix("pins/").unwrap_or(word);
    let own: String = own.chars().take(40).collect::<String>().to_ascii_lowercase();
    let distances = RULES.iter().map(|rule| (distance(&own, bare(rule.id)), rule.id));
    let (errors, id) = distances.min()?;
    let allowed = bare(id).len().min(own.len()) / 3;
    let part = own.len() > 3 && bare(id).contains(&own);
    (errors <= allowed || part).then_some(id)
}

/// Characters to put in, take out or change, or neighbours to swap, to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
            let changed = at(&row, j).saturating_add(usize::from(a != b));
            let put = at(&next, j).saturating_add(1);
            let taken = at(&row, j.saturating_add(1)).saturating_add(1);
            let mut best = changed.min(put).min(taken);
            let swapped =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j.saturating_sub(1)).saturating_add(1));
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

/// A rule for a person at a terminal.
#[must_use]
pub fn text(rule: &RuleFamily) -> String {
    let indented = |text: &str| -> String {
        text.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat()
    };
    format!(
        "{}: {}\n\n{}\n\nbad:\n{}\ngood:\n{}\nfix: {}\n",
        rule.id,
        rule.summary,
        rule.why,
        indented(rule.bad),
        indented(rule.good),
        rule.fix
    )
}

/// The page of a rule, as Markdown.
#[must_use]
pub fn page(rule: &RuleFamily) -> String {
    format!(
        "## {}\n\nFound: {}.\n\n{}\n\nBad:\n\n```\n{}\n```\n\nGood:\n\n```\n{}\n```\n\n{}\n",
        rule.id, rule.summary, rule.why, rule.bad, rule.good, rule.fix
    )
}

/// The rule pages of the docs, as Markdown.
#[must_use]
pub fn pages() -> String {
    let mut text = String::from(
        "# Rules of `driftcheck pins`\n\nMade from the table in `src/pins/rules.rs`, which `driftcheck \
         explain RULE` shows, too.\n",
    );
    for rule in RULES {
        let _ = write!(text, "\n{}", page(rule));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DRIFTCHECK_BLESS=1` writes the file anew.
    #[test]
    fn the_pages_of_the_docs_are_in_step() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
        if std::env::var_os("DRIFTCHECK_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, pages()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), pages());
    }

    #[test]
    fn what_was_meant() {
        let check =
            |word: &str, expected: Option<&str>| assert_eq!(nearest(word), expected, "{word}");
        check("pins/os-packge", Some("pins/os-package"));
        check("os-packages", Some("pins/os-package"));
        check("pins/OS-Package", Some("pins/os-package"));
        check("iamge-ref", Some("pins/image-ref"));
        check("upgrade", Some("pins/upgrade-all"));
        check("lokc", Some("pins/lock"));
        check("nginx", None);
        check("pins/", None);
        check("", None);
    }

    #[test]
    fn ids_are_sorted_unique_and_every_category_has_one() {
        assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
        for category in Category::ALL {
            assert!(rule(rule_of(category)).is_some(), "{category:?}");
        }
    }
}
