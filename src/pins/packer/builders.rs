//! What each builder starts from: machine images by id, name, family or filter, container images,
//! ISO files and boxes with their checksums; and data sources that look such images up.

use super::Template;
use crate::pins::classify;
use crate::pins::hcl::module::inside;
use crate::pins::hcl::syntax::{Block, Body};
use crate::pins::hcl::value::Word;
use crate::pins::hcl::{children, locate, run_time};
use crate::pins::machine_image;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};

/// How an attribute names an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// By id or name.
    Image,
    /// By family, template or slug: it moves on purpose.
    Moving,
    /// A container image.
    Container,
}

/// Builders (by the start of their name) and the attributes that name their image.
const ATTRIBUTES: &[(&str, &str, Names)] = &[
    ("alicloud", "image_family", Names::Moving),
    ("alicloud", "source_image", Names::Image),
    ("amazon", "source_ami", Names::Image),
    ("azure", "source", Names::Image),
    ("cloudstack", "source_template", Names::Image),
    ("digitalocean", "image", Names::Image),
    ("docker", "image", Names::Container),
    ("googlecompute", "source_image", Names::Image),
    ("googlecompute", "source_image_family", Names::Moving),
    ("hcloud", "image", Names::Image),
    ("huaweicloud", "source_image", Names::Image),
    ("huaweicloud", "source_image_name", Names::Image),
    ("hyperone", "source_image", Names::Image),
    ("ibmcloud", "vsi_base_image_id", Names::Image),
    ("ibmcloud", "vsi_base_image_name", Names::Image),
    ("incus", "image", Names::Image),
    ("linode", "image", Names::Image),
    ("lxd", "image", Names::Image),
    ("nutanix", "source_image_name", Names::Image),
    ("openstack", "source_image", Names::Image),
    ("openstack", "source_image_name", Names::Image),
    ("oracle-classic", "source_image_list", Names::Moving),
    ("oracle-oci", "base_image_ocid", Names::Image),
    ("osc", "source_omi", Names::Image),
    ("outscale", "source_omi", Names::Image),
    ("podman", "image", Names::Container),
    ("profitbricks", "image", Names::Image),
    ("proxmox-clone", "clone_vm", Names::Moving),
    ("scaleway", "image", Names::Image),
    ("tart", "vm_base_name", Names::Container),
    ("tencentcloud", "source_image_id", Names::Image),
    ("tencentcloud", "source_image_name", Names::Image),
    ("ucloud", "source_image_id", Names::Image),
    ("upcloud", "storage_name", Names::Moving),
    ("upcloud", "storage_uuid", Names::Image),
    ("vsphere-clone", "template", Names::Moving),
    ("yandex", "source_image_family", Names::Moving),
    ("yandex", "source_image_id", Names::Image),
    ("yandex", "source_image_name", Names::Image),
];

/// Attributes that name a file by URL, and those that name its checksum.
const CHECKED: &[(&[&str], &[&str])] = &[
    (&["iso_url", "iso_urls", "iso_download_url"], &["iso_checksum", "iso_checksum_url"]),
    (&["ipsw_url", "parallels_ipsw_url"], &["ipsw_checksum", "parallels_ipsw_checksum"]),
    (&["guest_additions_url"], &["guest_additions_sha256"]),
];

/// Blocks that look an image up among several.
const FILTERS: &[&str] = &[
    "base_image_filter",
    "image_filter",
    "source_ami_filter",
    "source_image_filter",
    "source_machine_image_filter",
    "source_omi_filter",
];

impl Template<'_, '_> {
    /// A `source` block of a build, which adds to a source that stands elsewhere.
    pub(super) fn overridden(&mut self, kind: &str, name: &str, body: &Body) {
        if !body.attributes.is_empty() || !body.blocks.is_empty() {
            self.images(kind, body);
            self.filters(name, body);
            self.isos(body, name);
        }
    }

