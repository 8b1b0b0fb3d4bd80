//! Machine images: those that data sources look up anew, and those that resources name.

use super::{Configuration, each_below};
use crate::pins::classify;
use crate::pins::hcl::children;
use crate::pins::hcl::module::inside;
use crate::pins::hcl::syntax::{Block, Body};
use crate::pins::hcl::value::Word;
use crate::pins::machine_image;
use crate::pins::strength::{Ecosystem, Strength};

/// Resources (by the start of their type), the path of blocks to it, and the attribute that names
/// the image they start from.
const ATTRIBUTES: &[(&str, &[&str], &str)] = &[
    ("alicloud_instance", &[], "image_id"),
    ("aws_ami_copy", &[], "source_ami_id"),
    ("aws_batch_compute_environment", &["compute_resources"], "image_id"),
    ("aws_imagebuilder_image_recipe", &[], "parent_image"),
    ("aws_instance", &[], "ami"),
    ("aws_launch_configuration", &[], "image_id"),
    ("aws_launch_template", &[], "image_id"),
    ("aws_spot_fleet_request", &["launch_specification"], "ami"),
    ("aws_spot_instance_request", &[], "ami"),
    ("azurerm_linux_virtual_machine", &[], "source_image_id"),
    ("azurerm_virtual_machine", &["storage_image_reference"], "id"),
    ("azurerm_windows_virtual_machine", &[], "source_image_id"),
    ("digitalocean_droplet", &[], "image"),
    ("google_compute_disk", &[], "image"),
    ("google_compute_instance", &["boot_disk", "initialize_params"], "image"),
    ("google_compute_instance_template", &["disk"], "source_image"),
    ("google_compute_region_instance_template", &["disk"], "source_image"),
    ("google_notebooks_instance", &["vm_image"], "image_name"),
    ("google_notebooks_instance", &["vm_image"], "image_family"),
    ("hcloud_server", &[], "image"),
    ("libvirt_volume", &[], "source"),
    ("linode_instance", &[], "image"),
    ("openstack_compute_instance_v2", &[], "image_id"),
    ("openstack_compute_instance_v2", &[], "image_name"),
    ("openstack_images_image_v2", &[], "image_source_url"),
    ("proxmox_vm_qemu", &[], "clone"),
    ("scaleway_instance_server", &[], "image"),
    ("upcloud_server", &["template"], "storage"),
    ("yandex_compute_instance", &["boot_disk", "initialize_params"], "image_id"),
];

/// Data sources whose `name` is one image's.
const NAMED: &[&str] = &["google_compute_image", "ibm_is_image", "yandex_compute_image"];

impl Configuration<'_, '_> {
    /// A data source that looks an image up.
    pub(super) fn looked_up(&mut self, block: &Block) {
        let (kind, label, body) = (block.label(0), block.label(1), &block.body);
        match kind {
            "aws_ssm_parameter" => self.parameter_store(body),
            "azurerm_platform_image" => self.platform_image(block),
            "azurerm_shared_image_version" | "azurerm_shared_image_versions" => {
                if let Some(word) = self.word(body, "name") {
                    let held = machine_image::version_strength(&word.text);
                    self.image(label, held, &word);
                }
            }
            "digitalocean_image" | "digitalocean_images" => {
                if let Some(word) = self.word(body, "slug") {
                    self.image(&word.text.clone(), machine_image::strength(&word.text), &word);
                }
            }
            "oci_core_images" => {
                let names = ["display_name", "operating_system"];
                if let Some(word) = names.iter().find_map(|name| self.word(body, name)) {
                    self.image(&word.text.clone(), Strength::Floating, &word);
                }
            }
            // Clones start from templates and library items by a name that is given to new ones.
            "vsphere_virtual_machine" | "vsphere_content_library_item" => {
                if let Some(word) = self.word(body, "name") {
                    self.image(
                        &word.text.clone(),
                        machine_image::template_strength(&word.text),
                        &word,
                    );
                }
            }
            "vsphere_ovf_vm_template" => {
                if let Some(word) = self.word(body, "remote_ovf_url") {
                    self.image(&word.text.clone(), classify::url(&word.text), &word);
                }
            }
            _ if NAMED.contains(&kind) => self.by_family(body),
            "docker_registry_image" | "docker_image" => {
                if let Some(word) = self.word(body, "name") {
                    self.container(&word);
                }
            }
            _ if kind.starts_with("aws_ecr") => {}
            _ if kind.contains("_ami") || kind.contains("_image") => self.newest(label, body),
            _ => {}
        }
    }

    fn image(&mut self, subject: &str, held: Strength, word: &Word) {
        self.push(Ecosystem::MachineImage, subject, held, word);
    }

