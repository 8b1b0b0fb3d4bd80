//! Containers of disks, compared with what qemu-img says of them.

use super::mutations;
use driftcheck::block::{BlockDevice, Image, OpenOptions, VolumeSource, open_image, volumes};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Not a multiple of any cluster size, and of 512 all the same.
const DISK: u64 = (24 << 20) + 512 * 77;

fn have_qemu() -> bool {
    let found =
        Command::new("qemu-img").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        println!("skipped: qemu-img is not installed");
    }
    found
}

fn run(folder: &Path, command: &str) {
    let mut words = command.split(' ').filter(|word| !word.is_empty());
    let output =
        Command::new(words.next().unwrap()).args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Numbers that look random and are always the same.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A sparse disk: runs of text, of noise, of zeros and of holes, at odd places.
fn make_source(path: &Path, seed: u64, length: u64, runs: usize) {
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.set_len(length).unwrap();
    let mut state = seed;
    for _ in 0..runs {
        let at = random(&mut state) % length / 512 * 512;
        let count = (random(&mut state) % 300 + 1) * 512;
        let count = usize::try_from(count.min(length - at)).unwrap();
        let noise = random(&mut state) % 4;
        let bytes: Vec<u8> = (0..count)
            .map(|n| match noise {
                0 => u8::try_from(random(&mut state) & 0xff).unwrap(),
                1 => 0,
                _ => b"all work and no play makes jack a dull boy\n"[n % 43],
            })
            .collect();
        file.write_all_at(&bytes, at).unwrap();
    }
    file.write_all_at(b"the end", length - 7).unwrap();
}

fn open(path: &Path) -> Image {
    open_image(path, &OpenOptions::default()).unwrap_or_else(|fault| panic!("{}", fault.chain()))
}

/// Compares every byte, read in pieces of odd sizes, and that what is skipped is zeros.
fn assert_same(device: &dyn BlockDevice, raw: &Path, what: &str) {
    let expected = std::fs::read(raw).unwrap();
    let length = device.length();
    assert!(length >= expected.len() as u64, "{what}: {length} bytes");
    let mut state = 7;
    let mut at = 0_u64;
    let mut buffer = Vec::new();
    while at < length {
        let count = (random(&mut state) % 200_000 + 1).min(length - at);
        buffer.resize(usize::try_from(count).unwrap(), 0xee);
        device.read_at(at, &mut buffer).unwrap_or_else(|fault| panic!("{what}: {}", fault.chain()));
        let start = usize::try_from(at).unwrap();
        for (index, byte) in buffer.iter().enumerate() {
            let wanted = expected.get(start + index).copied().unwrap_or(0);
            assert_eq!(*byte, wanted, "{what}: byte {}", start + index);
        }
        at += count;
    }
    let mut at = 0_usize;
    loop {
        let range = device.next_data(at as u64).unwrap();
        let (start, end) = range.map_or((expected.len(), usize::MAX), |range| {
            assert!(range.start >= at as u64 && range.start < range.end && range.end <= length);
            (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap())
        });
        let skipped = expected.get(at..start.min(expected.len())).unwrap_or_default();
        assert!(skipped.iter().all(|byte| *byte == 0), "{what}: data between {at} and {start}");
        if end == usize::MAX {
            break;
        }
        at = end;
    }
}

/// Converts the source by one command and compares what is read with what qemu-img reads.
fn check(folder: &Path, format: &str, options: &str) {
    run(folder, &format!("qemu-img convert -f raw -O {format} {options} source.raw disk.img"));
    let image = open(&folder.join("disk.img"));
    run(folder, &format!("qemu-img convert -f {format} -O raw disk.img back.raw"));
    assert_same(image.device.as_ref(), &folder.join("back.raw"), &format!("{format} {options}"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "source.raw" {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn source() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    make_source(&folder.path().join("source.raw"), 42, DISK, 60);
    folder
}

#[test]
fn qcow2_of_all_kinds() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    for options in [
        "-o compat=0.10",
        "-o compat=1.1",
        "-o cluster_size=512",
        "-o cluster_size=4096 -c",
        "-o cluster_size=2M",
        "-c",
        "-c -o cluster_size=2M",
        "-c -o compat=0.10",
        "-c -o compression_type=zstd",
        "-c -o compression_type=zstd,cluster_size=4096",
        "-o extended_l2=on,cluster_size=128k",
        "-c -o extended_l2=on",
        "-o preallocation=metadata",
        "-o preallocation=falloc",
        "-o data_file=data.raw",
        "-o data_file=data.raw,data_file_raw=on",
    ] {
        check(folder.path(), "qcow2", options);
    }
}

#[test]
fn vmdk_of_all_kinds() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    for kind in [
        "monolithicSparse",
        "streamOptimized",
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
    ] {
        check(folder.path(), "vmdk", &format!("-o subformat={kind}"));
    }
    check(folder.path(), "vmdk", "-o subformat=monolithicSparse,zeroed_grain=on");
}

#[test]
fn vhd_vhdx_vdi_and_raw() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    for (format, options) in [
        ("raw", ""),
        ("vpc", "-o subformat=dynamic"),
        ("vpc", "-o subformat=fixed"),
        ("vpc", "-o subformat=dynamic,force_size=on"),
        ("vhdx", "-o subformat=dynamic"),
        ("vhdx", "-o subformat=fixed"),
        ("vhdx", "-o subformat=dynamic,block_size=1M"),
        ("vdi", ""),
        ("vdi", "-o static=on"),
    ] {
        check(folder.path(), format, options);
    }
}

#[test]
fn backing_chains() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "qemu-img convert -c -O qcow2 source.raw base.qcow2");
    for (base, format, options) in [
        ("base.qcow2", "qcow2", "cluster_size=64k"),
        ("base.qcow2", "qcow2", "extended_l2=on,cluster_size=64k"),
        ("base.qcow2", "qcow2", "cluster_size=4k"),
        ("source.raw", "raw", "compat=0.10"),
    ] {
        let create = format!("qemu-img create -q -f qcow2 -o {options} -b {base} -F {format}");
        run(folder.path(), &format!("{create} middle.qcow2"));
        for write in ["100000 70000", "5M 3k", "20M 1M"] {
            let output = Command::new("qemu-io")
                .args(["-f", "qcow2", "-c", &format!("write -P 0xab {write}"), "middle.qcow2"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        // Longer than what is below it.
        let create = "qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2";
        run(folder.path(), &format!("{create} {}", DISK + (1 << 20)));
        for command in ["write -z 1M 2M", "write -P 9 24M 10k", "write -z 5M 1k"] {
            let arguments = ["-f", "qcow2", "-c", command, "top.qcow2"];
            let output =
                Command::new("qemu-io").args(arguments).current_dir(folder.path()).output();
            assert!(output.unwrap().status.success());
        }
        run(folder.path(), "qemu-img convert -O raw top.qcow2 back.raw");
        let image = open(&at("top.qcow2"));
        assert_same(image.device.as_ref(), &at("back.raw"), &format!("{base} {options}"));
    }
    for (name, expected) in [
        (
            "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"source.raw\"}}",
            "no plain file name",
        ),
        ("nbd://127.0.0.1/x", "no plain file name"),
        ("/etc/passwd", "not in its own folder"),
        ("../x.raw", "not in its own folder"),
    ] {
        let arguments =
            ["create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", "bad.qcow2", "1M"];
        let status = Command::new("qemu-img").args(arguments).current_dir(folder.path()).status();
        assert!(status.unwrap().success());
        let fault = open_image(&at("bad.qcow2"), &OpenOptions::default()).unwrap_err();
        assert!(fault.detail.contains(expected), "{name}: {fault}");
    }
    run(folder.path(), "qemu-img create -q -u -f qcow2 -b two.qcow2 -F qcow2 one.qcow2 1M");
    run(folder.path(), "qemu-img create -q -u -f qcow2 -b one.qcow2 -F qcow2 two.qcow2 1M");
    let fault = open_image(&at("one.qcow2"), &OpenOptions::default()).unwrap_err();
    assert!(fault.detail.ends_with("is its own backing file"), "{fault}");
}

#[test]
fn internal_snapshots() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "qemu-img convert -O qcow2 source.raw disk.qcow2");
    run(folder.path(), "qemu-img snapshot -c before disk.qcow2");
    let arguments = ["-f", "qcow2", "-c", "write -P 0xcd 0 3M", "disk.qcow2"];
    let output = Command::new("qemu-io").args(arguments).current_dir(folder.path()).output();
    assert!(output.unwrap().status.success());
    run(folder.path(), "qemu-img snapshot -c after disk.qcow2");
    run(folder.path(), "qemu-img convert -O raw disk.qcow2 now.raw");
    let with = |name: &str| OpenOptions { snapshot: Some(name.into()), ..OpenOptions::default() };
    for (name, raw) in [("before", "source.raw"), ("1", "source.raw"), ("after", "now.raw")] {
        let image = open_image(&at("disk.qcow2"), &with(name)).unwrap();
        assert_same(image.device.as_ref(), &at(raw), name);
    }
    let fault = open_image(&at("disk.qcow2"), &with("none")).unwrap_err();
    assert!(
        fault.detail.ends_with("no snapshot \"none\"; it has before (1), after (2)"),
        "{fault}"
    );
}

