//! Scripts that cloud-init keeps and runs: `runcmd` and user-data parts of an instance, those of
//! every boot, boothooks. Their commands name what they touch.

use super::Window;
use crate::collect::events::{At, Sink, command};
use crate::collect::reader::{Reader, below};
use crate::model::{CauseKind, TreePath};
use std::collections::BTreeMap;

/// Files of one directory that are read.
const MAX_SCRIPTS: usize = 500;

/// Directories of an instance with the module that runs what lies there.
const OF_INSTANCE: [(&str, &str); 3] =
    [("scripts", "scripts_user"), ("boothooks", "boothook"), ("scripts/vendor", "scripts_vendor")];

/// Directories of the machine, likewise.
const OF_MACHINE: [(&str, &str); 4] = [
    ("/var/lib/cloud/scripts/per-boot", "scripts_per_boot"),
    ("/var/lib/cloud/scripts/per-instance", "scripts_per_instance"),
    ("/var/lib/cloud/scripts/per-once", "scripts_per_once"),
    ("/var/lib/cloud/scripts/vendor", "scripts_vendor"),
];

/// The scripts of one instance; `has_config` is whether its `runcmd` was read from the
/// configuration already.
pub(super) fn of_instance(
    reader: &mut Reader<'_>,
    instance: &TreePath,
    has_config: bool,
    windows: &BTreeMap<String, Window>,
    sink: &mut Sink,
) {
    for (directory, module) in OF_INSTANCE {
        each(reader, &below(instance, directory), |path, text| {
            let is_runcmd = path.file_name() == Some(b"runcmd");
            if is_runcmd && has_config {
                return;
            }
            let detail = if is_runcmd { "runcmd" } else { module };
            script(path, text, detail, windows.get(module), sink);
        });
    }
}

/// The scripts of the machine.
pub(super) fn of_machine(
    reader: &mut Reader<'_>,
    windows: &BTreeMap<String, Window>,
    sink: &mut Sink,
) {
    for (directory, module) in OF_MACHINE {
        each(reader, &TreePath::parse(directory), |path, text| {
            script(path, text, module, windows.get(module), sink);
        });
    }
}

fn each(reader: &mut Reader<'_>, directory: &TreePath, mut take: impl FnMut(&TreePath, &str)) {
    for (name, node) in reader.list(directory).into_iter().take(MAX_SCRIPTS) {
        let path = directory.join(&name);
        let Some(bytes) = reader.node(&path, &node) else { continue };
        take(&path, &String::from_utf8_lossy(&bytes));
    }
}

fn script(path: &TreePath, text: &str, detail: &str, window: Option<&Window>, sink: &mut Sink) {
    let is_shell =
        text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("sh"));
    if !is_shell {
        return;
    }
    for (subjects, line, quoted) in command::of_script(text, "/root") {
        let mut event = At { path, line }.event(CauseKind::CloudInit, "configure", detail, &quoted);
        if let Some((start, end)) = window {
            (event.time, event.until) = (Some(*start), Some(*end));
        }
        event.subjects = subjects;
        sink.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::View;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::{Records, Stage};

    #[test]
    fn scripts_name_what_they_touch() {
        let mut tree = MemoryFilesystem::new();
        let instance = "/var/lib/cloud/instances/i";
        tree.file(&format!("{instance}/scripts/runcmd"), "#!/bin/sh\ntouch /etc/never\n");
        tree.file(
            &format!("{instance}/scripts/part-001"),
            "#!/bin/bash\nset -e\ncat > /etc/a <<EOF\ntouch /etc/b\nEOF\napt-get install -y jq\n",
        );
        tree.file(&format!("{instance}/scripts/part-002"), "#!/usr/bin/python3\nopen('x')\n");
        tree.file("/var/lib/cloud/scripts/per-boot/x.sh", "#!/bin/sh\ntouch /etc/c\n");
        let mut records = Records::default();
        let view = View { filesystem: &tree, found: &[] };
        let mut reader = Reader::new(&view, &mut records, Stage::Events, 1 << 20);
        let mut sink = Sink::default();
        let windows = BTreeMap::new();
        of_instance(&mut reader, &TreePath::parse(instance), true, &windows, &mut sink);
        of_machine(&mut reader, &windows, &mut sink);
        let shown = sink
            .into_events()
            .into_iter()
            .map(|event| format!("{} {}: {}", event.detail, event.line.unwrap_or(0), event.text));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "scripts_user 3: cat > /etc/a <<EOF",
                "scripts_user 6: apt-get install -y jq",
                "scripts_per_boot 2: touch /etc/c",
            ]
        );
    }
}
