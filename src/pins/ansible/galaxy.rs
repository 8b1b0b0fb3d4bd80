//! Roles and collections that are taken from Galaxy or from git: `requirements.yml`, `galaxy.yml`,
//! `meta/main.yml`.

use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::input::{Input, PinForm};
use crate::pins::repository::file_name;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{Kind, Node};

/// Hosts whose addresses are git repositories.
const GIT_HOSTS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org"];

/// `roles` and `collections`, or the old list of roles.
pub(super) fn requirements(documents: &[Node], audit: &mut Audit<'_>) {
    for document in documents {
        if document.is_sequence() {
            list(document, false, audit);
        } else {
            dictionary(document, audit);
        }
    }
}

/// `{roles: […], collections: […]}`.
pub(super) fn dictionary(node: &Node, audit: &mut Audit<'_>) {
    if let Some(roles) = node.get("roles") {
        list(roles, false, audit);
    }
    if let Some(collections) = node.get("collections") {
        list(collections, true, audit);
    }
}

fn list(node: &Node, collections: bool, audit: &mut Audit<'_>) {
    for item in node.items() {
        match item.kind() {
            Kind::Scalar { .. } => plain(item, collections, audit),
            Kind::Mapping(_) => entry(item, collections, audit),
            Kind::Sequence(_) => {}
        }
    }
}

/// `namespace.name`, `namespace.name:1.2.3`, `name,v1.2`, `git+https://…,v1.2`.
fn plain(item: &Node, collections: bool, audit: &mut Audit<'_>) {
    let Some(text) = item.text() else { return };
    let separator = if collections && !text.contains("://") { ':' } else { ',' };
    let (name, version) = text.split_once(separator).unwrap_or((text, ""));
    push(item, item, name, version.trim(), None, audit);
}

fn entry(item: &Node, collections: bool, audit: &mut Audit<'_>) {
    let source = if collections {
        item.get("name").or(item.get("source"))
    } else {
        item.get("src").or(item.get("name")).or(item.get("role"))
    };
    let Some(source) = source else { return };
    let kind = item.get("type").or(item.get("scm")).and_then(Node::text);
    if matches!(kind, Some("dir" | "subdirs" | "file")) {
        return;
    }
    let Some(name) = source.text() else { return };
    // The old form: everything in one word.
    let (name, own) = match name.split_once(',') {
        Some(parts) if !collections || name.contains("://") || name.contains('@') => parts,
        _ => (name, ""),
    };
    let version = item.get("version").filter(|version| !version.is_null());
    let requested = version.and_then(Node::text).unwrap_or(own).to_owned();
    push(source, version.unwrap_or(source), name, requested.trim(), kind, audit);
}

fn push(
    at: &Node,
    version: &Node,
    name: &str,
    requested: &str,
    kind: Option<&str>,
    audit: &mut Audit<'_>,
) {
    let name = name.trim();
    // A role is never named with a path on Galaxy.
    let path = name.contains('/') && !name.contains([':', '@', ',']) && kind.is_none();
    let forge = GIT_HOSTS.iter().any(|host| name.starts_with(host));
    let local = name.starts_with(['/', '.', '~']) || name.starts_with("file:") || path && !forge;
    if name.is_empty() || local {
        return;
    }
    let url = name.contains("://") || name.starts_with("git@") || name.contains("git+");
    let archive = [".tar.gz", ".tgz", ".zip"].iter().any(|ending| name.ends_with(ending));
    let git = matches!(kind, Some("git" | "hg"))
        || name.starts_with("git")
        || name.ends_with(".git")
        || url && !archive && GIT_HOSTS.iter().any(|host| name.contains(host));
    let subject = name.replace("{{", "").replace(UNKNOWN, "…");
    let unknown = |text: &str| text.contains("{{") || classify::is_unknown(text);
    let strength = if unknown(requested) || unknown(name) && requested.is_empty() {
        Strength::Unknown
    } else if url && archive && !git {
        classify::url(name)
    } else if git {
        classify::git_ref(requested)
    } else {
        classify::version(Ecosystem::Galaxy, requested)
    };
    let place = audit
        .place(at.fragment().map_or_else(|| at.range(), crate::pins::span::Fragment::raw_whole));
    let mut input = Input::new(Ecosystem::Galaxy, &subject, strength, place).requesting(requested);
    if url && archive && !git {
        input.ecosystem = Ecosystem::Download;
        input.rule = "pins/download";
    }
    if git && classify::is_short_hash(requested) {
        input = input.noting("an abbreviated hash can become ambiguous");
    }
    let text = version.fragment();
    if let Some(text) = text.filter(|text| text.text() == requested && !requested.is_empty())
        && text.is_verbatim(0..text.text().len())
    {
        let range = text.raw_whole();
        let template = "{version}".to_owned();
        input.form = Some(PinForm { start_byte: range.start, end_byte: range.end, template });
    }
    audit.push(input);
}

/// `galaxy.yml`: collections that a collection depends on.
pub(super) fn collection(documents: &[Node], audit: &mut Audit<'_>) {
    for document in documents {
        for (name, version) in document.get("dependencies").map(Node::pairs).unwrap_or_default() {
            let (Some(text), Some(requested)) = (name.text(), version.text()) else { continue };
            push(name, version, text, requested.trim(), None, audit);
        }
    }
}

/// `meta/main.yml`: roles that a role depends on, unless they stand beside it.
pub(super) fn meta(documents: &[Node], audit: &mut Audit<'_>) {
    let path = audit.file().path.to_string();
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.truncate(folders.len().saturating_sub(3));
    let roles = folders.join("/");
    for document in documents {
        for role in document.get("dependencies").map(Node::items).unwrap_or_default() {
            let at = role.get("src").or(role.get("role")).or(role.get("name")).unwrap_or(role);
            let Some(name) = at.text() else { continue };
            // A role without a dot lies beside this one, one with two in a collection.
            let collection = !name.contains(['/', ',']) && name.matches('.').count() > 1;
            let distant = name.contains(['.', '/', ',']) && !collection;
            let local = ["tasks/main.yml", "tasks/main.yaml", "meta/main.yml"].iter().any(|file| {
                audit.repository().exists(&format!("{roles}/{}/{file}", file_name(name)))
            });
            if !distant || local {
                continue;
            }
            if role.is_mapping() {
                entry(role, false, audit);
            } else {
                plain(role, false, audit);
            }
        }
        list_of(document, audit);
    }
}

fn list_of(document: &Node, audit: &mut Audit<'_>) {
    let collections = document.get("collections").map(Node::items).unwrap_or_default();
    for collection in collections.iter().filter(|collection| collection.is_mapping()) {
        entry(collection, true, audit);
    }
}
