//! Container images and manifests that a command fetches: docker, podman, kubectl and their kin.

use super::call::{Feed, Output};
use super::interpret::Interpreter;
use super::options::{Arguments, Dashes};
use super::package::{Package, is_url};
use super::words::Word;
use super::wrappers::base;
use crate::pins::audit::InputId;
use crate::pins::classify;
use crate::pins::environment::MachineFile;
use crate::pins::image::ImageRef;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};

const RUN_VALUED: &[&str] = &[
    "-v",
    "--volume",
    "-e",
    "--env",
    "--env-file",
    "-p",
    "--publish",
    "--name",
    "-w",
    "--workdir",
    "-u",
    "--user",
    "--network",
    "--net",
    "--entrypoint",
    "-h",
    "--hostname",
    "-l",
    "--label",
    "--label-file",
    "--mount",
    "--platform",
    "--restart",
    "-m",
    "--memory",
    "--cpus",
    "-c",
    "--cpu-shares",
    "--cpuset-cpus",
    "--device",
    "--dns",
    "--add-host",
    "--cap-add",
    "--cap-drop",
    "--expose",
    "--gpus",
    "--group-add",
    "--health-cmd",
    "--health-interval",
    "--health-retries",
    "--health-timeout",
    "--ip",
    "--ipc",
    "--isolation",
    "--link",
    "--log-driver",
    "--log-opt",
    "--pid",
    "--pull",
    "--runtime",
    "--security-opt",
    "--shm-size",
    "--stop-signal",
    "--stop-timeout",
    "--storage-opt",
    "--sysctl",
    "--tmpfs",
    "--ulimit",
    "--userns",
    "--uts",
    "--volume-driver",
    "--volumes-from",
    "-a",
    "--attach",
    "--cidfile",
    "--detach-keys",
    "--network-alias",
    "--cgroupns",
    "--cgroup-parent",
    "--arch",
    "--os",
    "--pod",
    "--secret",
    "--authfile",
    "--creds",
    "--tls-verify",
    "-H",
    "--host",
    "--context",
    "--config",
    "--log-level",
    "--memory-swap",
    "--oom-score-adj",
    "--pids-limit",
    "--blkio-weight",
    "--annotation",
    "--timeout",
    "--src-creds",
    "--dest-creds",
    "-n",
    "--namespace",
    "--address",
];

const KUBECTL_VALUED: &[&str] = &[
    "-f",
    "--filename",
    "-k",
    "--kustomize",
    "-n",
    "--namespace",
    "--context",
    "--kubeconfig",
    "--image",
    "-l",
    "--selector",
    "-o",
    "--output",
    "--cluster",
    "--user",
    "-s",
    "--server",
    "--token",
    "--field-manager",
    "--timeout",
    "--cascade",
    "--grace-period",
    "--prune-allowlist",
    "--dry-run",
    "--restart",
    "--overrides",
    "--env",
    "--port",
    "--labels",
    "--for",
    "-c",
    "--container",
    "--replicas",
    "-p",
    "--patch",
    "--type",
    "--from-literal",
    "--from-file",
];

/// The prefix of the machine's entries that remember images made here: no path begins with it.
const MADE: &str = "\0made\0";

/// A reference with its tag, as the daemon keeps it.
pub(in crate::pins) fn normal(image: &str) -> String {
    let parsed = ImageRef::parse(image);
    match (parsed.tag, parsed.digest) {
        (None, None) => format!("{image}:latest"),
        _ => image.to_owned(),
    }
}

impl Interpreter<'_, '_> {
    pub(super) fn containers(&mut self, name: &str, words: &[Word], output: &Output) {
        match name {
            "kubectl" | "oc" => self.kubectl(words),
            "docker-compose" => self.container_exec(words, output),
            _ => self.container(words, output),
        }
    }

    fn container(&mut self, words: &[Word], output: &Output) {
        let mut at = 1_usize;
        // Global options, then groups: `docker container run`, `ctr -n x images pull`.
        while let Some(word) = words.get(at) {
            let text = word.text();
            if text.starts_with('-') {
                at = at.saturating_add(1).saturating_add(usize::from(RUN_VALUED.contains(&text)));
            } else if ["container", "image", "images", "i", "--"].contains(&text) {
                at = at.saturating_add(1);
            } else {
                break;
            }
        }
        let Some(subcommand) = words.get(at).map(|word| word.text().to_owned()) else { return };
        let rest = words.get(at.saturating_add(1)..).unwrap_or_default();
        match subcommand.as_str() {
            "pull" | "pullimage" | "from" => {
                let arguments = Arguments::parse(rest, RUN_VALUED, Dashes::Clusters);
                for image in &arguments.operands {
                    if !self.is_made_here(image.text()) && image.text() != "scratch" {
                        self.image(image);
                    }
                }
            }
            "build" | "buildx" | "tag" | "commit" | "import" | "bud" => {
                self.made_here(&subcommand, rest);
            }
            // Its operand is a container.
            "run" if words.first().is_some_and(|word| base(word.text()) == "buildah") => {
                self.container_exec(rest, output);
            }
            "run" | "create" => self.container_run(rest, output),
            "exec" => self.container_exec(rest, output),
            "compose" => self.container_exec(rest, output),
            "copy" => {
                let arguments = Arguments::parse(rest, RUN_VALUED, Dashes::Clusters);
                if let Some(image) = arguments.operands.first()
                    && let Some(image) = image.strip_prefix("docker://")
                {
                    self.image(&image);
                }
            }
            _ => {}
        }
    }

