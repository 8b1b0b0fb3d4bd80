//! Fully pinned Packer and Terraform files are clean; each pin that is taken away gives exactly
//! one new finding, on that word. Hostile files give an answer or a gap.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{CARRIERS, PinReport, Repository, Requirements, SourceFile};

/// A pin and what is left when it is taken away; the finding stands on what is marked `«»`.
type Mutation = (&'static str, &'static str);

const PACKER: &str = r#"packer {
  required_version = "1.10.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "1.2.8"
    }
  }
}
variable "jq" {
  default = "1.6-2.1"
}
locals {
  tag = "12.4"
}
source "amazon-ebs" "a" {
  source_ami = "ami-0123456789abcdef0"
}
source "azure-arm" "b" {
  image_publisher = "Canonical"
  image_offer     = "jammy"
  image_sku       = "22_04-lts"
  image_version   = "22.04.202401010"
}
source "docker" "c" {
  image = "debian:${local.tag}@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}
source "qemu" "d" {
  iso_url      = "https://e.org/debian-12.4.0.iso"
  iso_checksum = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}
build {
  sources = ["source.amazon-ebs.a"]
  provisioner "shell" {
    inline = [
      "apt-get install -y curl=7.88.1-10 jq=${var.jq}",
      "pip install \"requests==2.31.0\"",
    ]
  }
  provisioner "shell" {
    inline = [<<-EOT
      set -e
      gem install rake:13.0.6
    EOT
    ]
  }
  provisioner "chef-solo" {
    version = "18.2.7"
  }
}
"#;

const PACKER_MUTATIONS: &[Mutation] = &[
    ("required_version = \"1.10.0\"", "required_version = \"«>= 1.10»\""),
    ("      version = \"1.2.8\"\n", "      version = \"«~> 1.2»\"\n"),
    ("ami-0123456789abcdef0", "«resolve:ssm:/golden/ami»"),
    ("\"22.04.202401010\"", "\"«latest»\""),
    (
        "debian:${local.tag}@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "«debian:${local.tag}»",
    ),
    (
        "iso_checksum = \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
        "iso_checksum = \"«none»\"",
    ),
    (
        "iso_checksum = \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
        "iso_checksum = \"«file:https://e.org/SHA256SUMS»\"",
    ),
    ("curl=7.88.1-10", "«curl»"),
    ("jq=${var.jq}", "«jq»"),
    ("requests==2.31.0", "«requests»"),
    ("rake:13.0.6", "«rake»"),
    ("\"18.2.7\"", "\"«latest»\""),
];

const LEGACY: &str = r#"{
  "variables": {"version": "1.6-2.1"},
  "builders": [
    {"type": "googlecompute", "source_image": "debian-12-bookworm-v20240110"},
    {"type": "virtualbox-iso", "iso_url": "https://e.org/d.iso", "iso_checksum": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  ],
  "provisioners": [
    {"type": "shell", "inline": ["apk add \"curl=8.5.0-r0\" jq={{user `version`}}"]}
  ]
}
"#;

const LEGACY_MUTATIONS: &[Mutation] = &[
    (
        "\"source_image\": \"debian-12-bookworm-v20240110\"",
        "\"source_image_family\": \"«debian-12»\"",
    ),
    ("\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"", "\"«none»\""),
    ("curl=8.5.0-r0", "«curl»"),
    ("jq={{user `version`}}", "«jq»"),
];

const TERRAFORM: &str = r##"terraform {
  required_version = "1.6.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.31.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "3.86.0"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "2.12.1"
    }
  }
  backend "s3" {}
}
locals {
  redis = "redis@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}
module "vpc" {
  source  = "terraform-aws-modules/vpc/aws"
  version = "5.1.2"
}
module "git" {
  source = "git::https://e.org/m.git//sub?ref=0123456789012345678901234567890123456789"
}
resource "aws_instance" "web" {
  ami       = "ami-0123456789abcdef0"
  user_data = <<-EOF
    #!/bin/bash
    yum install -y nginx-1.20.1-14.el9
    echo "${local.redis}"
  EOF
  provisioner "remote-exec" {
    inline = ["sudo npm i -g npm@10.2.5"]
  }
}
resource "aws_autoscaling_group" "g" {
  launch_template {
    id      = "lt-1"
    version = "3"
  }
}
resource "aws_ecs_task_definition" "t" {
  container_definitions = jsonencode([{ name = "r", image = local.redis }])
}
resource "azurerm_linux_virtual_machine" "v" {
  source_image_reference {
    publisher = "Canonical"
    offer     = "jammy"
    sku       = "22_04-lts"
    version   = "22.04.202401010"
  }
}
resource "helm_release" "h" {
  repository = "https://e.org/charts"
  chart      = "redis"
  version    = "18.6.1"
}
"##;

const LOCK: &str = r#"provider "registry.terraform.io/hashicorp/aws" {
  version = "5.31.0"
  hashes = [
    "h1:abc=",
  ]
}
provider "registry.terraform.io/hashicorp/azurerm" {
  version = "3.86.0"
  hashes  = ["h1:def="]
}
provider "registry.terraform.io/hashicorp/helm" {
  version = "2.12.1"
  hashes  = ["zh:0123"]
}
"#;

