//! Test Kitchen: the images that a cookbook is converged on, and the client that converges it.

use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::input::Input;
use crate::pins::repository::SourceFile;
use crate::pins::shell::{self, Context, Expanded};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// `kitchen.yml`.
pub(super) fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = without_erb(&file.fragment());
    for document in yaml::parse(&fragment).report(audit) {
        driver(document.get("driver"), audit);
        provisioner(document.get("provisioner"), audit);
        for list in ["platforms", "suites"] {
            for entry in document.get(list).map(Node::items).unwrap_or_default() {
                driver(entry.get("driver"), audit);
                driver(entry.get("driver_config"), audit);
                provisioner(entry.get("provisioner"), audit);
            }
        }
    }
}

/// `<%= … %>` is a value from outside, `<% … %>` is nothing.
fn without_erb(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    if !text.contains("<%") {
        return fragment.clone();
    }
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find("<%")) {
        let open = at.saturating_add(open);
        let Some(length) = text.get(open..).and_then(|rest| rest.find("%>")) else { break };
        let end = open.saturating_add(length).saturating_add(2);
        builder.append_range(fragment, at..open);
        if text.get(open..end).is_some_and(|part| part.starts_with("<%=")) {
            builder.unknown(fragment.raw_range(open..end));
        }
        at = end;
    }
    builder.append_range(fragment, at..text.len());
    builder.finish()
}

fn driver(driver: Option<&Node>, audit: &mut Audit<'_>) {
    let Some(driver) = driver else { return };
    if let Some(image) = driver.get("image").and_then(Node::fragment) {
        // A cloud's driver has its own ids there.
        let cloud = image.text().starts_with("ami-") || driver.get("image_id").is_some();
        if !cloud && !image.text().trim().is_empty() {
            shell::image(&Expanded::plain(image.clone()), &mut Environment::default(), audit);
        }
    }
    // What is run while the image is built, one shell for each line.
    if let Some(commands) = driver.get("provision_command") {
        let lines = std::iter::once(commands).chain(commands.items());
        let mut environment = Environment::default();
        for line in lines.filter_map(Node::fragment) {
            shell::audit(line, &mut environment, audit, Context::default());
        }
    }
    let Some(name) = driver.get("box").and_then(Node::fragment) else { return };
    let version = driver.get("box_version").and_then(Node::text).unwrap_or_default();
    let strength = classify::version(Ecosystem::MachineImage, version);
    let place = audit.place(name.raw_whole());
    let subject = name.text().replace(UNKNOWN, "…");
    let input = Input::new(Ecosystem::MachineImage, &subject, strength, place);
    audit.push(input.requesting(&version.replace(UNKNOWN, "…")));
}

/// The client's version: `true` and a major number mean whatever is newest.
fn provisioner(provisioner: Option<&Node>, audit: &mut Audit<'_>) {
    let Some(provisioner) = provisioner else { return };
    for key in [
        "product_version",
        "chef_version",
        "require_chef_omnibus",
        "puppet_version",
        "ansible_version",
        "salt_version",
    ] {
        let Some(version) = provisioner.get(key).and_then(Node::fragment) else { continue };
        let text = version.text();
        let strength = match text {
            "false" | "" => continue,
            "true" => Strength::None,
            text if classify::is_unknown(text) => Strength::Unknown,
            text if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && text.matches('.').count() < 2 =>
            {
                Strength::Range
            }
            text => classify::version(Ecosystem::Tool, text),
        };
        let tool = match key.split_once('_') {
            Some(("product" | "require", _)) | None => "chef",
            Some((tool, _)) => tool,
        };
        let place = audit.place(version.raw_whole());
        let input = Input::new(Ecosystem::Tool, tool, strength, place);
        audit.push(input.requesting(&text.replace(UNKNOWN, "…")));
    }
}
