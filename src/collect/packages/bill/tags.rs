//! SPDX's text form: a `Tag: value` a line; `<text>` may span lines and is passed over.
//! <https://spdx.github.io/spdx-spec/v2.3/>

use super::{Bill, ExternalRef, Intake, SpdxPackage};
use crate::model::Fault;

/// Reads a document.
pub(super) fn read(bytes: &[u8]) -> Result<Bill, Fault> {
    let text = std::str::from_utf8(bytes).map_err(Fault::damaged)?;
    let mut intake = Intake::default();
    let mut form = String::new();
    let mut open: Option<SpdxPackage> = None;
    let mut in_text = false;
    for line in text.lines() {
        if in_text {
            in_text = !line.contains("</text>");
            continue;
        }
        let Some((tag, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        in_text = value.starts_with("<text>") && !value.contains("</text>");
        match (tag.trim(), &mut open) {
            ("SPDXVersion", _) => form = value.to_owned(),
            ("PackageName", _) => {
                let fresh = SpdxPackage { external_refs: vec![], primary_package_purpose: None };
                open.replace(fresh).into_iter().for_each(|package| intake.spdx(package));
            }
            // What follows is about files, snippets or relations until the next package.
            ("FileName" | "SnippetSPDXID", _) => {
                open.take().into_iter().for_each(|package| intake.spdx(package));
            }
            ("PrimaryPackagePurpose", Some(package)) => {
                package.primary_package_purpose = Some(value.to_owned());
            }
            ("ExternalRef", Some(package)) => {
                let mut words = value.split_ascii_whitespace().skip(1);
                if let (Some(kind), Some(locator)) = (words.next(), words.next()) {
                    let (reference_type, reference_locator) = (kind.into(), locator.into());
                    package.external_refs.push(ExternalRef { reference_type, reference_locator });
                }
            }
            _ => {}
        }
    }
    open.into_iter().for_each(|package| intake.spdx(package));
    if !form.starts_with("SPDX-2.") {
        return Err(Fault::unsupported(form));
    }
    Ok(intake.finish(form.replace('-', " ")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn packages_until_what_is_none() {
        check(
            "SPDXVersion: SPDX-2.2\nDataLicense: CC0-1.0\n\nPackageName: a\n\
             PackageComment: <text>one\nPackageName: not me\n</text>\n\
             ExternalRef: PACKAGE-MANAGER purl pkg:alpm/arch/a@1-1?arch=any\n\
             PackageName: b\nFileName: ./x\nExternalRef: PACKAGE-MANAGER purl pkg:npm/c@1\n",
            &["SPDX 2.2", "pacman a:any 1-1"],
            1,
        );
    }
}