    pub(super) fn builder(&mut self, kind: &str, name: &str, body: &Body) {
        self.images(kind, body);
        self.filters(name, body);
        self.isos(body, name);
        match kind {
            "vagrant" => self.vagrant(body),
            _ if kind.starts_with("azure") => self.azure(body),
            "openstack" => self.image_url(body, "external_source_image_url"),
            "libvirt" => {
                for source in children(body, "volume").iter().flat_map(|v| children(v, "source")) {
                    self.fetched(&source, name, &["urls"], &["checksum"]);
                }
            }
            "nutanix" => {
                for disk in children(body, "vm_disks") {
                    self.images(kind, &disk);
                    let checksum = &["source_image_checksum"];
                    self.fetched(&disk, name, &["source_image_uri"], checksum);
                }
            }
            "virtualbox-ovf" | "parallels-pvm" | "hyperv-vmcx" | "vmware-vmx" => {
                self.image_url(body, "source_path");
            }
            _ => {}
        }
    }

    fn images(&mut self, kind: &str, body: &Body) {
        let rows = ATTRIBUTES.iter().filter(|(builder, _, _)| kind.starts_with(builder));
        for (_, attribute, names) in rows {
            let words = body.get(attribute).map(|expr| self.evaluator.words(expr));
            for word in words.unwrap_or_default().into_iter().filter(|word| !word.text.is_empty()) {
                self.named(&word, *names);
            }
        }
    }

    fn named(&mut self, word: &Word, names: Names) {
        match names {
            Names::Container => {
                self.container(word);
            }
            Names::Image => self.image(word, machine_image::strength(&word.text)),
            Names::Moving => {
                self.image(word, machine_image::template_strength(&word.text));
            }
        }
    }

    fn image(&mut self, word: &Word, strength: Strength) {
        self.push(Ecosystem::MachineImage, &word.text, strength, word);
    }

    fn filters(&mut self, name: &str, body: &Body) {
        for filter in FILTERS {
            for block in children(body, filter) {
                self.filter(name, &block);
            }
        }
    }

    /// `filters { name = "…" }`, `most_recent`.
    fn filter(&mut self, label: &str, body: &Body) {
        let filters = children(body, "filters").into_iter().next().unwrap_or_default();
        let named = ["name", "image-id", "image_id", "name_regex"]
            .iter()
            .find_map(|key| self.word(&filters, key).or_else(|| self.word(body, key)));
        let known = named.as_ref().filter(|word| !classify::is_unknown(&word.text));
        let subject = known.map_or(label, |word| word.text.as_str()).to_owned();
        let newest = body.get("most_recent").filter(|expr| self.evaluator.is_true(Some(expr)));
        let held = named.as_ref().map(|word| match machine_image::strength(&word.text) {
            Strength::Content if word.text.starts_with("ami-") => Strength::Content,
            _ => machine_image::filter_strength(&word.text),
        });
        match (newest, named, held) {
            // A name without wildcards is one image, whatever else is asked.
            (_, Some(word), Some(held @ (Strength::Exact | Strength::Content))) => {
                self.push(Ecosystem::MachineImage, &subject, held, &word);
            }
            (Some(expr), _, _) => {
                if let Some(word) = self.evaluator.word(expr) {
                    let word = Word { text: "most_recent".to_owned(), verbatim: false, ..word };
                    self.push(Ecosystem::MachineImage, &subject, Strength::None, &word);
                }
            }
            (None, Some(word), Some(held)) => {
                self.push(Ecosystem::MachineImage, &subject, held, &word);
            }
            // Oracle's filter takes the newest that matches.
            (None, None, _) => {
                let matched = ["display_name_search", "display_name", "operating_system"];
                let word = matched.iter().find_map(|key| self.present(body, key));
                if let Some(word) = word {
                    let subject = word.text.clone();
                    let id = self.push(Ecosystem::MachineImage, &subject, Strength::None, &word);
                    self.note(id, "the newest that matches");
                }
            }
            _ => {}
        }
    }

