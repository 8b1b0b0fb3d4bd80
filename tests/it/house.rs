//! The house rules, as tests in the project's own language.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, as `ARCHITECTURE` and `src/lib.rs` list them.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["machine", "model"]),
    (1, &["block"]),
    (2, &["filesystem"]),
    (3, &["targets", "collect", "pins"]),
    (4, &["scan", "store", "compare", "attribute", "policy", "report"]),
    (5, &["cli"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.sort();
    found
}

/// The room that a file belongs to: the first folder below `src`, or the file's own name.
fn room_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn rooms_use_lower_floors_only() {
    let floor_of: BTreeMap<&str, u8> =
        FLOORS.iter().flat_map(|(floor, rooms)| rooms.iter().map(|room| (*room, *floor))).collect();
    let mut broken = Vec::new();
    for path in all_sources() {
        let room = room_of(&path);
        let Some(own) = floor_of.get(room.as_str()) else {
            assert!(["lib", "main"].contains(&room.as_str()), "{room} has no floor");
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for part in code.split("crate::").skip(1) {
                let used: String =
                    part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let allowed = used == room || floor_of.get(used.as_str()).is_none_or(|f| f < own);
                if !allowed {
                    broken.push(format!("{}:{}: {room} uses {used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_is_part_of_the_house() {
    for path in all_sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if ["lib", "main"].contains(&name.as_str()) {
            continue;
        }
        let (parent, module) = if name == "mod" {
            let folder = path.parent().unwrap();
            (folder.parent().unwrap(), folder.file_name().unwrap().to_string_lossy().into_owned())
        } else {
            (path.parent().unwrap(), name)
        };
        let candidates = ["lib.rs", "main.rs", "mod.rs"].map(|file| parent.join(file));
        let declared =
            candidates.iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| {
                text.lines().any(|line| {
                    let line = line.trim();
                    let rest = line.strip_suffix(&format!("mod {module};"));
                    rest.is_some_and(|before| before.is_empty() || before.starts_with("pub"))
                })
            });
        assert!(declared, "{} has no `mod` line", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} has no module page", path.display());
    }
}

#[test]
fn the_repository_names_no_machine() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["/work/", "/root/.cargo"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}