#[test]
fn fixture_images() {
    let fixtures = std::env::var_os("DRIFTCHECK_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    if !fixtures.join("vm").is_dir() || !have_qemu() {
        println!("skipped: {} has no images", fixtures.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("back.raw");
    for name in ["golden", "web-02"] {
        let path = fixtures.join("vm").join(format!("{name}.qcow2"));
        run(folder.path(), &format!("qemu-img convert -O raw {} back.raw", path.display()));
        let expected = File::open(&raw).unwrap();
        let device = open(&path).device;
        assert_eq!(device.length(), expected.metadata().unwrap().len());
        let (mut ours, mut theirs) = (vec![0; 4 << 20], vec![0; 4 << 20]);
        let mut at = 0;
        while at < device.length() {
            let count = usize::try_from(device.length() - at).unwrap().min(ours.len());
            device.read_at(at, &mut ours[..count]).unwrap();
            expected.read_exact_at(&mut theirs[..count], at).unwrap();
            assert!(ours[..count] == theirs[..count], "{name}: differs after {at}");
            at += u64::try_from(count).unwrap();
        }
    }
}

#[test]
fn a_vhdx_that_was_not_closed() {
    if !have_qemu() {
        return;
    }
    let folder = source();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "qemu-img convert -O vhdx -o block_size=1M source.raw disk.vhdx");
    let arguments = ["-f", "vhdx", "-c", "write -P 0x77 8M 5M", "-c", "sigraise 9", "disk.vhdx"];
    let status = Command::new("qemu-io").args(arguments).current_dir(folder.path()).output();
    assert!(!status.unwrap().status.success());
    stop_before_the_block_table_is_written(&at("disk.vhdx"));
    let image = open(&at("disk.vhdx"));
    assert!(image.notes.iter().any(|note| note.contains("log are replayed")), "{:?}", image.notes);
    std::fs::copy(at("disk.vhdx"), at("repaired.vhdx")).unwrap();
    run(folder.path(), "qemu-img check -q -r all -f vhdx repaired.vhdx");
    run(folder.path(), "qemu-img convert -f vhdx -O raw repaired.vhdx back.raw");
    assert_same(image.device.as_ref(), &at("back.raw"), "dirty vhdx");
}

/// qemu-io leaves nothing to replay, since it closes its log after each write. Here the log is
/// opened again, by its last entry's GUID in both headers, and what that entry wrote is undone.
fn stop_before_the_block_table_is_written(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut log = vec![0; 1 << 20];
    file.read_exact_at(&mut log, 1 << 20).unwrap();
    let entry = log.chunks(4096).rfind(|sector| sector.starts_with(b"loge")).unwrap();
    for at in [64 << 10, 128 << 10] {
        let mut header = vec![0; 4096];
        file.read_exact_at(&mut header, at).unwrap();
        header[48..64].copy_from_slice(&entry[32..48]);
        header[4..8].fill(0);
        let sum = crc32c::crc32c(&header).to_le_bytes();
        header[4..8].copy_from_slice(&sum);
        file.write_all_at(&header, at).unwrap();
    }
    file.write_all_at(&[0; 4096], 2 << 20).unwrap();
}

/// Reads the first data of a device in pieces; what is asserted is that it ends.
fn read_some(device: &dyn BlockDevice) {
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    for _ in 0..40 {
        let Ok(Some(range)) = device.next_data(at) else { break };
        assert!(range.start >= at && range.start < range.end && range.end <= device.length());
        let count = usize::try_from(range.end - range.start).unwrap().min(buffer.len());
        let _ = device.read_at(range.start, &mut buffer[..count]);
        at = range.start + count as u64;
    }
}

#[test]
fn mutations_of_containers() {
    if mutations::are_done_elsewhere("block_oracle::mutations_of_containers") || !have_qemu() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    make_source(&folder.path().join("source.raw"), 9, 1 << 20, 8);
    let mut state = 99;
    for (format, options) in [
        ("qcow2", "-c -o compression_type=zstd,cluster_size=4096"),
        ("qcow2", "-c -o cluster_size=512"),
        ("qcow2", "-o extended_l2=on"),
        ("vmdk", "-o subformat=streamOptimized"),
        ("vmdk", ""),
        ("vhdx", "-o block_size=1M"),
        ("vpc", ""),
        ("vdi", ""),
    ] {
        run(folder.path(), &format!("qemu-img convert -O {format} {options} source.raw disk.img"));
        let bytes = std::fs::read(folder.path().join("disk.img")).unwrap();
        // Tables and headers are where it hurts: what is not zero, mostly at the start.
        let hot: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).take(6_000).collect();
        for round in 0..mutations::count(120) {
            mutations::begin();
            let mut damaged = bytes.clone();
            if round % 8 == 0 {
                damaged.truncate(usize::try_from(random(&mut state)).unwrap() % bytes.len());
            }
            for _ in 0..=random(&mut state) % 6 {
                let at = hot[usize::try_from(random(&mut state)).unwrap() % hot.len()];
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = u8::try_from(random(&mut state) & 0xff).unwrap();
                }
            }
            let path = folder.path().join("damaged.img");
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(image) = open_image(&path, &OpenOptions::default()) {
                read_some(image.device.as_ref());
            }
        }
    }
}