    fn azure(&mut self, body: &Body) {
        let offered = ["image_sku", "image_offer", "image_publisher"]
            .iter()
            .find_map(|name| self.present(body, name));
        if let Some(sku) = offered {
            let parts = ["image_publisher", "image_offer", "image_sku"];
            let names = parts.iter().filter_map(|name| self.present(body, name));
            let subject = names.map(|word| word.text).collect::<Vec<_>>().join(":");
            match self.present(body, "image_version") {
                Some(word) => {
                    let held = machine_image::version_strength(&word.text);
                    self.push(Ecosystem::MachineImage, &subject, held, &word);
                }
                None => {
                    let id = self.push_bare(Ecosystem::MachineImage, &subject, &sku.range);
                    self.note(id, "no image_version: the latest");
                }
            }
        }
        for gallery in children(body, "shared_image_gallery") {
            let Some(name) = self.present(&gallery, "image_name") else { continue };
            match self.present(&gallery, "image_version") {
                Some(word) => {
                    let held = machine_image::version_strength(&word.text);
                    self.push(Ecosystem::MachineImage, &name.text, held, &word);
                }
                None => {
                    let id = self.push_bare(Ecosystem::MachineImage, &name.text, &name.range);
                    self.note(id, "no image_version: the latest");
                }
            }
        }
    }

    /// Images that a variable file names, whatever builder takes them.
    pub(super) fn values(&mut self, body: &Body) {
        self.isos(body, "");
        if body.get("image_version").is_some() {
            self.azure(body);
        }
    }

    /// ISO files of a builder or of its nested blocks.
    fn isos(&mut self, body: &Body, name: &str) {
        self.iso(body, name);
        for block in ["boot_iso", "additional_iso_files"] {
            for inner in children(body, block) {
                self.iso(&inner, name);
            }
        }
    }

    fn iso(&mut self, body: &Body, name: &str) {
        for (urls, checksums) in CHECKED {
            self.fetched(body, name, urls, checksums);
        }
    }

    /// A file with its checksum: `iso_url` with `iso_checksum`, and their kin.
    fn fetched(&mut self, body: &Body, name: &str, urls: &[&str], checksums: &[&str]) {
        let url = urls
            .iter()
            .find_map(|attribute| self.present(body, attribute))
            .filter(|word| !word.text.is_empty());
        let checksum = checksums.iter().find_map(|attribute| self.present(body, attribute));
        let subject = url.as_ref().map_or(name, |word| word.text.as_str());
        let subject = if subject.is_empty() { "iso" } else { subject }.to_owned();
        match (url, checksum) {
            (_, Some(checksum)) if !checksum.text.is_empty() => {
                self.checked(&subject, &checksum);
            }
            (Some(url), None | Some(_)) if is_remote(&url.text) => {
                let none = self.word(body, "iso_checksum_type").is_none_or(|w| w.text == "none");
                let held = if none { Strength::None } else { Strength::Unknown };
                let id = self.push(Ecosystem::MachineImage, &subject, held, &url);
                self.note(id, "no checksum");
            }
            _ => {}
        }
    }

    /// An image held by a checksum: a literal one holds its content, one that is fetched does not.
    fn checked(&mut self, subject: &str, checksum: &Word) {
        let text = checksum.text.trim();
        let lower = text.to_ascii_lowercase();
        let (held, note) = if lower == "none" {
            (Strength::None, Some("the checksum is switched off"))
        } else if let Some(file) = text.strip_prefix("file:").or_else(|| {
            // `iso_checksum_url` names the file without a scheme of its own.
            lower.starts_with("http").then_some(text)
        }) {
            self.checksum_file(file)
        } else if classify::is_unknown(text) {
            (Strength::Unknown, None)
        } else {
            let value = text.rsplit(':').next().unwrap_or_default();
            let whole = [32, 40, 64, 96, 128].contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            if whole {
                (Strength::Content, None)
            } else {
                (Strength::None, Some("this is no checksum"))
            }
        };
        let id = self.push(Ecosystem::MachineImage, subject, held, checksum);
        if let Some(note) = note {
            self.note(id, note);
        }
    }

    fn checksum_file(&self, file: &str) -> (Strength, Option<&'static str>) {
        let remote = file.contains("://") && !file.starts_with("file://");
        if !remote {
            let own = &self.evaluator.file;
            let found = locate(self.evaluator.repository, own, file).is_some();
            let held = if found { Strength::Content } else { Strength::Unknown };
            return (held, None);
        }
        let note = "the checksum is fetched, too: whoever changes one changes both";
        match classify::url(file) {
            Strength::Exact => (Strength::Exact, Some(note)),
            _ => (Strength::Floating, Some(note)),
        }
    }