const TERRAFORM_MUTATIONS: &[Mutation] = &[
    ("required_version = \"1.6.6\"", "required_version = \"«>= 1.0»\""),
    ("version = \"5.1.2\"", "version = \"«~> 5.0»\""),
    ("?ref=0123456789012345678901234567890123456789", "?ref=«main»"),
    ("?ref=0123456789012345678901234567890123456789", "?ref=«0123456»"),
    ("\"ami-0123456789abcdef0\"", "\"«resolve:ssm:/golden/latest»\""),
    ("nginx-1.20.1-14.el9", "«nginx»"),
    ("npm@10.2.5", "«npm»"),
    ("version = \"3\"", "version = \"«$Latest»\""),
    ("image = local.redis", "image = \"«redis:7»\""),
    ("\"22.04.202401010\"", "\"«latest»\""),
    ("\"18.6.1\"", "\"«^18.0»\""),
];

/// Findings as raw words and their ranges.
fn findings(path: &str, text: &str, others: &[(&str, &str)]) -> Vec<(usize, usize, String)> {
    let files = others.iter().map(|(path, text)| (*path, text.as_bytes()));
    let repository = Repository::of_files(files.chain([(path, text.as_bytes())]));
    let file = SourceFile::new(path, text.as_bytes());
    let carrier = CARRIERS.iter().find(|row| (row.recognises)(path, text.as_bytes())).unwrap();
    let collected = audit_source(&file, carrier, &repository);
    let policy = Requirements::shipped().unwrap();
    let report = PinReport::judge(collected.inputs, collected.remarks, collected.gaps, &policy);
    assert!(report.gaps.is_empty(), "{:?}", report.gaps);
    let words = report.findings.iter().map(|finding| {
        let (from, to) = finding.byte_range;
        (from, to, text[from..to].to_owned())
    });
    words.collect()
}

fn check(path: &str, sample: &str, others: &[(&str, &str)], mutations: &[Mutation]) {
    let clean = findings(path, sample, others);
    assert!(clean.is_empty(), "{path} is not clean: {clean:?}");
    for (pin, stripped) in mutations {
        assert!(sample.contains(pin), "{pin}");
        let text = sample.replacen(pin, stripped, 1);
        let from = text.find('«').unwrap();
        let to = text.find('»').unwrap() - '«'.len_utf8();
        let text = text.replace(['«', '»'], "");
        let expected = (from, to, text[from..to].to_owned());
        assert_eq!(findings(path, &text, others), [expected], "{pin} -> {stripped}");
    }
}

#[test]
fn each_pin_taken_away_is_one_finding() {
    check("a.pkr.hcl", PACKER, &[], PACKER_MUTATIONS);
    check("a.json", LEGACY, &[], LEGACY_MUTATIONS);
    check("main.tf", TERRAFORM, &[(".terraform.lock.hcl", LOCK)], TERRAFORM_MUTATIONS);
}

#[test]
fn what_no_lock_file_covers_is_found() {
    let found = findings("main.tf", TERRAFORM, &[]);
    let words: Vec<&str> = found.iter().map(|(_, _, word)| word.as_str()).collect();
    assert_eq!(words, ["5.31.0", "3.86.0", "2.12.1"]);
    let other = LOCK.replace("hashicorp/aws", "hashicorp/tls");
    assert_eq!(findings("main.tf", TERRAFORM, &[(".terraform.lock.hcl", &other)]).len(), 1);
}

#[test]
fn hostile_files_end() {
    let deep = format!("x = {}1{}\n", "[".repeat(50_000), "]".repeat(50_000));
    let blocks = format!("{}{}", "a {\n".repeat(20_000), "}\n".repeat(20_000));
    let doubling: String =
        (0..60).map(|n| format!("  l{} = \"${{local.l{n}}}${{local.l{n}}}\"\n", n + 1)).collect();
    let doubling = format!(
        "locals {{\n  l0 = \"apt-get install curl\"\n{doubling}}}\nresource \"x\" \"y\" {{\n  \
         user_data = local.l60\n}}\n"
    );
    let circle =
        "locals {\n  a = local.b\n  b = local.a\n}\nresource \"x\" \"y\" {\n  user_data = \
                  local.a\n}\n"
            .to_owned();
    let keys: String = (0..60_000).map(|n| format!("k{n} = 1\n")).collect();
    let line = format!("x = \"{}\"\n", "apt-get install curl; ".repeat(50_000));
    let garbage: String = (0..2_000_000_u32)
        .map(|n| char::from(b' ' + u8::try_from(n.wrapping_mul(2_654_435_761) >> 25).unwrap() % 95))
        .collect();
    let texts =
        [deep, blocks, doubling, circle, format!("x = {{\n{keys}}}\n"), line, garbage.clone()];
    for text in &texts {
        for path in ["a.pkr.hcl", "a.tf", "a.tf.json", "a.json"] {
            let carrier = CARRIERS.iter().find(|row| (row.recognises)(path, b"\"builders\""));
            let file = SourceFile::new(path, text.as_bytes());
            let repository = Repository::of_files([(path, text.as_bytes())]);
            let collected = audit_source(&file, carrier.unwrap(), &repository);
            let failed = collected.gaps.iter().any(|gap| gap.reason.contains("reader failed"));
            assert!(!failed, "{path}: {:?}", collected.gaps);
        }
    }
}
