//! Java's properties files, the format of Kafka's `server.properties` (`java.util.Properties.load`).
//!
//! A line is `KEY=VALUE`, `KEY:VALUE` or `KEY VALUE`; `#` and `!` begin comments; a backslash at the
//! end continues a line, elsewhere it escapes (`\t`, `\n`, `\r`, `\f`, `\uXXXX`, any other character
//! stands for itself). Of a key that stands twice the last one counts. Unlike Java, the bytes are
//! read as UTF-8.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Context as _, Result, bail};

/// Reads a whole file.
///
/// # Errors
/// A `\u` escape that is no character, with the number of its line.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for line in logical_lines(text) {
        let (key, value) = split(&line.text);
        let key = unescape(key).with_context(|| format!("line {}", line.number))?;
        let value = unescape(value).with_context(|| format!("line {}", line.number))?;
        values.insert(key, value);
    }
    Ok(values)
}

/// A line with its continuations, still escaped.
struct Line {
    /// 1-based number of its first natural line.
    number: usize,
    text: String,
}

/// White space within a line, as Java sees it.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// Natural lines: `\n`, `\r` and `\r\n` end one.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn logical_lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut continues = false;
    for (index, natural) in natural_lines(text).enumerate() {
        let natural = natural.trim_start_matches(is_blank);
        if !continues && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = natural.len() - natural.trim_end_matches('\\').len();
        let ends_in_escape = backslashes % 2 == 1;
        let part = if ends_in_escape {
            &natural[..natural.len() - 1]
        } else {
            natural
        };
        match lines.last_mut() {
            Some(line) if continues => line.text.push_str(part),
            _ => lines.push(Line {
                number: index + 1,
                text: part.to_owned(),
            }),
        }
        continues = ends_in_escape;
    }
    lines
}

/// Key and value of a line, both still escaped. The separator is the first that no backslash
/// escapes: white space, then at most one `=` or `:`, then white space.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, character)| {
            let found = !escaped && (is_blank(character) || matches!(character, '=' | ':'));
            escaped = character == '\\' && !escaped;
            found
        })
        .map_or(line.len(), |(index, _)| index);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(code_point(&mut characters)?),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

/// What follows `\u`; two escapes where the first is half of a surrogate pair.
fn code_point(characters: &mut Peekable<Chars<'_>>) -> Result<char> {
    let first = code_unit(characters)?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first)
        && characters.next_if_eq(&'\\').is_some()
        && characters.next_if_eq(&'u').is_some()
    {
        units.push(code_unit(characters)?);
    }
    match String::from_utf16(&units) {
        Ok(text) => text
            .chars()
            .next()
            .context("a \\u escape without a character"),
        Err(_) => bail!("\\u{first:04x} is half of a surrogate pair and stands alone"),
    }
}

fn code_unit(characters: &mut Peekable<Chars<'_>>) -> Result<u16> {
    let digits: String = characters.by_ref().take(4).collect();
    let is_hexadecimal = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    if !is_hexadecimal {
        bail!("\\u{digits}: expected four hexadecimal digits");
    }
    u16::from_str_radix(&digits, 16).with_context(|| format!("read \\u{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(text).unwrap();
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn separators_are_those_of_java() {
        check("a=b", &[("a", "b")]);
        check("a:b", &[("a", "b")]);
        check("a b", &[("a", "b")]);
        check("a = b", &[("a", "b")]);
        check("a \t:\u{c}b", &[("a", "b")]);
        check("a==b", &[("a", "=b")]);
        check("a = =b", &[("a", "=b")]);
        check("a", &[("a", "")]);
        check("=b", &[("", "b")]);
        check("a=b=c:d e", &[("a", "b=c:d e")]);
        check("a=b  ", &[("a", "b  ")]);
        check("  a=b", &[("a", "b")]);
        check("a=1\na=2", &[("a", "2")]);
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        check("# a=b\n ! c=d\n\n  \n\t\ne=#f", &[("e", "#f")]);
        check("# not continued \\\na=b", &[("a", "b")]);
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        check(
            "a=1\r\nb=2\rc=3\nd=4",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
        );
    }

    #[test]
    fn lines_are_continued_after_an_odd_number_of_backslashes() {
        check("a=1,\\\n   2,\\\r\n\t3", &[("a", "1,2,3")]);
        check("a=1\\\\\nb=2", &[("a", "1\\"), ("b", "2")]);
        check("a=1\\\\\\\n2", &[("a", "1\\2")]);
        check("a\\\n=b", &[("a", "b")]);
        check("a=b\\\n#c", &[("a", "b#c")]);
        check("a=b\\\n\nc=d", &[("a", "b"), ("c", "d")]);
        check("a=b\\", &[("a", "b")]);
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        check("a\\=b\\:c\\ d=e", &[("a=b:c d", "e")]);
        check("a=C:\\\\kafka\\\\logs", &[("a", "C:\\kafka\\logs")]);
        check("a=\\t\\n\\r\\f\\q\\u0041", &[("a", "\t\n\r\u{c}qA")]);
        check("a=\\ud83e\\udd80", &[("a", "\u{1f980}")]);
        check("a=\u{e9}", &[("a", "\u{e9}")]);
    }

    #[test]
    fn broken_escapes_are_refused_with_their_line() {
        for text in [
            "a=\\u12",
            "a=\\u12g4",
            "a=\\ud83e",
            "a=\\ud83e\\u0041",
            "a=\\u\u{e9}123",
        ] {
            let error = parse(&format!("x=y\n{text}")).unwrap_err();
            assert_eq!(error.to_string(), "line 2", "{text}");
        }
    }
}
