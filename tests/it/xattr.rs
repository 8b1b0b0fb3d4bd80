//! What reports say of extended attributes against `getcap` and `getfacl`.

use driftcheck::report::xattr::decode;
use std::path::Path;
use std::process::Command;

/// What a tool prints; [`None`], with the reason told, where it is not there or refuses.
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    match Command::new(program).args(arguments).arg(file).output() {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).ok(),
        Ok(output) => {
            println!("skipped: {program}: {}", String::from_utf8_lossy(&output.stderr).trim());
            None
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

fn raw(file: &Path, name: &str) -> Vec<u8> {
    let mut buffer = [0_u8; 1024];
    let length = rustix::fs::getxattr(file, name, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn capabilities_are_told_like_getcap() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for set in [
        "cap_net_raw=ep",
        "cap_net_raw=p",
        "cap_chown,cap_fowner=eip",
        "cap_setuid=ep cap_setgid=p",
        "cap_bpf,cap_checkpoint_restore=i",
        "=ep",
        "=",
    ] {
        if run("setcap", &[set], &file).is_none() {
            return;
        }
        let Some(told) = run("getcap", &[], &file) else { return };
        let expected = told.trim().strip_prefix(file.to_str().unwrap()).unwrap().trim();
        let decoded = decode("security.capability", &raw(&file, "security.capability")).unwrap();
        assert_eq!(decoded, expected, "set as {set}");
    }
}

#[test]
fn access_lists_are_told_like_getfacl() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for entry in ["u:1234:rw", "g:4321:x,m::r", "u:0:-,o::rwx"] {
        if run("setfacl", &["-m", entry], &file).is_none() {
            return;
        }
        let options = ["--absolute-names", "--omit-header", "--numeric", "--no-effective"];
        let Some(told) = run("getfacl", &options, &file) else { return };
        let expected: Vec<&str> = told.split_whitespace().collect();
        let value = raw(&file, "system.posix_acl_access");
        assert_eq!(decode("system.posix_acl_access", &value).unwrap(), expected.join(","));
    }
}
