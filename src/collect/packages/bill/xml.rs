//! CycloneDX as XML: the components below the root's `components`, however deep they hold others.
//!
//! Components elsewhere (what the document is of, the tools that wrote it, ancestors of a patched
//! component) are not installed, and elements of other namespaces say nothing here. No entity but
//! XML's own is resolved and nothing outside is fetched: a document type is passed over, and a
//! reference to what it defines is refused. UTF-8 only.
//! <https://cyclonedx.org/docs/1.6/xml/>

use super::{Bill, Component, Intake, cyclonedx};
use crate::model::Fault;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Before the version.
const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

/// Where the reader stands: one for each element that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Bom,
    Components,
    /// By its index among all.
    Component(usize),
    /// Of the component of that index.
    Purl(usize),
    /// And all that is in it.
    Other,
}

/// Reads a document.
pub(super) fn read(bytes: &[u8]) -> Result<Bill, Fault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = Reader::from_str(std::str::from_utf8(bytes).map_err(Fault::damaged)?);
    let mut document = Document::default();
    loop {
        let event = reader.read_event().map_err(Fault::damaged)?;
        match event {
            Event::Start(start) => document.open(&start)?,
            Event::Empty(start) => {
                document.open(&start)?;
                document.places.pop();
            }
            Event::End(_) => {
                document.places.pop();
            }
            Event::Text(text) => document.text(&text.xml10_content()),
            Event::CData(text) => document.text(&text.xml10_content()),
            Event::GeneralRef(name) => document.reference(&name)?,
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if !document.places.is_empty() {
        return Err(Fault::damaged("the document ends within an element"));
    }
    document.finish()
}

#[derive(Default)]
struct Document {
    /// The root's, which is that of all elements that count.
    prefix: Option<String>,
    version: Option<String>,
    places: Vec<Place>,
    components: Vec<Component>,
}

impl Document {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        let name = start.name();
        let (prefix, name) = (name.prefix(), name.local_name());
        let prefix = prefix.as_ref().map(AsRef::as_ref);
        let place = match (self.places.last(), name.as_ref()) {
            (None, "bom") if self.version.is_none() => {
                self.root(start, prefix)?;
                Place::Bom
            }
            _ if prefix != self.prefix.as_deref() => Place::Other,
            (Some(Place::Bom | Place::Component(_)), "components") => Place::Components,
            (Some(Place::Components), "component") => {
                let kind = attribute(start, "type")?.unwrap_or_default();
                self.components.push(Component { kind, purl: None, components: Vec::new() });
                Place::Component(self.components.len().saturating_sub(1))
            }
            (Some(Place::Component(index)), "purl") => Place::Purl(*index),
            _ => Place::Other,
        };
        self.places.push(place);
        Ok(())
    }

    /// The namespace is bound at the root, to its prefix or to none.
    fn root(&mut self, start: &BytesStart<'_>, prefix: Option<&str>) -> Result<(), Fault> {
        let binding = prefix.map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        let namespace = attribute(start, &binding)?.unwrap_or_default();
        let version = namespace.strip_prefix(NAMESPACE).map(str::to_owned);
        self.version = Some(version.ok_or_else(|| {
            Fault::unsupported(format!("XML, but {namespace} is not a namespace of CycloneDX"))
        })?);
        self.prefix = prefix.map(str::to_owned);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(Place::Purl(index)) = self.places.last()
            && let Some(component) = self.components.get_mut(*index)
        {
            component.purl.get_or_insert_default().push_str(text);
        }
    }

    fn reference(&mut self, name: &BytesRef<'_>) -> Result<(), Fault> {
        if !matches!(self.places.last(), Some(Place::Purl(_))) {
            return Ok(());
        }
        let character = name.resolve_char_ref().map_err(Fault::damaged)?;
        let mut buffer = [0; 4];
        let text = match &character {
            Some(character) => Some(&*character.encode_utf8(&mut buffer)),
            None => resolve_xml_entity(name),
        };
        let unknown = || Fault::unsupported(format!("a package URL with the entity {}", &**name));
        self.text(text.ok_or_else(unknown)?);
        Ok(())
    }

    fn finish(self) -> Result<Bill, Fault> {
        let version = self.version.ok_or_else(|| Fault::damaged("no element called bom"))?;
        let form = cyclonedx(&version)?;
        let mut intake = Intake::default();
        let trimmed = |mut component: Component| {
            component.purl = component.purl.map(|purl| purl.trim().to_owned());
            component
        };
        intake.components(self.components.into_iter().map(trimmed).collect());
        Ok(intake.finish(form))
    }
}