    /// Names of images that are made here: running one of them fetches nothing.
    fn made_here(&mut self, subcommand: &str, rest: &[Word]) {
        let valued = &["-t", "--tag", "-f", "--file", "--build-arg", "--platform", "--target"];
        let arguments = Arguments::parse(rest, valued, Dashes::Clusters);
        let built = matches!(subcommand, "build" | "buildx" | "bud");
        let names: Vec<&Word> = if built {
            arguments.values(&["-t", "--tag"]).collect()
        } else {
            arguments.operands.iter().skip(1).collect()
        };
        for name in names {
            let name = normal(name.text());
            self.audit.made_image(name.clone());
            let entry = MachineFile::Repository(String::new());
            self.environment.machine.files.insert(format!("{MADE}{name}"), entry);
        }
    }

    fn is_made_here(&self, image: &str) -> bool {
        self.environment.machine.files.contains_key(&format!("{MADE}{}", normal(image)))
    }

    fn container_run(&mut self, rest: &[Word], output: &Output) {
        // Options end at the image; what follows is the command in the container.
        let mut at = 0_usize;
        while let Some(word) = rest.get(at) {
            let text = word.text();
            if !text.starts_with('-') || text == "-" {
                break;
            }
            let short = text.len() > 2 && !text.starts_with("--");
            let last = text.chars().last().map(|letter| format!("-{letter}")).unwrap_or_default();
            let valued = RUN_VALUED.contains(&text)
                || (short
                    && ["-v", "-e", "-p", "-w", "-u"].contains(&last.as_str())
                    && text.chars().all(|c| c == '-' || c.is_ascii_lowercase())
                    && text.len() <= 5);
            at = at.saturating_add(1).saturating_add(usize::from(valued));
        }
        let Some(image) = rest.get(at) else { return };
        if !self.is_made_here(image.text()) {
            let id = self.image(image);
            self.audit.run_image(id, normal(image.text()));
        }
        let command = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if command.len() > 1 {
            self.call_elsewhere(command, output);
        }
    }

    /// `docker exec [options] container command`, `docker compose exec service command`.
    fn container_exec(&mut self, rest: &[Word], output: &Output) {
        let position = rest.iter().position(|word| {
            super::managers::is_known(word.text())
                || ["sh", "bash"].contains(&base(word.text()).as_str())
        });
        if let Some(position) = position {
            self.call_elsewhere(rest.get(position..).unwrap_or_default(), output);
        }
    }

    /// A command on another machine: its files are not ours.
    fn call_elsewhere(&mut self, command: &[Word], output: &Output) {
        let ours = std::mem::take(&mut self.environment.machine);
        self.call(command.to_vec(), Feed::Nothing, output);
        self.environment.machine = ours;
    }

    /// A container image.
    pub(super) fn image(&mut self, word: &Word) -> InputId {
        let text = word.text().to_owned();
        let image = ImageRef::parse(&text);
        let name = image.name.to_owned();
        let mut package = Package::new(Ecosystem::Image, word, &name, &image.requested());
        package.strength = image.strength();
        let tag = image.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        self.package(package.form(format!("{name}{tag}@{{digest}}")))
    }

    fn kubectl(&mut self, words: &[Word]) {
        let arguments =
            Arguments::parse(words.get(1..).unwrap_or_default(), KUBECTL_VALUED, Dashes::Clusters);
        let subcommand = arguments.operands.first().map(|word| word.text().to_owned());
        let subcommand = subcommand.unwrap_or_default();
        for image in arguments.values(&["--image"]) {
            self.image(image);
        }
        let sets_image = arguments.operands.get(1).is_some_and(|word| word.text() == "image");
        if subcommand == "set" && sets_image {
            for word in arguments.operands.iter().skip(2) {
                if let Some((_, image)) = word.split_once('=') {
                    self.image(&image);
                }
            }
        }
        if !["apply", "create", "replace", "patch"].contains(&subcommand.as_str()) {
            return;
        }
        let kustomize: Vec<Word> = arguments.values(&["-k", "--kustomize"]).cloned().collect();
        let mut files: Vec<Word> = arguments.values(&["-f", "--filename"]).cloned().collect();
        files.extend(kustomize);
        for file in &files {
            let text = file.text();
            let remote = is_url(text) || text.contains("?ref=") || text.starts_with("github.com/");
            if remote && !text.starts_with(UNKNOWN) {
                let strength = manifest(text);
                let package = Package::new(Ecosystem::Kubernetes, file, text, "");
                self.package(package.held(strength));
            }
        }
    }
}

/// A manifest's URL: its `ref`, else what the path says.
pub(in crate::pins) fn manifest(url: &str) -> Strength {
    if let Some((_, query)) = url.split_once("?ref=").or_else(|| url.split_once("&ref=")) {
        return classify::git_ref(query.split('&').next().unwrap_or_default());
    }
    if url.split('/').any(classify::is_full_hash) {
        return Strength::Content;
    }
    classify::url(url)
}
