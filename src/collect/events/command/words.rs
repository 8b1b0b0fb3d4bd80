//! Shell text into words: the lexical part of POSIX 2.2 and 2.3 that matters here, with
//! here-documents passed over, and the expansions that can be known without running anything.

use std::collections::BTreeMap;

/// Commands that are read of one text; scripts are longer than lines, and hostile ones endless.
const MAX_COMMANDS: usize = 2000;

/// What one word may become by braces and variables; `{1..9999}` is no list of files here.
const MAX_EXPANSIONS: usize = 32;

/// Of a file that a here-document is written to, nothing is taken from its lines.
#[derive(Debug)]
struct HereDocument {
    delimiter: String,
    strips_tabs: bool,
}

/// The commands of a shell text, in words, quotes taken off. An operator that redirects output is
/// a word of its own, `>`, before the file's; `<` likewise.
#[must_use]
pub fn split(text: &str) -> Vec<Vec<String>> {
    let mut lexer =
        Lexer { commands: Vec::new(), words: Vec::new(), word: None, documents: Vec::new() };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if lexer.commands.len() >= MAX_COMMANDS {
            break;
        }
        lexer.take(c, &mut chars);
    }
    lexer.end_command();
    lexer.commands
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

struct Lexer {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    /// Whose bodies begin with the next line.
    documents: Vec<HereDocument>,
}

impl Lexer {
    fn take(&mut self, c: char, chars: &mut Chars<'_>) {
        match c {
            '\'' => {
                let word = self.word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => {
                let word = self.word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => word.extend(chars.next()),
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => self.word.get_or_insert_default().push(c),
            },
            '#' if self.word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            '&' if chars.peek() == Some(&'>') => self.end_word(),
            ';' | '&' | '|' | '\n' | '(' | ')' | '`' => {
                self.end_command();
                if c == '\n' {
                    self.pass_documents(chars);
                }
            }
            '>' => self.output(chars),
            '<' => self.input(chars),
            c if c.is_whitespace() => self.end_word(),
            c => self.word.get_or_insert_default().push(c),
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    /// `>`, `>>`, `>|`, `2>`, `&>`, `>&2`.
    fn output(&mut self, chars: &mut Chars<'_>) {
        // The digit of `2>` is no word.
        self.word = self.word.take().filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
        self.end_word();
        chars.next_if(|c| matches!(c, '>' | '|'));
        if chars.next_if_eq(&'&').is_some()
            && chars.peek().is_some_and(|c| c.is_ascii_digit() || *c == '-')
        {
            while chars.next_if(|c| c.is_ascii_digit() || *c == '-').is_some() {}
            return;
        }
        self.words.push(">".into());
    }

    /// `<`, `<<EOF`, `<<-'EOF'`, `<<<word`, `<(command)`.
    fn input(&mut self, chars: &mut Chars<'_>) {
        self.end_word();
        if chars.next_if_eq(&'<').is_none() {
            if chars.peek() != Some(&'(') {
                self.words.push("<".into());
            }
            return;
        }
        if chars.next_if_eq(&'<').is_some() {
            self.words.push("<".into());
            return;
        }
        let strips_tabs = chars.next_if_eq(&'-').is_some();
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut delimiter = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !";&|()<>".contains(*c)) {
            if !matches!(c, '\'' | '"' | '\\') {
                delimiter.push(c);
            }
        }
        if !delimiter.is_empty() {
            self.documents.push(HereDocument { delimiter, strips_tabs });
        }
    }

    fn pass_documents(&mut self, chars: &mut Chars<'_>) {
        for document in std::mem::take(&mut self.documents) {
            while chars.peek().is_some() {
                let line: String = chars.by_ref().take_while(|c| *c != '\n').collect();
                let line = if document.strips_tabs { line.trim_start_matches('\t') } else { &line };
                if line == document.delimiter {
                    break;
                }
            }
        }
    }
}

/// The delimiter of the here-document that a line opens, for readers that see one line at a time.
#[must_use]
pub fn opened_document(line: &str) -> Option<String> {
    if !line.contains("<<") {
        return None;
    }
    let mut lexer =
        Lexer { commands: Vec::new(), words: Vec::new(), word: None, documents: Vec::new() };
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        lexer.take(c, &mut chars);
    }
    lexer.documents.pop().map(|document| document.delimiter)
}

/// Values of variables: one, or several where a loop goes over them.
pub type Variables = BTreeMap<String, Vec<String>>;

/// `$NAME` and `${NAME}` of known variables, then `{a,b}`. What is not known stays as it is.
#[must_use]
pub fn expand(word: &str, variables: &Variables) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![word.to_owned()];
    while let Some(word) = open.pop() {
        if done.len().saturating_add(open.len()) > MAX_EXPANSIONS {
            break;
        }
        match variable(&word, variables).or_else(|| braces(&word)) {
            Some(mut words) => {
                words.reverse();
                open.extend(words);
            }
            None => done.push(word),
        }
    }
    done
}