#[test]
fn logical_volumes() {
    let tools = ["pvcreate", "losetup", "sgdisk"];
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !tools.into_iter().all(has) {
        println!("skipped: needs root with {tools:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.raw");
    run(folder.path(), "truncate -s 64M disk.raw");
    run(folder.path(), "sgdisk -n 1:2048:+28M -n 2:0:+28M -t 1:8e00 -t 2:8e00 disk.raw");
    let attach = |offset: u64| {
        let arguments = ["-f", "--show", "-o", &offset.to_string(), "--sizelimit", "29360128"];
        let output = Command::new("losetup").args(arguments).arg(&disk).output().unwrap();
        let name = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (output.status.success() && !name.is_empty()).then_some(name)
    };
    let (Some(first), second) = (attach(1 << 20), attach(29 << 20)) else {
        println!("skipped: needs root and loop devices");
        return;
    };
    let second = second.unwrap();
    let group = format!("drift{}", std::process::id());
    let settings = format!(
        "devices/use_devicesfile=0 devices/filter=[\"a|^{first}$|\",\"a|^{second}$|\",\"r|.*|\"]"
    );
    let lvm = |arguments: &str| {
        let mut words = arguments.split(' ');
        let output = Command::new(words.next().unwrap())
            .args(["--config", &settings, "--driverloaded", "n"])
            .args(words)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(text)
    };
    let made = lvm(&format!("pvcreate {first} {second}"))
        .and_then(|()| lvm(&format!("vgcreate {group} -s 1M {first} {second}")))
        .and_then(|()| lvm(&format!("lvcreate -an -Zn -Wn -l 5 -n linear {group}")))
        .and_then(|()| lvm(&format!("lvcreate -an -Zn -Wn -i 2 -I 64k -l 6 -n striped {group}")))
        .and_then(|()| lvm(&format!("lvextend -l +20 {group}/linear")));
    run(folder.path(), &format!("losetup -d {first}"));
    run(folder.path(), &format!("losetup -d {second}"));
    made.unwrap();
    // Each 64 KiB of the disk behind the metadata says where it is.
    let file = File::options().read(true).write(true).open(&disk).unwrap();
    for base in [1_u64 << 20, 29 << 20] {
        for at in (base + (1 << 20)..base + (28 << 20)).step_by(64 << 10) {
            file.write_all_at(&at.to_le_bytes(), at).unwrap();
        }
    }
    let found = volumes(&open(&disk).device);
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    let names: Vec<&str> = found.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, [format!("{group}/linear"), format!("{group}/striped")]);
    let at = |volume: usize, offset: u64| {
        let mut word = [0; 8];
        found.parts[volume].device.read_at(offset, &mut word).unwrap();
        u64::from_le_bytes(word) >> 10
    };
    // As `lvs -o+devices,seg_pe_ranges` has it: 5 extents at 0 of the first, then 3 of each for
    // the stripes, then from 8 of the first and from 3 of the second. Data begins at 1 MiB.
    let (first, second) = (2 << 10, 30 << 10);
    assert_eq!(at(0, 0), first);
    assert_eq!(at(0, 4 << 20), first + (4 << 10));
    assert_eq!(at(0, 5 << 20), first + (8 << 10));
    assert_eq!(at(0, (5 + 19) << 20), second + (3 << 10));
    let stripes: Vec<u64> = (0..4).map(|n| at(1, n * (64 << 10))).collect();
    let begin = first + (5 << 10);
    assert_eq!(stripes, [begin, second, begin + 64, second + 64]);
}

