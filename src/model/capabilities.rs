//! File capabilities, as the kernel keeps them and as people and package databases write them.
//!
//! The bytes are those of `security.capability`, versions 1 to 3 of
//! `include/uapi/linux/capability.h`; the text is that of `cap_from_text(3)`. Two texts that
//! look different may mean the same, so they are compared as sets.

use std::fmt;

/// Capabilities by their number, without the leading `cap_`.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// How many capabilities the oldest kernels in use know (Linux 3.16 to 5.7). "All" means all that
/// the kernel of the time knew, which the value does not say.
const OLDEST_COUNT: u32 = 38;

/// What a file's capabilities grant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Capabilities {
    effective: u64,
    inheritable: u64,
    permitted: u64,
    /// Root's number in the user namespace for which they hold; `None` for the first namespace.
    root: Option<u32>,
}

impl Capabilities {
    /// Reads the value of `security.capability`; `None` where it does not follow its format.
    #[must_use]
    pub fn from_xattr(value: &[u8]) -> Option<Self> {
        let word = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
        let words: Vec<u32> = value.chunks(4).map(word).collect::<Option<_>>()?;
        let (magic, sets) = words.split_first()?;
        let (permitted, inheritable, root) = match (magic >> 24, sets) {
            (1, [permitted, inheritable]) => (u64::from(*permitted), u64::from(*inheritable), None),
            (2, [p0, i0, p1, i1]) => (wide(*p0, *p1), wide(*i0, *i1), None),
            (3, [p0, i0, p1, i1, root]) => (wide(*p0, *p1), wide(*i0, *i1), Some(*root)),
            _ => return None,
        };
        let effective = if magic & 1 == 0 { 0 } else { permitted | inheritable };
        Some(Self { effective, inheritable, permitted, root })
    }

    /// Reads clauses like `cap_net_raw,cap_net_admin=ep`, `=ep` or `all=p cap_chown+i`; `None` for
    /// what is none or names a capability that is not known.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut sets = Self::default();
        for clause in text.split_ascii_whitespace() {
            let start = clause.find(['=', '+', '-'])?;
            let (list, mut rest) = clause.split_at_checked(start)?;
            let mask = mask(list, rest.starts_with('='))?;
            while let Some(operator) = rest.chars().next() {
                let after = rest.get(1..)?;
                let end = after.find(['=', '+', '-']).unwrap_or(after.len());
                let (flags, next) = after.split_at_checked(end)?;
                sets.apply(operator, flags, mask)?;
                rest = next;
            }
        }
        Some(sets)
    }

    fn apply(&mut self, operator: char, flags: &str, mask: u64) -> Option<()> {
        if flags.chars().any(|flag| !matches!(flag, 'e' | 'i' | 'p')) {
            return None;
        }
        for (flag, set) in
            [('e', &mut self.effective), ('i', &mut self.inheritable), ('p', &mut self.permitted)]
        {
            let is_named = flags.contains(flag);
            if is_named && operator != '-' {
                *set |= mask;
            } else if is_named || operator == '=' {
                *set &= !mask;
            }
        }
        Some(())
    }

    /// Whether nothing is granted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.effective | self.inheritable | self.permitted == 0
    }
}

/// "All" is written as all that somebody's kernel knew, so every such set is the same.
impl PartialEq for Capabilities {
    fn eq(&self, other: &Self) -> bool {
        let whole = |set: u64| if is_all(set) { u64::MAX } else { set };
        whole(self.effective) == whole(other.effective)
            && whole(self.inheritable) == whole(other.inheritable)
            && whole(self.permitted) == whole(other.permitted)
            && self.root == other.root
    }
}

impl Eq for Capabilities {}

