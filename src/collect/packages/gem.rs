//! Ruby gems as installed: the specifications that RubyGems and Bundler write beside the gems, also
//! of default gems, and gems that Bundler checked out of a repository.
//!
//! A specification is Ruby that nobody runs here. What RubyGems writes has one form (a `# stub:`
//! line, one assignment a line, literals only); of specifications that people wrote only what is a
//! literal is known. RubyGems records no list of files, so nothing is claimed.
//! <https://guides.rubygems.org/specification-reference/>

use super::copies::{Copy, tell_apart};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{Package, Records, Stage, TreePath};

/// Reads specifications of gems.
pub static COLLECTOR: Collector = Collector {
    name: "gem",
    version: 1,
    summary: "Ruby gems, default ones and Bundler's too",
    wanted: &["*.gemspec"],
    collect,
};

/// The longest specifications, of gems with thousands of files, have some hundred KB.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// Folders below which the system's Rubies have their gems.
const ORDINARY: [&str; 8] = [
    "/usr/lib/ruby",
    "/usr/lib64/gems",
    "/usr/share/gems",
    "/usr/share/ruby",
    "/usr/share/rubygems-integration",
    "/usr/local/lib/ruby",
    "/usr/local/bundle",
    "/var/lib/gems",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let ordinary = ORDINARY.map(TreePath::parse);
    let mut copies = Vec::new();
    for path in view.found {
        let Some((place, form)) = place_of(path) else { continue };
        let Some(bytes) = reader.file(path) else { continue };
        let specification = Specification::parse(&bytes);
        let Some(package) = package(&specification, path, form) else {
            reader.gap(path, "a specification without a name");
            continue;
        };
        let is_ordinary = ordinary.iter().any(|top| place.is_at_or_below(top));
        let mut copy = Copy { package, place, is_ordinary };
        if form == Form::CheckedOut
            && let Some(revision) = revision(&mut reader, path)
        {
            copy.package.details.insert("revision".to_owned(), revision);
        }
        copies.push(copy);
    }
    tell_apart(&mut copies);
    reader.records.packages.extend(copies.into_iter().map(|copy| copy.package));
}

/// Where a specification lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `GEMS/specifications/NAME-VERSION.gemspec`
    Installed,
    /// `GEMS/specifications/default/NAME-VERSION.gemspec`: comes with Ruby.
    Default,
    /// `GEMS/bundler/gems/REPOSITORY-REVISION/NAME.gemspec`
    CheckedOut,
}

/// The folder of gems that a specification belongs to; `None` for a gem's own sources.
fn place_of(path: &TreePath) -> Option<(TreePath, Form)> {
    let folder = path.parent()?;
    let above = folder.parent()?;
    if folder.file_name() == Some(b"specifications") {
        return Some((above, Form::Installed));
    }
    if folder.file_name() == Some(b"default") && above.file_name() == Some(b"specifications") {
        return Some((above.parent()?, Form::Default));
    }
    let top = above.parent()?;
    let is_bundler = above.file_name() == Some(b"gems") && top.file_name() == Some(b"bundler");
    is_bundler.then(|| top.parent().map(|place| (place, Form::CheckedOut)))?
}

/// The commit that Bundler checked out: it stands in full in the checkout's own `.git`, which holds
/// what the folder's name has the first digits of.
fn revision(reader: &mut Reader<'_>, path: &TreePath) -> Option<String> {
    let folder = path.parent()?;
    let digits = folder.file_name()?.rsplit(|b| *b == b'-').next()?;
    let is_commit = |word: &[u8]| word.len() >= 7 && word.iter().all(u8::is_ascii_hexdigit);
    let head = reader.file(&below(&below(&folder, ".git"), "HEAD"));
    let head = head.as_deref().map(<[u8]>::trim_ascii).filter(|word| is_commit(word));
    head.or(Some(digits).filter(|word| is_commit(word))).map(text)
}

fn package(of: &Specification, path: &TreePath, form: Form) -> Option<Package> {
    // Of a specification that computes its name the file has it.
    let stem = path.file_name()?.strip_suffix(b".gemspec").filter(|_| form == Form::CheckedOut);
    let name = of.name.clone().or(stem.map(text)).filter(|name| !name.is_empty())?;
    let mut package = installed("gem", name, of.version.clone().unwrap_or_default(), path);
    let mut keep = |word: &str, value: &Option<String>| {
        if let Some(value) = value {
            package.details.insert(word.to_owned(), value.clone());
        }
    };
    keep("licence", &of.licences);
    keep("maintainer", &of.authors);
    keep("homepage", &of.homepage);
    keep("depends", &Some(of.needs.join(", ")).filter(|needs| !needs.is_empty()));
    keep("default", &(form == Form::Default).then(|| "yes".to_owned()));
    let platform = of.platform.as_deref().filter(|platform| *platform != "ruby");
    package.key.architecture = platform.map(str::to_owned);
    let parts = Parts {
        name: &package.key.name,
        version: Some(&package.version),
        qualifiers: &[("platform", platform)],
        ..Parts::default()
    };
    package.purl = purl("gem", parts);
    Some(package)
}

