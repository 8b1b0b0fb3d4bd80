//! Container images in all their wrappings, against the trees that their layers were made of.

use crate::archives::{NANOSECONDS, Sample, describe_all, tool};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::resolve::read_file;
use driftcheck::filesystem::{Carries, Filesystem, Kinds};
use driftcheck::model::{Fault, TreePath};
use driftcheck::targets::{OpenOptions, Platform, Target, TargetSpec, open};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// An image layout that is being built.
pub struct Builder {
    folder: PathBuf,
}

impl Builder {
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::create_dir_all(folder.join("blobs/sha512")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder }
    }

    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        fs::write(self.folder.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// A manifest over layers, each with the bytes that it unpacks to.
    pub fn image(&self, architecture: &str, layers: &[(Value, String)]) -> Value {
        let diff_ids: Vec<&String> = layers.iter().map(|(_, diff_id)| diff_id).collect();
        let config = json!({"architecture": architecture, "os": "linux",
            "config": {"Env": ["A=1"], "Labels": {"team": "x"}, "User": "app"},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config =
            self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layers: Vec<&Value> = layers.iter().map(|(layer, _)| layer).collect();
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers,
            "mediaType": "application/vnd.oci.image.manifest.v1+json"});
        self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
    }

    pub fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
    }
}

fn with(mut descriptor: Value, key: &str, value: Value) -> Value {
    descriptor[key] = value;
    descriptor
}

fn tagged(descriptor: Value, tag: &str) -> Value {
    with(descriptor, "annotations", json!({"org.opencontainers.image.ref.name": tag}))
}

/// Archives a folder as GNU tar does with all that pax can carry.
fn tar(folder: &Path) -> Vec<u8> {
    let archive = folder.with_extension("layer.tar");
    let (folder, archive) = (folder.to_str().unwrap(), archive.to_str().unwrap());
    let arguments =
        ["--format=pax", "--xattrs", "--acls", "--sparse", "-cf", archive, "-C", folder, "."];
    tool("tar", &arguments).unwrap();
    fs::read(archive).unwrap()
}

fn tree(folder: &Path, files: &[(&str, &str)]) -> Vec<u8> {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    tar(folder)
}

fn open_text(text: &str, options: &OpenOptions) -> Result<Target, Fault> {
    open(&TargetSpec::parse(OsStr::new(text)).unwrap(), options)
}

fn open_good(text: &str) -> Target {
    let target = open_text(text, &OpenOptions::default()).unwrap();
    assert!(target.gaps.is_empty(), "{text}: {:?}", target.gaps);
    target
}

fn read(filesystem: &dyn Filesystem, path: &str) -> Option<String> {
    let bytes = read_file(filesystem, &TreePath::parse(path), 1000).unwrap();
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

/// Three layers, one in each compression: the second takes away, the third adds.
fn three_layers(builder: &Builder, folder: &Path) -> Vec<(Value, String)> {
    let lower = tree(&folder.join("1"), &[("a/one", "1"), ("a/two", "2"), ("b/three", "3")]);
    let middle =
        tree(&folder.join("2"), &[("a/.wh.one", ""), ("b/.wh..wh..opq", ""), ("b/x", "x")]);
    let upper = tree(&folder.join("3"), &[("a/four", "4")]);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &middle).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = zstd::encode_all(upper.as_slice(), 1).unwrap();
    let media = "application/vnd.oci.image.layer.v1.tar";
    vec![
        (builder.blob(media, &lower), sha256(&lower)),
        (builder.blob(&format!("{media}+gzip"), &gzip), sha256(&middle)),
        (builder.blob(&format!("{media}+zstd"), &zstd), sha256(&upper)),
    ]
}

fn check_three_layers(target: &Target) {
    let fs = target.filesystem.as_ref();
    let check = |path: &str, expected: Option<&str>| {
        assert_eq!(read(fs, path).as_deref(), expected, "{path} in {}", target.spec);
    };
    check("/a/one", None);
    check("/a/two", Some("2"));
    check("/a/four", Some("4"));
    check("/b/three", None);
    check("/b/x", Some("x"));
    check("/b/.wh..wh..opq", None);
    let scopes: Vec<&str> = target.facts.iter().map(|fact| fact.scope.as_str()).collect();
    assert_eq!(
        scopes,
        ["image", "image", "image-labels", "image-layers", "image-layers", "image-layers"]
    );
}