/// The first known variable replaced by each of its values.
fn variable(word: &str, variables: &Variables) -> Option<Vec<String>> {
    for (at, _) in word.match_indices('$') {
        let rest = word.get(at.saturating_add(1)..)?;
        let (name, end) = match rest.strip_prefix('{') {
            Some(inner) => {
                let name = inner.split('}').next().unwrap_or_default();
                (name, name.len().saturating_add(2))
            }
            None => {
                let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let name = rest.split(is_end).next().unwrap_or_default();
                (name, name.len())
            }
        };
        let Some(values) = variables.get(name) else { continue };
        let before = word.get(..at)?;
        let after = rest.get(end..).unwrap_or_default();
        // A value that holds the variable itself would never end.
        let values = values.iter().filter(|value| !value.contains('$'));
        return Some(values.map(|value| format!("{before}{value}{after}")).collect());
    }
    None
}

/// The first innermost list in braces, one word for each of its parts.
fn braces(word: &str) -> Option<Vec<String>> {
    let close = word.find('}')?;
    let open = word.get(..close)?.rfind('{')?;
    let list = word.get(open.saturating_add(1)..close)?;
    if !list.contains(',') || list.contains(char::is_whitespace) {
        return None;
    }
    let (before, after) = (word.get(..open)?, word.get(close.saturating_add(1)..)?);
    if before.ends_with('$') {
        return None;
    }
    Some(list.split(',').map(|part| format!("{before}{part}{after}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = split(text).iter().map(|words| words.join("|")).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn words_and_operators() {
        check("a 'b c' \"d\\\"e\" f\\ g; h && i", &["a|b c|d\"e|f g", "h", "i"]);
        check("a >x 2>>y &>z >&2 2>&1 >|w", &["a|>|x|>|y|>|z|>|w"]);
        check("a <b <<<c", &["a|<|b|<|c"]);
        check("x=$(cat /a) b # c", &["x=$", "cat|/a", "b"]);
        check("a \\\n b", &["a|b"]);
    }

    #[test]
    fn here_documents_hold_no_commands() {
        check("cat > /a <<EOF\nrm /b\nEOF\nrm /c", &["cat|>|/a", "rm|/c"]);
        check("cat <<-'E' >/a\n\trm\n\tE\nls", &["cat|>|/a", "ls"]);
        check("cat <<A <<B\n1\nA\n2\nB\nls", &["cat", "ls"]);
        check("cat <<EOF\nnever ends", &["cat"]);
        assert_eq!(opened_document("cat > /a << 'EOF'").as_deref(), Some("EOF"));
        assert_eq!(opened_document("cat <<< x"), None);
    }

    #[test]
    fn what_can_be_known_is_expanded() {
        let mut known = Variables::new();
        known.insert("D".into(), vec!["/srv".into()]);
        known.insert("u".into(), vec!["a".into(), "b".into()]);
        let check = |word: &str, expected: &[&str]| assert_eq!(expand(word, &known), expected);
        check("$D/x", &["/srv/x"]);
        check("${D}x", &["/srvx"]);
        check("$X/$u", &["$X/a", "$X/b"]);
        check("/a{,.bak}", &["/a", "/a.bak"]);
        check("/{a,b/{c,d}}", &["/a", "/b/c", "/a", "/b/d"]);
        check("{}", &["{}"]);
        assert!(expand(&"{a,b}".repeat(30), &known).len() <= MAX_EXPANSIONS + 1);
    }
}