/// As `cap_to_text(3)` and `getcap` write it: `cap_net_raw=ep`, with the user namespace's root
/// (version 3) behind it: `cap_net_raw=ep [rootid=1000]`.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for bit in 0..u64::BITS {
            let written = self.flags(bit);
            if written.is_empty() {
                continue;
            }
            let known = usize::try_from(bit).ok().and_then(|index| CAPABILITIES.get(index));
            let name = known.map_or_else(|| bit.to_string(), |name| format!("cap_{name}"));
            match groups.iter_mut().find(|(flags, _)| *flags == written) {
                Some((_, names)) => names.push(name),
                None => groups.push((written, vec![name])),
            }
        }
        match groups.as_slice() {
            [] => f.write_str("=")?,
            [(flags, _)] if is_all(self.effective | self.inheritable | self.permitted) => {
                write!(f, "={flags}")?;
            }
            _ => {
                let part =
                    |(flags, names): &(String, Vec<String>)| format!("{}={flags}", names.join(","));
                f.write_str(&groups.iter().map(part).collect::<Vec<_>>().join(" "))?;
            }
        }
        self.root.map_or(Ok(()), |root| write!(f, " [rootid={root}]"))
    }
}

impl Capabilities {
    /// The sets that have a capability, as letters.
    fn flags(&self, bit: u32) -> String {
        [(self.effective, 'e'), (self.inheritable, 'i'), (self.permitted, 'p')]
            .iter()
            .filter(|(set, _)| set >> bit & 1 == 1)
            .map(|(_, letter)| *letter)
            .collect()
    }
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn is_all(set: u64) -> bool {
    set.trailing_ones() == set.count_ones() && set.count_ones() >= OLDEST_COUNT
}

/// Names and numbers, `all`, or nothing before a `=`, which is all too.
fn mask(list: &str, may_be_empty: bool) -> Option<u64> {
    let all = (1 << CAPABILITIES.len()) - 1;
    if list.eq_ignore_ascii_case("all") || (list.is_empty() && may_be_empty) {
        return Some(all);
    }
    list.split(',').try_fold(0, |mask, word| {
        let word = word.to_ascii_lowercase();
        let bit = match word.parse::<usize>() {
            Ok(number) => Some(number).filter(|number| *number < 64),
            Err(_) => {
                let name = word.strip_prefix("cap_")?;
                CAPABILITIES.iter().position(|known| *known == name)
            }
        };
        Some(mask | 1 << bit?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn bytes_of_the_kernel() {
        let check = |hex: &str, expected: Option<&str>| {
            let seen = Capabilities::from_xattr(&bytes(hex)).map(|sets| sets.to_string());
            assert_eq!(seen.as_deref(), expected, "{hex}");
        };
        // setcap cap_net_raw=ep
        check("01000002 00200000 00000000 00000000 00000000", Some("cap_net_raw=ep"));
        check("00000002 01000000 00200000 00000000 00000000", Some("cap_chown=p cap_net_raw=i"));
        check(
            "01000003 00040000 00000000 00000000 00000000 e8030000",
            Some("cap_net_bind_service=ep [rootid=1000]"),
        );
        check("01000002 ffffffff 00000000 ff010000 00000000", Some("=ep"));
        // All of Linux 4.
        check("01000002 ffffffff 00000000 3f000000 00000000", Some("=ep"));
        check("01000002 00200000", None);
        check("", None);
    }

    #[test]
    fn texts_mean_sets() {
        let check = |text: &str, expected: Option<&str>| {
            let seen = Capabilities::from_text(text).map(|sets| sets.to_string());
            assert_eq!(seen.as_deref(), expected, "{text}");
        };
        check("", Some("="));
        check("=", Some("="));
        check("= cap_net_raw+ep", Some("cap_net_raw=ep"));
        check("cap_net_admin,cap_net_raw=ep", Some("cap_net_admin,cap_net_raw=ep"));
        check("CAP_NET_RAW+p cap_net_raw+e", Some("cap_net_raw=ep"));
        check("13=ep", Some("cap_net_raw=ep"));
        check("all=p", Some("=p"));
        check("cap_chown=p+e-p", Some("cap_chown=e"));
        check("cap_chown", None);
        check("cap_none=p", None);
        check("cap_chown=x", None);
        check("99=p", None);
        check("+p", None);
    }

    #[test]
    fn all_is_all_whoever_wrote_it() {
        let old = Capabilities::from_xattr(&bytes("01000002 ffffffff 00000000 3f000000 00000000"));
        assert_eq!(old, Capabilities::from_text("=ep"));
        assert_ne!(old, Capabilities::from_text("=p"));
    }
}