#[test]
fn an_image_of_one_layer_is_the_tree() {
    let Some(sample) = Sample::new(true).with_xattrs() else {
        println!("skipped: extended attributes cannot be set here");
        return;
    };
    let builder = Builder::new(sample.folder.path().join("layout"));
    let layer = tar(&sample.root());
    let packed = zstd::encode_all(layer.as_slice(), 1).unwrap();
    let descriptor = builder.blob("application/vnd.oci.image.layer.v1.tar+zstd", &packed);
    builder.index(&[builder.image("amd64", &[(descriptor, sha256(&layer))])]);
    let target = open_good(builder.folder.to_str().unwrap());
    assert_eq!(target.name, "layout");
    assert!(target.spec.starts_with("oci:"));
    let directory = DirectoryFilesystem::open(&sample.root()).unwrap();
    let expected = describe_all(&directory, NANOSECONDS, Carries::ALL);
    assert_eq!(target.filesystem.carries(), Carries { kinds: Kinds::NoSockets, ..Carries::ALL });
    assert_eq!(describe_all(target.filesystem.as_ref(), NANOSECONDS, Carries::ALL), expected);
}

#[test]
fn layers_merge_in_every_wrapping() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let builder = Builder::new(folder.path().join("layout"));
    let layers = three_layers(&builder, folder.path());
    builder.index(&[tagged(builder.image("amd64", &layers), "v1")]);
    let target = open_good(&format!("oci:{}:v1", at("layout")));
    assert_eq!(target.name, "layout:v1");
    check_three_layers(&target);

    tool("tar", &["-cf", &at("image.tar"), "-C", &at("layout"), "."]).unwrap();
    let bare = open_good(&at("image.tar"));
    assert_eq!(bare.spec, format!("oci-archive:{}", at("image.tar")));
    check_three_layers(&bare);
    check_three_layers(&open_good(&format!("oci-archive:{}:v1", at("image.tar"))));
    assert_eq!(
        open_good(&format!("tar:{}", at("image.tar"))).filesystem.type_name(),
        "tar",
        "forced to be a root tree"
    );
    tool("gzip", &["-k", &at("image.tar")]).unwrap();
    check_three_layers(&open_good(&at("image.tar.gz")));
}

