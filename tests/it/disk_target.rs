//! Disk images as targets: several file systems put together as their fstab says.

use driftcheck::block::OpenOptions;
use driftcheck::filesystem::resolve::read_file;
use driftcheck::model::TreePath;
use driftcheck::targets::Target;
use driftcheck::targets::disk::{DiskOptions, open_disk};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(folder: &Path, command: &str) -> bool {
    let mut words = command.split(' ').filter(|word| !word.is_empty());
    let output = Command::new(words.next().unwrap()).args(words).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A disk of four partitions: /boot, / of one system, /home, / of another one.
fn make_disk(folder: &Path) -> bool {
    let fstab = "LABEL=first / ext4 defaults 0 1\n\
        /dev/vda1 /boot ext4 defaults 0 2\n\
        UUID=01234567-89ab-cdef-0123-456789abcdef /home ext4 defaults 0 2\n\
        LABEL=elsewhere /data xfs nofail 0 2\ntmpfs /tmp tmpfs size=1g 0 0\n";
    put(folder, "root1/etc/fstab", fstab);
    put(folder, "root1/etc/os-release", "ID=one\n");
    for directory in ["boot", "home", "data", "tmp"] {
        fs::create_dir_all(folder.join("root1").join(directory)).unwrap();
    }
    put(folder, "root2/etc/os-release", "ID=two\n");
    put(folder, "boot/vmlinuz", "kernel");
    put(folder, "home/ada/notes", "hello");
    let partitions = "-n 1:2048:+8M -n 2:0:+8M -n 3:0:+8M -n 4:0:+8M -n 5:0:+1M";
    if !run(folder, "truncate -s 40M disk.raw")
        || !run(folder, &format!("sgdisk {partitions} disk.raw"))
    {
        return false;
    }
    let mkfs = |number: u64, tree: &str, options: &str| {
        let offset = (1 << 20) + (number - 1) * (8 << 20);
        run(
            folder,
            &format!("mkfs.ext4 -q -F -E offset={offset} {options} -d {tree} disk.raw 8192"),
        )
    };
    mkfs(1, "boot", "")
        && mkfs(2, "root1", "-L first")
        && mkfs(3, "home", "-U 01234567-89ab-cdef-0123-456789abcdef")
        && mkfs(4, "root2", "-L second")
}

fn text(target: &Target, path: &str) -> Option<String> {
    let bytes = read_file(target.filesystem.as_ref(), &TreePath::parse(path), 1 << 20).unwrap();
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_disk_of_two_systems() {
    let folder = tempfile::tempdir().unwrap();
    if !make_disk(folder.path()) {
        println!("skipped: needs sgdisk and mkfs.ext4");
        return;
    }
    let path = folder.path().join("disk.raw");
    let asked = open_disk(&path, &DiskOptions::default()).unwrap_err();
    let expected =
        "several systems: choose one with --partition: 2 (ext4, first), 4 (ext4, second)";
    assert!(asked.detail.ends_with(expected), "{asked}");

    let options = DiskOptions { partition: Some("2".into()), ..DiskOptions::default() };
    let target = open_disk(&path, &options).unwrap();
    assert_eq!(target.name, "disk");
    assert_eq!(text(&target, "/etc/os-release").as_deref(), Some("ID=one\n"));
    assert_eq!(text(&target, "/boot/vmlinuz").as_deref(), Some("kernel"));
    assert_eq!(text(&target, "/home/ada/notes").as_deref(), Some("hello"));
    assert!(target.gaps.is_empty(), "{:?}", target.gaps);
    let left: Vec<String> =
        target.omissions.iter().map(|o| format!("{}: {}", o.path, o.reason)).collect();
    assert_eq!(
        left,
        [
            "/data: fstab mounts LABEL=elsewhere here, which is not on this disk",
            "/tmp: fstab mounts tmpfs (tmpfs) here, which is no disk",
            "/: volume 4 (ext4, second) is mounted nowhere",
            "/: volume 5 (unknown) is mounted nowhere",
        ]
    );

    let options = DiskOptions {
        partition: Some("LABEL=second".into()),
        mounts: vec![(TreePath::parse("/etc"), "3".into())],
        ..DiskOptions::default()
    };
    let target = open_disk(&path, &options).unwrap();
    assert_eq!(text(&target, "/etc/os-release"), None);
    assert_eq!(text(&target, "/etc/ada/notes").as_deref(), Some("hello"));

    let options = DiskOptions { partition: Some("9".into()), ..DiskOptions::default() };
    let fault = open_disk(&path, &options).unwrap_err();
    assert!(fault.detail.contains("no volume \"9\"; there are 1 (ext4)"), "{fault}");
}

#[test]
fn what_is_known_of_the_image_is_told() {
    let folder = tempfile::tempdir().unwrap();
    if !make_disk(folder.path())
        || !run(folder.path(), "qemu-img convert -O qcow2 disk.raw disk.qcow2")
    {
        println!("skipped: needs sgdisk, mkfs.ext4 and qemu-img");
        return;
    }
    let options = DiskOptions { partition: Some("4".into()), ..DiskOptions::default() };
    let check = |name: &str, gap: &str, note: &str| {
        let target = open_disk(&folder.path().join(name), &options).unwrap();
        let gaps: Vec<&str> = target.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(gaps.join("; "), gap);
        let has = target.omissions.iter().any(|omission| omission.reason.contains(note));
        assert!(has, "{:?}", target.omissions);
    };
    let path = folder.path().join("disk.qcow2");
    let mut image = fs::read(&path).unwrap();
    // The bits of a file that was not closed, and of one whose writer found damage.
    image[79] |= 1 | 2;
    fs::write(&path, &image).unwrap();
    let corrupt = "it is marked corrupt by whoever wrote it last";
    check("disk.qcow2", corrupt, "the image: it was not closed (dirty mark)");
    assert!(run(folder.path(), "qemu-img create -q -u -f qcow2 -b disk.qcow2 -F qcow2 top 40M"));
    check("top", &format!("backing file \"disk.qcow2\": {corrupt}"), "\"disk.qcow2\": it was not");
    let path = folder.path().join("disk.raw");
    let mut disk = fs::read(&path).unwrap();
    disk[512 + 16] ^= 1;
    fs::write(&path, &disk).unwrap();
    check("disk.raw", "", "the image: ");
}

#[test]
fn golden_image_and_its_hosts() {
    let fixtures = std::env::var_os("DRIFTCHECK_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    if !fixtures.join("vm").is_dir() {
        println!("skipped: {} has no images", fixtures.display());
        return;
    }
    for name in ["golden", "web-01", "web-02"] {
        let options = DiskOptions { image: OpenOptions::default(), ..DiskOptions::default() };
        let path = fixtures.join("vm").join(format!("{name}.qcow2"));
        let target = open_disk(&path, &options).unwrap_or_else(|fault| panic!("{}", fault.chain()));
        assert!(text(&target, "/etc/os-release").unwrap().contains("ID=debian"), "{name}");
        assert!(target.gaps.is_empty(), "{name}: {:?}", target.gaps);
        println!("{name}: {:?}", target.omissions);
    }
}
