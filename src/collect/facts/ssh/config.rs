//! sshd_config(5): directives, and which of several counts.

use crate::collect::facts::lines::single_spaced;
use crate::model::TreePath;
use std::collections::BTreeMap;

/// Directives that may be given more than once: all values count.
const REPEATED: [&str; 13] = [
    "AcceptEnv",
    "AllowGroups",
    "AllowUsers",
    "DenyGroups",
    "DenyUsers",
    "HostCertificate",
    "HostKey",
    "ListenAddress",
    "PermitListen",
    "PermitOpen",
    "Port",
    "SetEnv",
    "Subsystem",
];

/// How the manual writes directives, so that another spelling is no other setting.
const SPELLINGS: [&str; 84] = [
    "AddressFamily",
    "AllowAgentForwarding",
    "AllowStreamLocalForwarding",
    "AllowTcpForwarding",
    "AuthenticationMethods",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedKeysFile",
    "AuthorizedPrincipalsCommand",
    "AuthorizedPrincipalsCommandUser",
    "AuthorizedPrincipalsFile",
    "Banner",
    "CASignatureAlgorithms",
    "ChannelTimeout",
    "ChrootDirectory",
    "Ciphers",
    "ClientAliveCountMax",
    "ClientAliveInterval",
    "Compression",
    "DebianBanner",
    "DisableForwarding",
    "ExposeAuthInfo",
    "FingerprintHash",
    "ForceCommand",
    "GatewayPorts",
    "GSSAPIAuthentication",
    "GSSAPICleanupCredentials",
    "GSSAPIKeyExchange",
    "GSSAPIStrictAcceptorCheck",
    "HostbasedAcceptedAlgorithms",
    "HostbasedAuthentication",
    "HostbasedUsesNameFromPacketOnly",
    "HostKeyAgent",
    "HostKeyAlgorithms",
    "IgnoreRhosts",
    "IgnoreUserKnownHosts",
    "IPQoS",
    "KbdInteractiveAuthentication",
    "KerberosAuthentication",
    "KerberosGetAFSToken",
    "KerberosOrLocalPasswd",
    "KerberosTicketCleanup",
    "KexAlgorithms",
    "LoginGraceTime",
    "LogLevel",
    "LogVerbose",
    "MACs",
    "MaxAuthTries",
    "MaxSessions",
    "MaxStartups",
    "ModuliFile",
    "PasswordAuthentication",
    "PermitEmptyPasswords",
    "PermitRootLogin",
    "PermitTTY",
    "PermitTunnel",
    "PermitUserEnvironment",
    "PermitUserRC",
    "PerSourceMaxStartups",
    "PerSourceNetBlockSize",
    "PerSourcePenalties",
    "PerSourcePenaltyExemptList",
    "PidFile",
    "PrintLastLog",
    "PrintMotd",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "PubkeyAuthOptions",
    "RekeyLimit",
    "RequiredRSASize",
    "RevokedKeys",
    "RDomain",
    "SecurityKeyProvider",
    "StreamLocalBindMask",
    "StreamLocalBindUnlink",
    "StrictModes",
    "SyslogFacility",
    "TCPKeepAlive",
    "TrustedUserCAKeys",
    "UnusedConnectionTimeout",
    "UseDNS",
    "UsePAM",
    "VersionAddendum",
    "X11Forwarding",
];

/// Older names of what is there.
const RENAMED: [(&str, &str); 5] = [
    ("ChallengeResponseAuthentication", "KbdInteractiveAuthentication"),
    ("SkeyAuthentication", "KbdInteractiveAuthentication"),
    ("PubkeyAcceptedKeyTypes", "PubkeyAcceptedAlgorithms"),
    ("HostbasedAcceptedKeyTypes", "HostbasedAcceptedAlgorithms"),
    ("KeepAlive", "TCPKeepAlive"),
];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// As written.
    pub keyword: String,
    /// Arguments with one space between, quotes kept.
    pub value: String,
}

/// What counts, by `Keyword` or `Match CONDITION: Keyword`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// By key.
    pub values: BTreeMap<String, Setting>,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it is set to.
    pub value: String,
    /// The file that does it first.
    pub evidence: TreePath,
}

impl Settings {
    /// A directive in the order in which sshd meets it; `condition` is empty outside of blocks.
    pub fn add(&mut self, condition: &str, keyword: &str, value: String, evidence: &TreePath) {
        let keyword = spelling(keyword);
        let key = match condition {
            "" => keyword.clone(),
            _ => format!("Match {condition}: {keyword}"),
        };
        match self.values.get_mut(&key) {
            None => {
                let evidence = evidence.clone();
                self.values.insert(key, Setting { value, evidence });
            }
            Some(known) if REPEATED.contains(&keyword.as_str()) => {
                known.value.push(' ');
                known.value.push_str(&value);
            }
            Some(_) => {}
        }
    }
}

fn spelling(keyword: &str) -> String {
    let renamed = RENAMED.iter().find(|(old, _)| old.eq_ignore_ascii_case(keyword));
    let keyword = renamed.map_or(keyword, |(_, new)| new);
    let known = SPELLINGS.iter().chain(&REPEATED);
    let known = known.copied().find(|known| known.eq_ignore_ascii_case(keyword));
    known.unwrap_or(keyword).to_owned()
}

/// Reads one file. `Keyword value` and `Keyword=value` are the same.
#[must_use]
pub fn parse(text: &str) -> Vec<Directive> {
    let read = |line: &str| {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let line = single_spaced(uncommented(line));
        let end = line.find([' ', '=']).unwrap_or(line.len());
        let (keyword, rest) = line.split_at_checked(end)?;
        let rest = rest.trim_start();
        let value = rest.strip_prefix('=').unwrap_or(rest).trim();
        let (keyword, value) = (keyword.trim_matches('"').to_owned(), value.to_owned());
        (!keyword.is_empty()).then_some(Directive { keyword, value })
    };
    text.lines().filter_map(read).collect()
}

/// The line up to a word that begins with `#`.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let mut before = ' ';
    for (index, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted && before.is_whitespace() => return line.get(..index).unwrap_or(line),
            _ => {}
        }
        before = c;
    }
    line
}

/// Arguments without their quotes.
#[must_use]
pub fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in value.chars().chain([' ']) {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()));
            }
            c => word.push(c),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let found = parse(line);
            let found = found.first().map(|one| (one.keyword.as_str(), one.value.as_str()));
            assert_eq!(found, expected, "{line}");
        };
        check("  Port  22 ", Some(("Port", "22")));
        check("Port=22", Some(("Port", "22")));
        check("Port = 22 # x", Some(("Port", "22")));
        check("Banner \"a #b\"", Some(("Banner", "\"a #b\"")));
        check("# Port 22", None);
        check("", None);
        assert_eq!(words("a \"b c\"  d"), ["a", "b c", "d"]);
        assert_eq!(spelling("usepam"), "UsePAM");
        assert_eq!(spelling("Newer"), "Newer");
        assert_eq!(spelling("challengeresponseauthentication"), "KbdInteractiveAuthentication");
    }
}