/// What a specification says in literals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Specification {
    name: Option<String>,
    version: Option<String>,
    /// `ruby`, or the one that the gem was compiled for.
    platform: Option<String>,
    licences: Option<String>,
    authors: Option<String>,
    homepage: Option<String>,
    /// `NAME (REQUIREMENTS)`, of those that running it takes.
    needs: Vec<String>,
}

impl Specification {
    fn parse(bytes: &[u8]) -> Self {
        let mut read = Self::default();
        for line in bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
            if let Some(stub) = line.strip_prefix(b"# stub: ") {
                read.stub(stub);
            } else if !line.starts_with(b"#") {
                read.statement(line);
            }
        }
        read.needs.sort_unstable();
        read.needs.dedup();
        read
    }

    /// `NAME VERSION PLATFORM PATHS`; a second such line names extensions.
    fn stub(&mut self, stub: &[u8]) {
        let mut words = stub.split(|b| *b == b' ').map(text);
        if let (Some(name), Some(version), Some(platform)) =
            (words.next(), words.next(), words.next())
        {
            self.name.get_or_insert(name);
            self.version.get_or_insert(version);
            self.platform.get_or_insert(platform);
        }
    }

    /// `s.FIELD = LITERALS` or `s.add_dependency(LITERALS)`.
    fn statement(&mut self, line: &[u8]) {
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let receiver = line.iter().take_while(|b| is_word(b)).count();
        let Some(call) = line.get(receiver..).and_then(|rest| rest.strip_prefix(b".")) else {
            return;
        };
        if receiver == 0 {
            return;
        }
        let (method, rest) = call.split_at(call.iter().take_while(|b| is_word(b)).count());
        let rest = rest.trim_ascii();
        if matches!(method, b"add_dependency" | b"add_runtime_dependency") {
            let mut words = literals(rest).into_iter();
            if let Some(name) = words.next().filter(|name| !name.is_empty()) {
                let required: Vec<String> = words.collect();
                self.needs.push(match required.as_slice() {
                    [] => name,
                    required => format!("{name} ({})", required.join(", ")),
                });
            }
            return;
        }
        let Some(value) = rest.strip_prefix(b"=").filter(|value| !value.starts_with(b"=")) else {
            return;
        };
        let place = match method {
            b"name" => &mut self.name,
            b"version" => &mut self.version,
            b"platform" => &mut self.platform,
            b"license" | b"licenses" => &mut self.licences,
            b"author" | b"authors" => &mut self.authors,
            b"homepage" => &mut self.homepage,
            _ => return,
        };
        // `Gem::Version.new("1")` is a literal in a wrapping; `Rake::VERSION` is none.
        let words = literals(value);
        if place.is_none() && !words.is_empty() {
            *place = Some(words.join(", "));
        }
    }
}

/// The string literals of a line: `"…"`, `'…'`, `%q<…>` and its like.
fn literals(mut rest: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        let (close, start) = match (first, after) {
            (b'"' | b'\'', _) => (*first, after),
            (b'%', [b'q' | b'Q', open, start @ ..]) => match open {
                b'<' => (b'>', start),
                b'(' => (b')', start),
                b'[' => (b']', start),
                b'{' => (b'}', start),
                other => (*other, start),
            },
            (b'#', _) => break,
            _ => {
                rest = after;
                continue;
            }
        };
        let Some((word, after)) = literal(start, close) else { break };
        found.push(word);
        rest = after;
    }
    found
}

