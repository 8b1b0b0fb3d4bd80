//! MIME user-data (RFC 2045, RFC 2046): headers, a boundary, parts with encodings of their own.

use super::{Seed, transport};
use crate::pins::span::Fragment;

/// More parts than this are no user-data.
const MAX_PARTS: usize = 500;

/// Headers of a part.
#[derive(Default)]
struct Headers {
    kind: String,
    boundary: Option<String>,
    encoding: String,
    /// Where the body starts.
    body: usize,
}

/// Whether a text begins with MIME headers.
pub(super) fn is_mime(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().to_ascii_lowercase();
    let header = line.starts_with("content-type:")
        || line.starts_with("mime-version:")
        || line.starts_with("from nobody");
    header
        && text
            .get(..4096.min(text.len()))
            .unwrap_or(text)
            .to_ascii_lowercase()
            .contains("content-type:")
}

impl Seed<'_, '_> {
    /// A message: one part, or many behind boundaries.
    pub(super) fn mime(&mut self, data: &Fragment) {
        let headers = headers(data.text());
        let Some(boundary) = headers.boundary.filter(|_| headers.kind.starts_with("multipart/"))
        else {
            let body = data.slice(headers.body..data.text().len());
            self.part(&body, &headers.kind, &headers.encoding);
            return;
        };
        let bodies = parts(data.text(), headers.body, &boundary);
        for (start, end) in bodies {
            let part = data.slice(start..end);
            let own = self::headers(part.text());
            if own.kind.starts_with("multipart/") {
                self.dispatch(&part, None);
                continue;
            }
            let body = part.slice(own.body..part.text().len());
            self.part(&body, &own.kind, &own.encoding);
        }
    }

    fn part(&mut self, body: &Fragment, kind: &str, encoding: &str) {
        let at = body.raw_whole();
        let decoded = match encoding {
            "base64" => {
                let bytes = transport::base64(body.text());
                let text = bytes.and_then(|bytes| self.unpacked(&bytes));
                let Some(text) = text else {
                    if !body.text().trim().is_empty() {
                        self.audit.gap("a MIME part is no text in base64", Some(at.start));
                    }
                    return;
                };
                Fragment::opaque(&text, trimmed(body))
            }
            "quoted-printable" => transport::quoted_printable(body),
            _ => body.clone(),
        };
        self.dispatch(&decoded, Some(kind));
    }
}

/// The raw range of a text without the blanks around it.
fn trimmed(body: &Fragment) -> std::ops::Range<usize> {
    let text = body.text();
    let start = text.len().saturating_sub(text.trim_start().len());
    let end = start.saturating_add(text.trim().len());
    body.raw_range(start..end)
}

/// The ranges between boundary lines.
fn parts(text: &str, from: usize, boundary: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open = None;
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let Some(rest) = line.trim().strip_prefix("--").and_then(|l| l.strip_prefix(boundary))
        else {
            continue;
        };
        if !rest.is_empty() && rest != "--" {
            continue;
        }
        if let Some(open) = open.take() {
            found.push((open, start));
        }
        if rest == "--" || found.len() >= MAX_PARTS {
            return found;
        }
        open = Some(at);
    }
    // A message that ends without its last boundary still has its last part.
    found.extend(open.map(|open| (open, text.len())));
    found
}

fn headers(text: &str) -> Headers {
    let mut found = Headers::default();
    let mut unfolded: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let folded = line.starts_with([' ', '\t']);
        let header = content.split_once(':').is_some_and(|(name, _)| !name.contains(' '));
        if content.is_empty() && unfolded.is_empty() {
            // Blank lines before the first header.
        } else if content.is_empty() {
            found.body = found.body.saturating_add(line.len());
            break;
        } else if folded && let Some(last) = unfolded.last_mut() {
            last.push(' ');
            last.push_str(content.trim_start());
        } else if header || content.starts_with("From ") {
            unfolded.push(content.trim_start().to_owned());
        } else {
            // No headers at all: the body starts here.
            break;
        }
        found.body = found.body.saturating_add(line.len());
    }
    for header in &unfolded {
        let Some((name, value)) = header.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                let mut fields = value.split(';').map(str::trim);
                found.kind = fields.next().unwrap_or_default().to_ascii_lowercase();
                found.boundary = fields.find_map(|field| {
                    let (name, value) = field.split_once('=')?;
                    let own = name.trim().eq_ignore_ascii_case("boundary");
                    own.then(|| value.trim().trim_matches('"').to_owned())
                });
            }
            "content-transfer-encoding" => found.encoding = value.to_ascii_lowercase(),
            _ => {}
        }
    }
    found
}
