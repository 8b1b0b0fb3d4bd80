//! What several JSON schemas share: how paths, packages, values and causes are written.
//!
//! Bytes that are not plain text (UTF-8 without control characters) stand as base64 beside an
//! escaped form for people, so that nothing is lost and nothing attacks who prints it.

use crate::model::{self, AttributeValue, TreePath};
use crate::report::format::escaped;
use crate::report::xattr;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Base64 with padding (RFC 4648 section 4), the one alphabet of all our formats.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `path`, and `path_base64` where it is not plain.
#[derive(Serialize)]
pub(super) struct Path<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

impl<'a> From<&'a TreePath> for Path<'a> {
    fn from(path: &'a TreePath) -> Self {
        match path.as_plain_str() {
            Some(plain) => Self { path: Cow::Borrowed(plain), path_base64: None },
            None => Self {
                path: Cow::Owned(path.to_string()),
                path_base64: Some(base64(path.as_bytes())),
            },
        }
    }
}

/// A path where no `_base64` can stand beside it: escaped where it is not plain.
pub(super) fn path_text(path: &TreePath) -> Cow<'_, str> {
    path.as_plain_str().map_or_else(|| Cow::Owned(path.to_string()), Cow::Borrowed)
}

/// What makes a package the same package.
#[derive(Serialize)]
pub(super) struct PackageKey<'a> {
    manager: &'a str,
    name: &'a str,
    architecture: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
}

impl<'a> From<&'a model::PackageKey> for PackageKey<'a> {
    fn from(key: &'a model::PackageKey) -> Self {
        Self {
            manager: &key.manager,
            name: &key.name,
            architecture: key.architecture.as_deref(),
            instance: key.instance.as_deref(),
        }
    }
}

/// What a change or a finding is about.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Subject<'a> {
    Path(Path<'a>),
    Package(PackageKey<'a>),
    Fact { scope: &'a str, key: &'a str },
}

impl<'a> From<&'a model::Subject> for Subject<'a> {
    fn from(subject: &'a model::Subject) -> Self {
        match subject {
            model::Subject::Path(path) => Self::Path(path.into()),
            model::Subject::Package(key) => Self::Package(key.into()),
            model::Subject::Fact { scope, key } => Self::Fact { scope, key },
        }
    }
}

/// Attributes by their names, in the contract's order.
pub(super) struct Attributes<'a>(pub(super) &'a [model::Attribute]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for attribute in self.0 {
            let side = |side: &Option<_>| side.as_ref().map(|v| Value::new(&attribute.name, v));
            let sides = Sides { before: side(&attribute.before), after: side(&attribute.after) };
            map.serialize_entry(&attribute.name, &sides)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Sides {
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// One side of an attribute: a string, a number, `null` for bytes that could not be read, or an
/// object for what is no plain text.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Unread(()),
    Encoded {
        base64: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        decoded: Option<String>,
    },
}

impl Value {
    fn new(name: &str, value: &AttributeValue) -> Self {
        match value {
            AttributeValue::Kind(kind) => Self::Text(kind.to_string()),
            AttributeValue::Mode(mode) => Self::Text(format!("{mode:04o}")),
            AttributeValue::Number(number) => Self::Number(*number),
            AttributeValue::Digest(Some(digest)) => Self::Text(digest.to_string()),
            AttributeValue::Digest(None) => Self::Unread(()),
            AttributeValue::Bytes(raw) => {
                Self::bytes(name.strip_prefix("xattr:").unwrap_or_default(), raw)
            }
            AttributeValue::Device(device) => Self::Text(device.to_string()),
            AttributeValue::Text(text) => Self::Text(text.clone()),
        }
    }

    /// Text where the bytes are plain, otherwise base64, with what it says where `xattr` names an
    /// attribute that we can read.
    pub(super) fn bytes(xattr: &str, raw: &[u8]) -> Self {
        match std::str::from_utf8(raw) {
            Ok(text) if !text.chars().any(char::is_control) => Self::Text(text.to_owned()),
            _ => Self::Encoded {
                base64: base64(raw),
                decoded: xattr::decode(xattr, raw).map(|text| escaped(&text)),
            },
        }
    }
}

/// Why something changed.
#[derive(Serialize)]
pub(super) struct Cause<'a> {
    cause: &'static str,
    detail: &'a str,
    confidence: &'static str,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    text: &'a str,
}