    fn by_family(&mut self, body: &Body) {
        if let Some(word) = self.word(body, "family").filter(|word| !word.text.is_empty()) {
            let unknown = classify::is_unknown(&word.text);
            let held = if unknown { Strength::Unknown } else { Strength::Floating };
            self.image(&word.text.clone(), held, &word);
        } else if let Some(word) = self.word(body, "name").filter(|word| !word.text.is_empty()) {
            self.image(&word.text.clone(), machine_image::strength(&word.text), &word);
        }
    }

    /// `most_recent`, filters by name, regular expressions.
    fn newest(&mut self, label: &str, body: &Body) {
        let named = self.filtered_name(body);
        let known = named.as_ref().filter(|word| !classify::is_unknown(&word.text));
        let subject = known.map_or(label, |word| word.text.as_str()).to_owned();
        let newest = body.get("most_recent").filter(|expr| self.evaluator.is_true(Some(expr)));
        let held = named.as_ref().map(|word| match machine_image::strength(&word.text) {
            Strength::Content if word.text.starts_with("ami-") => Strength::Content,
            _ => machine_image::filter_strength(&word.text),
        });
        match (newest, named, held) {
            (_, Some(word), Some(held @ (Strength::Exact | Strength::Content))) => {
                self.image(&subject, held, &word);
            }
            (Some(expr), _, _) => {
                let word = Word {
                    text: "most_recent".to_owned(),
                    range: inside(expr),
                    origin: None,
                    verbatim: false,
                };
                self.image(&subject, Strength::None, &word);
            }
            (None, Some(word), Some(held)) => self.image(&subject, held, &word),
            _ => {}
        }
    }

    fn filtered_name(&self, body: &Body) -> Option<Word> {
        for filter in children(body, "filter") {
            let key = self.word(&filter, "name").map(|word| word.text).unwrap_or_default();
            if ["name", "image-id", "image_id"].contains(&key.as_str()) {
                let values = filter.get("values").or(filter.get("value"));
                return values.and_then(|values| self.evaluator.word(values));
            }
        }
        ["name_regex", "name", "image_ids"].iter().find_map(|name| self.word(body, name))
    }

    fn parameter_store(&mut self, body: &Body) {
        let Some(word) = self.word(body, "name") else { return };
        let lower = word.text.to_ascii_lowercase();
        let image = lower.starts_with("/aws/service/")
            && ["ami", "image", "bottlerocket", "eks", "ecs", "canonical", "debian"]
                .iter()
                .any(|part| lower.contains(part));
        let own = lower.split(['/', '-', '_']).any(|part| part == "ami");
        if image || own {
            let held = machine_image::parameter_strength(&word.text);
            self.image(&word.text.clone(), held, &word);
        }
    }

    fn platform_image(&mut self, block: &Block) {
        match self.present(&block.body, "version") {
            Some(word) => {
                let held = machine_image::version_strength(&word.text);
                self.image(block.label(1), held, &word);
            }
            None => {
                let at = self.present(&block.body, "sku");
                let range = at.map_or_else(|| block.label_range(0), |word| word.range);
                let id = self.push_bare(Ecosystem::MachineImage, block.label(1), &range);
                self.note(id, "no version: the latest");
            }
        }
    }

    /// Attributes of a resource that name an image.
    pub(super) fn named_images(&mut self, kind: &str, body: &Body) {
        for (resource, path, attribute) in ATTRIBUTES {
            if kind != *resource && kind.strip_suffix("_from_template") != Some(*resource) {
                continue;
            }
            let mut bodies = vec![body.clone()];
            for step in *path {
                bodies = bodies.iter().flat_map(|body| children(body, step)).collect();
            }
            for body in &bodies {
                let words = body.get(attribute).map(|expr| self.evaluator.words(expr));
                for word in words.unwrap_or_default() {
                    if !word.text.is_empty() && !is_local(&word.text) {
                        let held = machine_image::strength(&word.text);
                        self.image(&word.text.clone(), held, &word);
                    }
                }
            }
        }
        if kind == "proxmox_virtual_environment_download_file" {
            self.downloaded(body);
        }
    }

    fn downloaded(&mut self, body: &Body) {
        let Some(url) = self.present(body, "url") else { return };
        let held = match self.present(body, "checksum") {
            Some(sum) if classify::is_unknown(&sum.text) => Strength::Unknown,
            Some(_) => Strength::Content,
            None => classify::url(&url.text),
        };
        self.image(&url.text.clone(), held, &url);
    }