/// Up to its closing byte, escapes resolved as far as names need it; and what follows it.
fn literal(start: &[u8], close: u8) -> Option<(String, &[u8])> {
    let mut word = Vec::new();
    let mut rest = start;
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b if *b == close => return Some((text(&word), rest)),
            b'\\' => match rest.split_first()? {
                (b'u', digits) if close == b'"' => {
                    let hex = digits.get(..4).and_then(|hex| std::str::from_utf8(hex).ok());
                    let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    let character = code.and_then(char::from_u32)?;
                    word.extend(character.encode_utf8(&mut [0; 4]).bytes());
                    rest = digits.get(4..)?;
                }
                (escaped, after) => {
                    word.push(*escaped);
                    rest = after;
                }
            },
            b => word.push(*b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const RAILS: &str = r#"# -*- encoding: utf-8 -*-
# stub: actionpack 7.0.4 ruby lib

Gem::Specification.new do |s|
  s.name = "actionpack".freeze
  s.version = "7.0.4"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "homepage_uri" => "https://wrong.example.org" } if s.respond_to? :metadata=
  s.authors = ["Andr\u00E9 A.".freeze, "B \"C\"".freeze]
  s.homepage = "https://rubyonrails.org".freeze
  s.licenses = ["MIT".freeze]

  s.add_runtime_dependency(%q<activesupport>.freeze, ["= 7.0.4"])
  s.add_runtime_dependency(%q<rack>.freeze, ["~> 2.0", ">= 2.2.0"])
  s.add_dependency(%q<rack-test>.freeze, [">= 0.6.3"])
  s.add_development_dependency(%q<rake>.freeze, [">= 0"])
end
"#;

    #[test]
    fn a_specification_as_rubygems_writes_it() {
        let read = Specification::parse(RAILS.as_bytes());
        let own = |word: &str| Some(word.to_owned());
        let expected = Specification {
            name: own("actionpack"),
            version: own("7.0.4"),
            platform: own("ruby"),
            licences: own("MIT"),
            authors: own("André A., B \"C\""),
            homepage: own("https://rubyonrails.org"),
            needs: ["activesupport (= 7.0.4)", "rack (~> 2.0, >= 2.2.0)", "rack-test (>= 0.6.3)"]
                .map(str::to_owned)
                .to_vec(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_specification_as_people_write_it() {
        let check = |line: &str, name: Option<&str>, version: Option<&str>| {
            let read = Specification::parse(line.as_bytes());
            assert_eq!((read.name.as_deref(), read.version.as_deref()), (name, version), "{line}");
        };
        check("  spec.name    = 'foo'\n  spec.version = \"1.2\" # now", Some("foo"), Some("1.2"));
        check("gem.version = Foo::VERSION\ngem.name = %q{foo}", Some("foo"), None);
        check("s.version == '1'\n.name = 'x'\n# s.name = 'y'\nname = 'z'", None, None);
        check("s.name = 'open\ns.version = \"\\u12\"", None, None);
    }

    #[test]
    fn where_gems_lie() {
        let check = |path: &str, expected: Option<(&str, Form)>| {
            let seen = place_of(&TreePath::parse(path));
            let seen = seen.map(|(place, form)| (place.to_string(), form));
            assert_eq!(seen, expected.map(|(place, form)| (place.to_owned(), form)), "{path}");
        };
        check("/g/specifications/a-1.gemspec", Some(("/g", Form::Installed)));
        check("/g/specifications/default/a-1.gemspec", Some(("/g", Form::Default)));
        check("/g/bundler/gems/a-0f/a.gemspec", Some(("/g", Form::CheckedOut)));
        check("/g/gems/a-1/a.gemspec", None);
        check("/a.gemspec", None);
    }

    #[test]
    fn every_form_and_place() {
        let home = "/var/lib/gems/3.1.0";
        let app = "/srv/app/vendor/bundle/ruby/3.1.0";
        let git = format!("{app}/bundler/gems/foo-0f1e2d3c4b5a");
        let mut tree = MemoryFilesystem::new();
        let paths = [
            (format!("{home}/specifications/actionpack-7.0.4.gemspec"), RAILS),
            (
                format!("{home}/specifications/default/json-2.6.gemspec"),
                "# stub: json 2.6 ruby lib\n",
            ),
            (
                format!("{app}/specifications/nokogiri-1.15-x86_64-linux.gemspec"),
                "# stub: nokogiri 1.15 x86_64-linux lib\n# stub: ext/nokogiri/extconf.rb\n",
            ),
            (format!("{git}/foo.gemspec"), "Gem::Specification.new do |s|\ns.version = V\nend"),
            (format!("{home}/specifications/odd.gemspec"), "puts 1"),
            (format!("{home}/gems/x-1/x.gemspec"), "s.name = 'x'"),
        ];
        for (path, bytes) in &paths {
            tree.file(path, bytes);
        }
        let found: Vec<TreePath> = paths.iter().map(|(path, _)| TreePath::parse(path)).collect();
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {}", p.key, p.purl);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "actionpack pkg:gem/actionpack@7.0.4".to_owned(),
                "json pkg:gem/json@2.6".to_owned(),
                format!("foo [{app}] pkg:gem/foo"),
                format!(
                    "nokogiri:x86_64-linux [{app}] pkg:gem/nokogiri@1.15?platform=x86_64-linux"
                ),
            ]
        );
        assert_eq!(records.packages[2].details["revision"], "0f1e2d3c4b5a");
        assert_eq!(records.gaps.len(), 1);
    }
}
