//! Container images in the local storage of Docker, containerd and of containers/storage (Podman,
//! Buildah, CRI-O), with their tags and digests.
//!
//! Scope `container-images`, the engine and the name are the key: a tag that now stands for
//! another image is a change. `id` is the digest of an image's configuration, `digest` that of its
//! manifest. Only what names images is read, no layer.

mod bolt;

use super::{Sheet, accounts};
use crate::collect::packages::text;
use crate::collect::{Collector, View};
use crate::filesystem::resolve::read_file;
use crate::model::{Fault, Records, TreePath};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the storages.
pub static COLLECTOR: Collector = Collector {
    name: "container-images",
    version: 2,
    summary: "images in local Docker, containerd and Podman storage, with tags and digests",
    wanted: &[],
    collect,
};

/// Of containerd's metadata: a busy node has some 20 MB.
const MAX_DATABASE: u64 = 64 * 1024 * 1024;

const SCOPE: &str = "container-images";

/// Docker's own, and that of its snap.
const DOCKER: [&str; 2] = ["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"];
/// containerd's own, and those of Kubernetes distributions that bring it along.
const CONTAINERD: [&str; 4] = [
    "/var/lib/containerd",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/snap/microk8s/common/var/lib/containerd",
];
const STORAGES: [&str; 2] = ["/var/lib/containers/storage", "/usr/share/containers/storage"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    let mut dockers = BTreeSet::from(DOCKER.map(str::to_owned));
    dockers.extend(data_root(&mut sheet));
    for storage in &dockers {
        docker(&mut sheet, "docker", storage);
    }
    for storage in CONTAINERD {
        containerd(&mut sheet, "containerd", storage);
    }
    let mut storages = BTreeSet::from(STORAGES.map(str::to_owned));
    storages.extend(graph_root(&mut sheet));
    for storage in &storages {
        podman(&mut sheet, "podman", storage);
    }
    if let Some((_, passwd)) = sheet.file("/etc/passwd") {
        let mut homes = BTreeSet::new();
        for user in accounts::users(&passwd).0 {
            if homes.insert(user.home) {
                let data = format!("{}/.local/share", user.home);
                podman(
                    &mut sheet,
                    &format!("podman {}", user.name),
                    &format!("{data}/containers/storage"),
                );
                docker(&mut sheet, &format!("docker {}", user.name), &format!("{data}/docker"));
                containerd(
                    &mut sheet,
                    &format!("containerd {}", user.name),
                    &format!("{data}/containerd"),
                );
            }
        }
    }
}

/// Where Docker was told to keep its data.
fn data_root(sheet: &mut Sheet<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Daemon {
        #[serde(rename = "data-root", alias = "graph")]
        data_root: Option<String>,
    }
    let (path, text) = sheet.file("/etc/docker/daemon.json")?;
    let daemon = serde_json::from_str::<Daemon>(&text).map(Some).map_err(Fault::damaged);
    let root = sheet.reader.keep(&path, daemon)?.data_root?;
    Some(root.trim_end_matches('/').to_owned())
}

/// Where Podman was told to keep its images (containers-storage.conf(5)).
fn graph_root(sheet: &mut Sheet<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        storage: Storage,
    }
    #[derive(Default, Deserialize)]
    struct Storage {
        graphroot: Option<String>,
    }
    let (path, text) = sheet.file("/etc/containers/storage.conf")?;
    let file = toml::from_str::<File>(&text).map(Some).map_err(Fault::damaged);
    let root = sheet.reader.keep(&path, file)?.storage.graphroot?;
    Some(root.trim_end_matches('/').to_owned())
}

fn docker(sheet: &mut Sheet<'_>, engine: &str, storage: &str) {
    // Since Docker keeps images as containerd does, one of its own lies beside the rest.
    containerd(sheet, engine, &format!("{storage}/containerd/daemon"));
    let top = TreePath::parse(format!("{storage}/image"));
    for (driver, _) in sheet.reader.list_directories(&top) {
        let driver = top.join(&driver).to_string();
        let Some((path, names)) = sheet.file(&format!("{driver}/repositories.json")) else {
            continue;
        };
        let names = repositories(&names).map(Some);
        let names = sheet.reader.keep(&path, names).unwrap_or_default();
        let named: BTreeSet<&str> = names.iter().map(|image| image.id.as_str()).collect();
        for image in &names {
            let attributes = [("id", image.id.as_str()), ("digest", &image.digest)];
            sheet.add(SCOPE, &format!("{engine} {}", image.name), &path, &attributes);
        }
        let content = TreePath::parse(format!("{driver}/imagedb/content/sha256"));
        for (name, _) in sheet.reader.list(&content) {
            let id = format!("sha256:{}", text(name.as_bytes()));
            if !named.contains(id.as_str()) {
                let path = content.join(&name);
                sheet.add(SCOPE, &format!("{engine} {id}"), &path, &[("id", &id)]);
            }
        }
    }
}

/// An image under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `repository:tag`.
    pub name: String,
    /// Digest of its configuration.
    pub id: String,
    /// Digest of its manifest; empty where it was built here.
    pub digest: String,
}

/// Docker's `repositories.json`.
pub fn repositories(text: &str) -> Result<Vec<Image>, Fault> {
    #[derive(Deserialize)]
    struct File {
        #[serde(rename = "Repositories")]
        repositories: BTreeMap<String, BTreeMap<String, String>>,
    }
    let file: File = serde_json::from_str(text).map_err(Fault::damaged)?;
    let mut images = Vec::new();
    for (repository, names) in file.repositories {
        let prefix = format!("{repository}@");
        let digests: BTreeMap<&str, &str> = names
            .iter()
            .filter_map(|(name, id)| Some((id.as_str(), name.strip_prefix(&prefix)?)))
            .collect();
        for (name, id) in &names {
            if !name.starts_with(&prefix) {
                let digest = digests.get(id.as_str()).copied().unwrap_or_default().to_owned();
                images.push(Image { name: name.clone(), id: id.clone(), digest });
            }
        }
    }
    Ok(images)
}