    /// Versions of images and launch templates in nested blocks.
    pub(super) fn versions_below(&mut self, body: &Body, depth: usize) {
        let mut found: Vec<(String, Body)> = Vec::new();
        each_below(body, depth, &mut |keyword, body| {
            let wanted = [
                "source_image_reference",
                "storage_image_reference",
                "image_reference",
                "launch_template",
                "launch_template_specification",
            ];
            if wanted.contains(&keyword) {
                found.push((keyword.to_owned(), body.clone()));
            }
        });
        for (keyword, body) in found {
            let Some(word) = self.word(&body, "version") else { continue };
            if keyword.starts_with("launch_template") {
                self.launch_template(&body, &word);
                continue;
            }
            let parts = ["publisher", "offer", "sku"];
            let names = parts.iter().filter_map(|name| self.present(&body, name));
            let subject = names.map(|word| word.text).collect::<Vec<_>>().join(":");
            let held = machine_image::version_strength(&word.text);
            self.image(&subject, held, &word);
        }
    }

    fn launch_template(&mut self, body: &Body, word: &Word) {
        let names = ["name", "launch_template_name", "id", "launch_template_id"];
        let subject = names
            .iter()
            .find_map(|name| self.word(body, name))
            .map_or_else(|| "launch template".to_owned(), |word| word.text);
        let held = match word.text.as_str() {
            "$Latest" | "$Default" => Strength::Floating,
            text if classify::is_unknown(text) => Strength::Unknown,
            _ => Strength::Content,
        };
        self.image(&subject, held, word);
    }
}

/// An image that lies in the repository or on the machine that runs this.
fn is_local(text: &str) -> bool {
    text.starts_with(['.', '/', '~']) || text.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use crate::pins::packer::tests::inputs;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(inputs("main.tf", text, &[]), expected, "{text}");
    }

    #[test]
    fn images_that_are_looked_up() {
        check(
            "data \"oci_core_images\" \"o\" {\n operating_system = \"Oracle Linux\"\n}\n",
            &["Oracle Linux@Oracle Linux:floating|Oracle Linux"],
        );
        check(
            "data \"aws_ami\" \"u\" {\n most_recent = true\n owners = [\"099720109477\"]\n filter {\n  \
             name = \"name\"\n  values = [\"ubuntu/*-22.04-*\"]\n }\n}\n",
            &["ubuntu/*-22.04-*@most_recent:none|true"],
        );
        check(
            "data \"google_compute_image\" \"d\" {\n family = \"debian-12\"\n project = \
             \"debian-cloud\"\n}\n",
            &["debian-12@debian-12:floating|debian-12"],
        );
        check(
            "data \"aws_ssm_parameter\" \"p\" {\n name = \
             \"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64\"\n}\n",
            &[
                "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64@/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64:none|/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            ],
        );
        check(
            "data \"azurerm_platform_image\" \"p\" {\n publisher = \"c\"\n offer = \"u\"\n sku = \
             \"22_04-lts\"\n}\n",
            &["p@:none|22_04-lts"],
        );
        check("data \"aws_ssm_parameter\" \"p\" {\n name = \"/app/password\"\n}\n", &[]);
        check(
            "data \"vsphere_virtual_machine\" \"t\" {\n name = \"ubuntu-template\"\n}\ndata \
             \"vsphere_content_library_item\" \"i\" {\n name = var.item\n}\nvariable \"item\" {}\n",
            &[
                "ubuntu-template@ubuntu-template:floating|ubuntu-template",
                "var.item@…:unknown|var.item",
            ],
        );
        check(
            "data \"openstack_images_image_v2\" \"u\" {\n name_regex = \"^Ubuntu 22\"\n most_recent = \
             true\n}\n",
            &["^Ubuntu 22@most_recent:none|true"],
        );
    }

    #[test]
    fn images_that_are_named() {
        check("resource \"aws_instance\" \"w\" {\n ami = data.aws_ami.u.id\n}\n", &[]);
        check(
            "variable \"ami\" {\n default = \"ami-0123456789abcdef0\"\n}\nresource \"aws_instance\" \
             \"w\" {\n ami = var.ami\n}\n",
            &["ami-0123456789abcdef0@ami-0123456789abcdef0:content|var.ami"],
        );
        check(
            "resource \"google_compute_instance\" \"w\" {\n boot_disk {\n  initialize_params {\n   \
             image = \"debian-cloud/debian-12\"\n  }\n }\n}\n",
            &["debian-cloud/debian-12@debian-cloud/debian-12:floating|debian-cloud/debian-12"],
        );
        check(
            "resource \"azurerm_linux_virtual_machine\" \"w\" {\n source_image_reference {\n  \
             publisher = \"C\"\n  offer = \"o\"\n  sku = \"s\"\n  version = \"latest\"\n }\n}\n",
            &["C:o:s@latest:none|latest"],
        );
        check(
            "resource \"aws_autoscaling_group\" \"w\" {\n launch_template {\n  name = \"t\"\n  \
             version = \"$Latest\"\n }\n}\n",
            &["t@$Latest:floating|$Latest"],
        );
    }
}