/// By its name as written. Whether one stands twice is not asked: that takes the square of their
/// number.
fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(Fault::damaged)?;
        if attribute.key.as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            return Ok(Some(value.map_err(Fault::damaged)?.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::super::{Bill, parse};
    use crate::model::FaultKind;

    #[test]
    fn components_below_the_root() {
        check(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- made by hand -->
            <bom xmlns="http://cyclonedx.org/schema/bom/1.4" xmlns:v="urn:v" version="1">
              <metadata>
                <tools><components><component><purl>pkg:npm/tool@1</purl></component></components>
                </tools>
                <component type="container"><purl>pkg:oci/x@1</purl></component>
              </metadata>
              <components>
                <component type="library" bom-ref="a">
                  <name>x</name><purl>
                    pkg:deb/debian/x@1%3A2?arch=amd64&amp;distro=debian-1&#50;</purl>
                  <pedigree><ancestors><component type="library"><purl>pkg:npm/old@1</purl>
                  </component></ancestors></pedigree>
                  <v:purl>pkg:npm/not-me@1</v:purl>
                  <components><component type="library"><purl><![CDATA[pkg:npm/%40s/c@1]]></purl>
                  </component></components>
                </component>
                <component type="operating-system"><name>debian</name></component>
                <component type="library"><name>unnamed</name></component>
                <component type="library"/>
              </components>
              <dependencies><dependency ref="a"/></dependencies>
            </bom>"#,
            &["CycloneDX 1.4", "dpkg x:amd64 1:2", "npm @s/c 1"],
            2,
        );
        check(
            "<c:bom xmlns:c=\"http://cyclonedx.org/schema/bom/1.6\"><c:components>\
             <c:component type='library'><c:purl>pkg:gem/a@1</c:purl></c:component>\
             <component><purl>pkg:gem/b@1</purl></component></c:components></c:bom>",
            &["CycloneDX 1.6", "gem a 1"],
            0,
        );
        check("<bom xmlns='http://cyclonedx.org/schema/bom/1.2'/>", &["CycloneDX 1.2"], 0);
    }

    fn refused(document: &str) -> Result<Bill, FaultKind> {
        parse(document.as_bytes()).map_err(|fault| fault.kind)
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let bom = |inner: &str| {
            format!(
                "<!DOCTYPE bom [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">\
                 <!ENTITY f SYSTEM \"file:///etc/passwd\">]>\
                 <bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"><components>\
                 <component>{inner}</component></components></bom>"
            )
        };
        assert!(refused(&bom("<name>&b;&f;</name><purl>pkg:gem/a@1</purl>")).is_ok());
        let unsupported = Err(FaultKind::Unsupported);
        assert_eq!(refused(&bom("<purl>pkg:gem/&b;@1</purl>")), unsupported);
        assert_eq!(refused(&bom("<purl>&f;</purl>")), unsupported);
        assert_eq!(refused(&bom("<purl>&#x110000;</purl>")), Err(FaultKind::Damaged));
        assert_eq!(refused(&bom("<purl>pkg:gem/a@1</name>")), Err(FaultKind::Damaged));
        let whole = bom("<purl>pkg:gem/a@1</purl>");
        for end in whole.find("<bom").unwrap_or(0)..whole.len() {
            let _ = parse(&whole.as_bytes()[..end]);
        }
        assert_eq!(refused(&whole[..whole.len() - 1]), Err(FaultKind::Damaged));
        assert_eq!(refused(&whole.replace("bom/1.5", "bom/2.0")), unsupported);
        let deep = "<components><component>".repeat(200_000);
        let document = format!("{}{deep}", whole.split("<component>").next().unwrap_or_default());
        assert_eq!(refused(&document), Err(FaultKind::Damaged));
    }
}