fn podman(sheet: &mut Sheet<'_>, engine: &str, storage: &str) {
    #[derive(Deserialize)]
    struct Stored {
        id: String,
        #[serde(default)]
        digest: String,
        #[serde(default)]
        names: Option<Vec<String>>,
    }
    for driver in ["overlay", "vfs", "btrfs", "zfs"] {
        let name = format!("{storage}/{driver}-images/images.json");
        let Some((path, text)) = sheet.file(&name) else { continue };
        let images = serde_json::from_str::<Vec<Stored>>(&text).map(Some).map_err(Fault::damaged);
        for image in sheet.reader.keep(&path, images).unwrap_or_default() {
            let names = image.names.unwrap_or_default();
            let names = if names.is_empty() { vec![image.id.clone()] } else { names };
            let id = format!("sha256:{}", image.id);
            for name in names {
                let attributes = [("id", id.as_str()), ("digest", &image.digest)];
                sheet.add(SCOPE, &format!("{engine} {name}"), &path, &attributes);
            }
        }
    }
}

/// Images of all namespaces, as containerd's metadata store has them:
/// `v1/NAMESPACE/images/NAME/target/digest`.
fn containerd(sheet: &mut Sheet<'_>, engine: &str, storage: &str) {
    let path = TreePath::parse(format!("{storage}/io.containerd.metadata.v1.bolt/meta.db"));
    let bytes = read_file(sheet.reader.filesystem, &path, MAX_DATABASE);
    let Some(bytes) = sheet.reader.keep(&path, bytes) else { return };
    let images = containerd_images(&bytes).map(Some);
    for (namespace, name, digest) in sheet.reader.keep(&path, images).unwrap_or_default() {
        let key = format!("{engine} {namespace} {name}");
        sheet.add(SCOPE, &key, &path, &[("digest", &digest)]);
    }
}

fn containerd_images(bytes: &[u8]) -> Result<Vec<(String, String, String)>, Fault> {
    let database = bolt::Database::open(bytes)?;
    let mut found = Vec::new();
    let Some(top) = database.root().bucket(b"v1")? else { return Ok(found) };
    for (namespace, bucket) in top.buckets()? {
        let Some(images) = bucket.bucket(b"images")? else { continue };
        for (name, image) in images.buckets()? {
            let Some(target) = image.bucket(b"target")? else { continue };
            let digest = target.value(b"digest")?.unwrap_or_default();
            found.push((text(namespace), text(name), text(digest)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn images_of_every_storage() {
        let mut tree = MemoryFilesystem::new();
        let docker = "/var/lib/docker/image/overlay2";
        let containerd = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";
        tree.file(
            &format!("{docker}/repositories.json"),
            r#"{"Repositories":{"nginx":{"nginx:1":"sha256:a","nginx@sha256:m":"sha256:a"}}}"#,
        )
        .file(&format!("{docker}/imagedb/content/sha256/a"), "")
        .file(&format!("{docker}/imagedb/content/sha256/b"), "")
        .file("/etc/passwd", "ann:x:1:1::/home/ann:\n")
        .file(
            "/home/ann/.local/share/containers/storage/overlay-images/images.json",
            r#"[{"id":"c","digest":"sha256:n","names":["docker.io/x:1"]},{"id":"d","names":null}]"#,
        )
        .file("/var/lib/containers/storage/overlay-images/images.json", "{}")
        .file(containerd, bolt::tests::sample());
        let storage = "/home/ann/.local/share/containers/storage/overlay-images/images.json";
        check(
            &COLLECTOR,
            &tree,
            &[
                &format!(
                    "container-images/docker nginx:1 digest=sha256:m id=sha256:a @{docker}/repositories.json"
                ),
                &format!(
                    "container-images/docker sha256:b id=sha256:b @{docker}/imagedb/content/sha256/b"
                ),
                &format!(
                    "container-images/containerd k8s.io docker.io/y:2 digest=sha256:q @{containerd}"
                ),
                &format!(
                    "container-images/podman ann docker.io/x:1 digest=sha256:n id=sha256:c @{storage}"
                ),
                &format!("container-images/podman ann d id=sha256:d @{storage}"),
            ],
            &[
                "/var/lib/containers/storage/overlay-images/images.json invalid type: map, expected \
               a sequence at line 1 column 0",
            ],
        );
    }
    #[test]
    fn storages_that_were_moved() {
        let images = r#"[{"id":"c","digest":"sha256:n","names":["x:1"]}]"#;
        let names = r#"{"Repositories":{"y":{"y:1":"sha256:a"}}}"#;
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/docker/daemon.json", r#"{"data-root":"/data/docker","debug":true}"#)
            .file("/etc/containers/storage.conf", "[storage]\ngraphroot = \"/data/podman\"\n")
            .file("/data/docker/image/overlay2/repositories.json", names)
            .file(
                "/data/docker/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
                bolt::tests::sample(),
            )
            .file("/data/podman/overlay-images/images.json", images);
        check(
            &COLLECTOR,
            &tree,
            &[
                "container-images/docker k8s.io docker.io/y:2 digest=sha256:q \
                 @/data/docker/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
                "container-images/docker y:1 id=sha256:a \
                 @/data/docker/image/overlay2/repositories.json",
                "container-images/podman x:1 digest=sha256:n id=sha256:c \
                 @/data/podman/overlay-images/images.json",
            ],
            &[],
        );
    }
}
