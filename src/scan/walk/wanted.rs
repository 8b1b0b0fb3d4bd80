//! Which names collectors want to hear of, wherever the walk meets them.

use crate::collect::{BUILD_INFO, Collector, SET_ID};
use crate::filesystem::Metadata;
use crate::model::FileKind;
use std::collections::HashMap;

/// The names that collectors want to hear of.
pub(in crate::scan) struct Wanted {
    exact: HashMap<&'static [u8], Vec<usize>>,
    prefixes: Vec<(&'static [u8], usize)>,
    suffixes: Vec<(&'static [u8], usize)>,
    set_id: Vec<usize>,
    /// Those that want to hear of executables that say what they were built from.
    pub(super) build_info: Vec<usize>,
    pub(super) count: usize,
}

impl Wanted {
    pub(in crate::scan) fn new(collectors: &[&Collector]) -> Self {
        let mut wanted = Self {
            exact: HashMap::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            set_id: Vec::new(),
            build_info: Vec::new(),
            count: collectors.len(),
        };
        for (index, collector) in collectors.iter().enumerate() {
            for pattern in collector.wanted {
                if *pattern == SET_ID {
                    wanted.set_id.push(index);
                } else if *pattern == BUILD_INFO {
                    wanted.build_info.push(index);
                } else if let Some(suffix) = pattern.strip_prefix('*') {
                    wanted.suffixes.push((suffix.as_bytes(), index));
                } else if let Some(prefix) = pattern.strip_suffix('*') {
                    wanted.prefixes.push((prefix.as_bytes(), index));
                } else {
                    wanted.exact.entry(pattern.as_bytes()).or_default().push(index);
                }
            }
        }
        wanted
    }

    /// Calls `found` with the index of each collector that wants this name or what it names, once
    /// each.
    pub(super) fn each(&self, name: &[u8], metadata: &Metadata, mut found: impl FnMut(usize)) {
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let prefix = self.prefixes.iter().filter(|(p, _)| name.starts_with(p)).map(|(_, i)| *i);
        let suffix = self.suffixes.iter().filter(|(s, _)| name.ends_with(s)).map(|(_, i)| *i);
        let has_bits = metadata.kind == FileKind::File && metadata.mode & 0o6000 != 0;
        let set_id = self.set_id.iter().filter(|_| has_bits).copied();
        let mut indices: Vec<usize> = exact.chain(prefix).chain(suffix).chain(set_id).collect();
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().for_each(&mut found);
    }
}