    fn image_url(&mut self, body: &Body, attribute: &str) {
        let Some(url) = self.word(body, attribute).filter(|word| is_remote(&word.text)) else {
            return;
        };
        match self.present(body, "checksum") {
            Some(checksum) => self.checked(&url.text.clone(), &checksum),
            None => {
                let id = self.push(Ecosystem::MachineImage, &url.text, Strength::None, &url);
                self.note(id, "no checksum");
            }
        }
    }

    fn vagrant(&mut self, body: &Body) {
        let Some(source) = self.present(body, "source_path") else { return };
        let local = source.text.starts_with(['.', '/', '~'])
            || (source.text.ends_with(".box") && !source.text.contains("://"));
        if local || source.text.is_empty() {
            return;
        }
        let checksum = self.present(body, "checksum").filter(|word| word.text != "none");
        let subject = source.text.clone();
        if let Some(checksum) = checksum {
            self.checked(&subject, &checksum);
            return;
        }
        match self.present(body, "box_version") {
            Some(version) => {
                let held = classify::constraint(&version.text);
                self.push(Ecosystem::MachineImage, &subject, held, &version);
            }
            None => {
                let held =
                    if classify::is_unknown(&subject) { Strength::Unknown } else { Strength::None };
                let word = Word { text: String::new(), verbatim: false, ..source };
                let id = self.push(Ecosystem::MachineImage, &subject, held, &word);
                self.note(id, "no box_version and no checksum");
            }
        }
    }

    pub(super) fn data(&mut self, block: &Block) {
        let body = &block.body;
        match block.label(0) {
            "amazon-ami" => self.filter(block.label(1), body),
            "amazon-parameterstore" => {
                if let Some(word) = self.word(body, "name") {
                    let held = machine_image::parameter_strength(&word.text);
                    self.image(&word, held);
                }
            }
            "hcp-packer-version"
            | "hcp-packer-iteration"
            | "hcp-packer-artifact"
            | "hcp-packer-image" => self.registry(block),
            "http" => {
                if let Some(word) = self.word(body, "url") {
                    let held = classify::url(&word.text);
                    self.push(Ecosystem::Download, &word.text, held, &word);
                }
            }
            _ => {}
        }
    }

    /// HCP Packer's registry: a channel moves, a fingerprint does not.
    fn registry(&mut self, block: &Block) {
        let body = &block.body;
        let bucket = self
            .word(body, "bucket_name")
            .map_or_else(|| block.label(1).to_owned(), |word| word.text);
        let fixed = ["version_fingerprint", "iteration_id"];
        if let Some(expr) = fixed.iter().find_map(|name| body.get(name)) {
            // A reference to another data source is judged there.
            if let Some(word) = self.evaluator.word(expr) {
                let unknown = word.text.contains(UNKNOWN);
                let held = if unknown { Strength::Unknown } else { Strength::Content };
                self.push(Ecosystem::MachineImage, &bucket, held, &word);
            }
            return;
        }
        for name in ["channel_name", "channel"] {
            if let Some(expr) = body.get(name) {
                let word = self.evaluator.word(expr);
                let word = word.unwrap_or_else(|| run_time(expr));
                let word = Word { range: inside(expr), ..word };
                self.push(Ecosystem::MachineImage, &bucket, Strength::Floating, &word);
                return;
            }
        }
    }
}