#[test]
fn docker_archives_choose_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).into_os_string().into_string().unwrap();
    let layout = Builder::new(at("layout"));
    let layers = three_layers(&layout, folder.path());
    let diff_ids: Vec<&String> = layers.iter().map(|(_, diff_id)| diff_id).collect();
    let config = json!({"architecture": "amd64", "os": "linux",
        "config": {"Env": ["A=1"], "Labels": {"team": "x"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string();
    let config_name = format!("{}.json", &sha256(config.as_bytes())[7..]);
    let write = |images: &[Value]| {
        fs::create_dir_all(at("saved/one")).unwrap();
        fs::write(at("saved").join(&config_name), &config).unwrap();
        let blob = |index: usize| {
            let digest = layers[index].0["digest"].as_str().unwrap().replace(':', "/");
            fs::read(at("layout/blobs").join(digest)).unwrap()
        };
        fs::write(at("saved/one/layer.tar"), blob(0)).unwrap();
        fs::write(at("saved/two.tar"), blob(1)).unwrap();
        fs::write(at("saved/three.tar"), blob(2)).unwrap();
        fs::write(at("saved/manifest.json"), Value::from(images.to_vec()).to_string()).unwrap();
        tool("tar", &["-cf", &text("saved.tar"), "-C", &text("saved"), "."]).unwrap();
    };
    let image = |tag: &str, first: &str| {
        json!({"Config": config_name, "RepoTags": [tag],
            "Layers": [first, "two.tar", "three.tar"]})
    };
    write(&[image("shop/web:1", "one/layer.tar")]);
    let target = open_good(&text("saved.tar"));
    assert_eq!(target.name, "web:1");
    assert_eq!(target.spec, format!("docker-archive:{}", text("saved.tar")));
    check_three_layers(&target);

    write(&[image("shop/web:1", "one/layer.tar"), image("shop/web:2", "two.tar")]);
    let fault = open_text(&text("saved.tar"), &OpenOptions::default()).unwrap_err();
    assert!(fault.detail.contains("several images, name one of them: shop/web:1, shop/web:2"));
    let of = |tag: &str| format!("docker-archive:{}:{tag}", text("saved.tar"));
    check_three_layers(&open_good(&of("web:1")));
    let wrong = open_text(&of("shop/web:2"), &OpenOptions::default()).unwrap();
    assert!(wrong.gaps[0].reason.contains("its sha256 is"), "{:?}", wrong.gaps);
    assert!(open_text(&of("3"), &OpenOptions::default()).is_err());

    write(&[image("evil:1", "../../../../../../etc/passwd")]);
    let evil = open_text(&text("saved.tar"), &OpenOptions::default()).unwrap();
    assert!(evil.gaps[0].reason.contains("is missing"), "{:?}", evil.gaps);
}

#[test]
fn platforms_and_tags_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Builder::new(folder.path().join("layout"));
    let path = builder.folder.to_str().unwrap().to_owned();
    let image = |architecture: &str| {
        let layer = tree(&folder.path().join(architecture), &[("which", architecture)]);
        let layer =
            (builder.blob("application/vnd.oci.image.layer.v1.tar", &layer), sha256(&layer));
        let platform = json!({"os": "linux", "architecture": architecture});
        with(builder.image(architecture, &[layer]), "platform", platform)
    };
    let proof = with(
        with(image("proof"), "platform", json!({"os": "unknown", "architecture": "unknown"})),
        "annotations",
        json!({"vnd.docker.reference.type": "attestation-manifest"}),
    );
    let nested = json!({"schemaVersion": 2,
        "manifests": [image("amd64"), image("arm64"), image("s390x"), proof]});
    let nested =
        builder.blob("application/vnd.oci.image.index.v1+json", nested.to_string().as_bytes());
    let old = builder.blob("application/json", br#"{"schemaVersion":1,"fsLayers":[]}"#);
    builder.index(&[
        tagged(nested, "multi"),
        tagged(image("arm64"), "docker.io/library/one:2"),
        tagged(old, "old"),
    ]);
    let check = |reference: &str, platform: Option<&str>, expected: Result<&str, &str>| {
        let options = OpenOptions {
            platform: platform.map(|text| Platform::parse(text).unwrap()),
            ..OpenOptions::default()
        };
        let found = open_text(&format!("oci:{path}{reference}"), &options);
        match expected {
            Ok(which) => {
                let target = found.unwrap();
                assert_eq!(read(target.filesystem.as_ref(), "/which").as_deref(), Some(which));
            }
            Err(part) => {
                let fault = found.unwrap_err();
                assert!(fault.detail.contains(part), "{}", fault.detail);
            }
        }
    };
    check(":multi", Some("linux/arm64/v8"), Ok("arm64"));
    check(":multi", Some("s390x"), Ok("s390x"));
    check(":multi", Some("windows/amd64"), Err("no image for windows/amd64"));
    if cfg!(target_arch = "x86_64") {
        check(":multi", None, Ok("amd64"));
    }
    check(":one:2", None, Ok("arm64"));
    check(":2", None, Ok("arm64"));
    check(":docker.io/library/one:2", Some("amd64"), Err("no image for linux/amd64"));
    check(":old", None, Err("schema 1"));
    check(":none", None, Err("no image is called none"));
    check("", None, Err("several images, name one of them"));
}

#[test]
fn what_does_not_have_its_digest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Builder::new(folder.path().join("layout"));
    let layers = three_layers(&builder, folder.path());
    let path = builder.folder.to_str().unwrap().to_owned();
    builder.index(&[builder.image("amd64", &layers)]);
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
        builder.folder.join("blobs").join(digest)
    };
    let gaps = || open_text(&path, &OpenOptions::default()).map(|target| target.gaps);
    assert!(gaps().unwrap().is_empty());
    let lower = blob(&layers[0].0);
    let mut bytes = fs::read(&lower).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&lower, &bytes).unwrap();
    let found = gaps().unwrap();
    assert!(found.len() == 1 && found[0].reason.starts_with("layer 0"), "{found:?}");
    fs::remove_file(&lower).unwrap();
    assert!(gaps().unwrap()[0].reason.contains("is missing"));
    // A link out of the layout leads nowhere.
    fs::write(folder.path().join("outside"), bytes).unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside"), &lower).unwrap();
    assert!(gaps().unwrap()[0].reason.contains("is missing"));

    // SHA-512 is as good, and a changed configuration is no image at all.
    let tar = tree(&folder.path().join("512"), &[("a", "a")]);
    let digest = hex(&Sha512::digest(&tar));
    fs::write(builder.folder.join("blobs/sha512").join(&digest), &tar).unwrap();
    let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": format!("sha512:{digest}"), "size": tar.len()});
    let image = builder.image("amd64", &[(layer, sha256(&tar))]);
    builder.index(std::slice::from_ref(&image));
    assert!(gaps().unwrap().is_empty());
    fs::write(blob(&image), "{}").unwrap();
    assert!(gaps().unwrap_err().detail.contains("its sha256 is"));
}