#[test]
fn partitions_as_sgdisk_has_them() {
    if Command::new("sgdisk").arg("--version").output().is_err() {
        println!("skipped: sgdisk is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "truncate -s 64M disk.raw");
    let make = "sgdisk -n 1:2048:+1M -t 1:ef00 -c 1:boot -n 14:0:+2M -u 14:R -n 3:0:0 disk.raw";
    run(folder.path(), make);
    let output =
        Command::new("sgdisk").args(["-i", "14", "disk.raw"]).current_dir(&folder).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let unique = text.lines().find_map(|line| line.strip_prefix("Partition unique GUID: "));
    let found = volumes(&open(&folder.path().join("disk.raw")).device);
    let shown: Vec<(String, u64)> =
        found.parts.iter().map(|part| (part.name.clone(), part.device.length())).collect();
    assert_eq!(shown[0], ("1".to_owned(), 1 << 20));
    assert_eq!(shown.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["1", "3", "14"]);
    let VolumeSource::Partition(boot) = &found.parts[0].source else { panic!("no partition") };
    assert_eq!(boot.kind, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_eq!(boot.name.as_deref(), Some("boot"));
    let VolumeSource::Partition(last) = &found.parts[2].source else { panic!("no partition") };
    assert_eq!(last.uuid.as_deref(), unique.map(str::to_lowercase).as_deref());
}
