//! A text that is put together of parts, each of which may be one of several.

use super::MAX_TEXT;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::either;
use crate::pins::span::FragmentBuilder;
use std::ops::Range;
use std::sync::Arc;

/// Alternatives of one value.
const MAX_ALTERNATIVES: usize = 16;

/// Text while it is put together, in each way that it may come out.
pub(super) struct Draft {
    ways: Vec<FragmentBuilder>,
    spliced: Vec<(Range<usize>, Origin)>,
    file: Arc<str>,
}

impl Draft {
    pub(super) fn new(file: &Arc<str>) -> Self {
        Self { ways: vec![FragmentBuilder::default()], spliced: Vec::new(), file: Arc::clone(file) }
    }

    pub(super) fn each(&mut self, write: impl Fn(&mut FragmentBuilder)) {
        for way in &mut self.ways {
            write(way);
        }
    }

    pub(super) fn put(&mut self, value: &Value, site: &Range<usize>) {
        let options = value.options();
        let longest = options.iter().flatten().map(|text| text.text().len()).max().unwrap_or(0);
        let length = self.ways.iter().map(|way| way.text().len()).max().unwrap_or(0);
        let too_many = options.len().saturating_mul(self.ways.len()) > MAX_ALTERNATIVES;
        if too_many || length.saturating_add(longest) > MAX_TEXT {
            self.each(|way| way.unknown(site.clone()));
            return;
        }
        let write = |way: &mut FragmentBuilder, option: &Option<Text>| match option {
            Some(text) => way.replaced(text.text(), site.clone()),
            None => way.unknown(site.clone()),
        };
        if let [only] = options.as_slice() {
            self.each(|way| write(way, only));
        } else {
            let before = std::mem::take(&mut self.ways);
            for way in before {
                for option in &options {
                    let mut way = way.clone();
                    write(&mut way, option);
                    self.ways.push(way);
                }
            }
        }
        for text in options.iter().flatten() {
            self.spliced.extend(text.origin.iter().map(|origin| (site.clone(), origin.clone())));
            let inner = text.spliced.iter().map(|(_, origin)| (site.clone(), origin.clone()));
            self.spliced.extend(inner);
        }
    }

    pub(super) fn finish(self) -> Value {
        let texts = self.ways.into_iter().map(|way| {
            let text = Text::new(way.finish(), &self.file);
            Value::Text(Text { spliced: self.spliced.clone(), ..text })
        });
        either(texts.collect())
    }
}