impl<'a> From<&'a model::Cause> for Cause<'a> {
    fn from(cause: &'a model::Cause) -> Self {
        let evidence = cause.evidence.iter().map(|evidence| Evidence {
            path: (&evidence.path).into(),
            line: evidence.line,
            time: evidence.time.map(|time| time.to_string()),
            text: &evidence.text,
        });
        Self {
            cause: cause.kind.as_str(),
            detail: &cause.detail,
            confidence: cause.confidence.as_str(),
            evidence: evidence.collect(),
        }
    }
}

/// A part that could not be read.
#[derive(Serialize)]
pub(super) struct Gap<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    stage: &'static str,
    reason: &'a str,
}

impl<'a> From<&'a model::Gap> for Gap<'a> {
    fn from(gap: &'a model::Gap) -> Self {
        Self { path: (&gap.path).into(), stage: gap.stage.as_str(), reason: &gap.reason }
    }
}

/// A part that was left out on purpose.
#[derive(Serialize)]
pub(super) struct Omission<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    reason: &'a str,
}

impl<'a> From<&'a model::Omission> for Omission<'a> {
    fn from(omission: &'a model::Omission) -> Self {
        Self { path: (&omission.path).into(), reason: &omission.reason }
    }
}

/// Which manifest.
#[derive(Serialize)]
pub(super) struct Side<'a> {
    name: &'a str,
    id: String,
    target: &'a str,
    scanned_at: String,
    entries: u64,
}

impl<'a> From<&'a model::ManifestSummary> for Side<'a> {
    fn from(summary: &'a model::ManifestSummary) -> Self {
        Self {
            name: &summary.name,
            id: summary.id.to_string(),
            target: &summary.target,
            scanned_at: summary.scanned_at.to_string(),
            entries: summary.entries,
        }
    }
}

impl<'a> From<&'a model::Manifest> for Side<'a> {
    fn from(manifest: &'a model::Manifest) -> Self {
        Self {
            name: &manifest.header.name,
            id: manifest.id().to_string(),
            target: &manifest.header.target,
            scanned_at: manifest.header.scanned_at.to_string(),
            entries: manifest.header.entries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, ContentDigest, DeviceNumber, FileKind};

    #[test]
    fn paths_that_are_not_plain_keep_their_bytes() {
        let check = |path: &[u8], expected: &str| {
            let path = TreePath::parse(path);
            let json = serde_json::to_string(&Path::from(&path)).unwrap();
            assert_eq!(json, expected);
        };
        check(b"/etc/motd", r#"{"path":"/etc/motd"}"#);
        check(br"/a\b", r#"{"path":"/a\\b"}"#);
        check("/grün".as_bytes(), r#"{"path":"/grün"}"#);
        check(b"/a\nb", r#"{"path":"/a\\x0ab","path_base64":"L2EKYg=="}"#);
        check(b"/\xff", r#"{"path":"/\\xff","path_base64":"L/8="}"#);
    }

    #[test]
    fn every_kind_of_attribute() {
        let check = |name: &str, after: AttributeValue, expected: &str| {
            let attribute = Attribute { name: name.to_owned(), before: None, after: Some(after) };
            let json = serde_json::to_string(&Attributes(&[attribute])).unwrap();
            assert_eq!(json, format!("{{\"{name}\":{{\"after\":{expected}}}}}"));
        };
        check("kind", AttributeValue::Kind(FileKind::CharacterDevice), "\"character-device\"");
        check("mode", AttributeValue::Mode(0o4755), "\"4755\"");
        check("uid", AttributeValue::Number(0), "0");
        check("digest", AttributeValue::Digest(None), "null");
        let digest = ContentDigest::of(b"");
        check("digest", AttributeValue::Digest(Some(digest)), &format!("\"{digest}\""));
        check("target", AttributeValue::Bytes(b"../x".to_vec()), "\"../x\"");
        check("target", AttributeValue::Bytes(b"\x1b".to_vec()), "{\"base64\":\"Gw==\"}");
        let device = DeviceNumber { major: 8, minor: 1 };
        check("device", AttributeValue::Device(device), "\"8:1\"");
        check(
            "xattr:security.selinux",
            AttributeValue::Bytes(b"etc_t\0".to_vec()),
            "{\"base64\":\"ZXRjX3QA\",\"decoded\":\"etc_t\"}",
        );
        check("xattr:user.note", AttributeValue::Bytes(b"x".to_vec()), "\"x\"");
    }
}