fn is_remote(url: &str) -> bool {
    url.contains("://") && !url.starts_with("file:") || classify::is_unknown(url)
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(inputs("t/a.pkr.hcl", text, &[]), expected, "{text}");
    }

    #[test]
    fn amazon() {
        check(
            "source \"amazon-ebs\" \"x\" {\n source_ami = \"ami-0123456789abcdef0\"\n}\n",
            &["ami-0123456789abcdef0@ami-0123456789abcdef0:content|ami-0123456789abcdef0"],
        );
        check(
            "source \"amazon-ebs\" \"x\" {\n source_ami_filter {\n  filters = {\n   name = \
             \"ubuntu/*-22.04-*\"\n  }\n  most_recent = true\n }\n}\n",
            &["ubuntu/*-22.04-*@most_recent:none|true"],
        );
        check(
            "variable \"ami\" {}\nsource \"amazon-ebs\" \"x\" {\n source_ami = var.ami\n}\n",
            &["var.ami@…:unknown|var.ami"],
        );
        check(
            "data \"amazon-ami\" \"x\" {\n filters = { name = \"al2023-2024\" }\n}\n",
            &["al2023-2024@al2023-2024:exact|al2023-2024"],
        );
    }

    #[test]
    fn clouds() {
        check(
            "source \"azure-arm\" \"x\" {\n image_publisher = \"c\"\n image_offer = \"u\"\n \
             image_sku = \"22_04-lts\"\n}\n",
            &["c:u:22_04-lts@:none|22_04-lts"],
        );
        check(
            "source \"googlecompute\" \"x\" {\n source_image_family = \"debian-12\"\n}\n",
            &["debian-12@debian-12:floating|debian-12"],
        );
        check(
            "locals {\n tag = \"12\"\n}\nsource \"docker\" \"x\" {\n image = \"debian:${local.tag}\"\n}\n",
            &["debian@12:floating|debian:${local.tag}"],
        );
        check(
            "source \"triton\" \"x\" {\n source_machine_image_filter {\n  name = \"b-*\"\n  most_recent = true\n }\n}\n",
            &["b-*@most_recent:none|true"],
        );
        check(
            "source \"oracle-oci\" \"x\" {\n base_image_filter {\n  display_name_search = \"^Oracle\"\n }\n}\n",
            &["^Oracle@^Oracle:none|^Oracle"],
        );
        check(
            "source \"nutanix\" \"x\" {\n vm_disks {\n  source_image_name = \"b\"\n }\n}\n",
            &["b@b:floating|b"],
        );
        check(
            "source \"libvirt\" \"x\" {\n volume {\n  source {\n   urls = [\"https://e.org/b\"]\n   checksum = \"none\"\n  }\n }\n}\n",
            &["https://e.org/b@none:none|none"],
        );
        check(
            "data \"hcp-packer-version\" \"x\" {\n bucket_name = \"b\"\n channel_name = \"prod\"\n}\n",
            &["b@prod:floating|prod"],
        );
    }

    #[test]
    fn isos_and_boxes() {
        let sum = "a".repeat(64);
        check(
            &format!(
                "source \"qemu\" \"x\" {{\n iso_url = \"https://e.org/a.iso\"\n iso_checksum = \
                 \"sha256:{sum}\"\n}}\n"
            ),
            &[&format!("https://e.org/a.iso@sha256:{sum}:content|sha256:{sum}")],
        );
        check(
            "source \"qemu\" \"x\" {\n iso_url = \"https://e.org/current/a.iso\"\n iso_checksum = \
             \"file:https://e.org/current/SHA256SUMS\"\n}\n",
            &[
                "https://e.org/current/a.iso@file:https://e.org/current/SHA256SUMS:floating|file:https://e.org/current/SHA256SUMS",
            ],
        );
        check(
            "source \"qemu\" \"x\" {\n iso_url = \"https://e.org/a.iso\"\n iso_checksum = \"none\"\n}\n",
            &["https://e.org/a.iso@none:none|none"],
        );
        check(
            "source \"vagrant\" \"x\" {\n source_path = \"hashicorp/bionic64\"\n}\n",
            &["hashicorp/bionic64@:none|hashicorp/bionic64"],
        );
        check(
            "source \"vagrant\" \"x\" {\n source_path = \"h/b\"\n box_version = \"1.0.282\"\n}\n",
            &["h/b@1.0.282:exact|1.0.282"],
        );
    }

    #[test]
    fn variable_files_are_read() {
        assert_eq!(
            inputs(
                "x.pkrvars.hcl",
                "iso_url = \"https://e.org/a.iso\"\niso_checksum = \"none\"\n",
                &[]
            ),
            ["https://e.org/a.iso@none:none|none"]
        );
        let other = ("t/v.auto.pkrvars.hcl", "family = \"debian-12\"\n");
        let text = "variable \"family\" {}\nsource \"googlecompute\" \"x\" {\n \
                    source_image_family = var.family\n}\n";
        assert_eq!(
            inputs("t/a.pkr.hcl", text, &[other]),
            ["debian-12@debian-12:floating|var.family"]
        );
    }
}
