//! Regular expressions that members subscribe with.
//!
//! Clients write them for RE2/J, which Kafka's coordinator uses. What that reads otherwise than the
//! engine here is rewritten first:
//!
//! | in RE2/J | here |
//! |---|---|
//! | `\Q...\E` is literal | each character escaped |
//! | `[`, `&`, `~`, `--` in a class stand for themselves | escaped |
//! | `]` first in a class stands for itself | escaped |
//! | `{` that begins no repetition stands for itself | escaped |
//! | `\<`, `\>` stand for `<`, `>` | not escaped |

use std::iter::Peekable;
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

/// Most bytes that a compiled expression may take, and what is remembered of matching with it.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Most bytes of an expression: the key of its stored record holds no more.
const PATTERN_BYTES_MAX: usize = 32_767;

/// What `[:NAME:]` may name.
const ASCII_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// A compiled regular expression over names of topics. Matching takes time in proportion to the
/// name, whatever the expression is.
#[derive(Clone, Debug)]
pub(in crate::group) struct Expression(Regex);

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Where it is none, in words for the client.
    pub(in crate::group) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "SubscribedTopicRegex is not a valid regular expression: longer than \
                 {PATTERN_BYTES_MAX} bytes."
            ));
        }
        let describe = |reason: &str| {
            format!("expression `{pattern}` of a subscription cannot be read: {reason}")
        };
        let translated = translate(pattern).map_err(|reason| describe(&reason))?;
        // Alone first, so that parentheses cannot reach out of the group around it.
        compile(&translated)
            .and_then(|_| compile(&format!("^(?:{translated})$")))
            .map(Self)
            .map_err(|error| {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default();
                describe(reason.trim_start_matches("error: "))
            })
    }

    /// True where the whole name matches.
    pub(in crate::group) fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic.as_bytes())
    }
}

/// Names of topics are ASCII, and so are `\d`, `\w` and `\s` of RE2/J. Tables of all of Unicode are
/// compiled in only where an expression cannot do without.
fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |unicode| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
    };
    build(!pattern.is_ascii()).or_else(|_| build(true))
}

type Source<'a> = Peekable<Chars<'a>>;

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut source = pattern.chars().peekable();
    while let Some(character) = source.next() {
        match character {
            '\\' => escape(&mut source, &mut out),
            '[' => class(&mut source, &mut out)?,
            '{' if !is_repetition(source.clone()) => out.push_str("\\{"),
            _ => out.push(character),
        }
    }
    Ok(out)
}

/// What follows a backslash outside of classes.
fn escape(source: &mut Source<'_>, out: &mut String) {
    match source.peek() {
        Some('Q') => {
            source.next();
            literal(source, out);
        }
        Some(&angle @ ('<' | '>')) => {
            source.next();
            out.push(angle);
        }
        _ => {
            escaped_unit(source, out);
        }
    }
}

/// From behind `\Q` to behind `\E` or the end.
fn literal(source: &mut Source<'_>, out: &mut String) {
    while let Some(character) = source.next() {
        if character == '\\' && source.next_if_eq(&'E').is_some() {
            return;
        }
        out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }
}

/// An escape with its braces, as it stands. True where it stands for one character.
fn escaped_unit(source: &mut Source<'_>, out: &mut String) -> bool {
    out.push('\\');
    let Some(kind) = source.next() else {
        return true;
    };
    out.push(kind);
    if matches!(kind, 'p' | 'P' | 'x') {
        if source.peek() == Some(&'{') {
            for character in source.by_ref() {
                out.push(character);
                if character == '}' {
                    break;
                }
            }
        } else if kind != 'x' {
            out.extend(source.next());
        }
    }
    !matches!(kind, 'p' | 'P' | 'd' | 'D' | 's' | 'S' | 'w' | 'W')
}

/// True where `N}`, `N,}` or `N,M}` follows.
fn is_repetition(mut source: Source<'_>) -> bool {
    let digits = |source: &mut Source<'_>| {
        let mut count = 0;
        while source.next_if(char::is_ascii_digit).is_some() {
            count += 1;
        }
        count
    };
    if digits(&mut source) == 0 {
        return false;
    }
    if source.next_if_eq(&',').is_some() {
        digits(&mut source);
    }
    source.next() == Some('}')
}

/// From behind `[` to behind its `]`.
fn class(source: &mut Source<'_>, out: &mut String) -> Result<(), String> {
    out.push('[');
    if source.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_first = true;
    loop {
        match source.peek() {
            None => return Err("missing closing ]".to_owned()),
            Some(']') if !is_first => {
                source.next();
                out.push(']');
                return Ok(());
            }
            Some(_) => {}
        }
        is_first = false;
        let is_character = class_unit(source, out)?;
        let mut ahead = source.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']');
        if is_character && is_range {
            source.next();
            out.push('-');
            class_unit(source, out)?;
        }
    }
}

/// One character of a class, or one class in it. True where it is a character.
fn class_unit(source: &mut Source<'_>, out: &mut String) -> Result<bool, String> {
    let Some(character) = source.next() else {
        return Err("missing closing ]".to_owned());
    };
    match character {
        '\\' => return Ok(escaped_unit(source, out)),
        '[' if source.peek() == Some(&':') => {
            let rest: String = source.clone().skip(1).take(9).collect();
            if let Some((name, _)) = rest.split_once(":]") {
                if !ASCII_CLASSES.contains(&name.trim_start_matches('^')) {
                    return Err(format!("invalid character class range: [:{name}:]"));
                }
                out.push_str("[:");
                out.push_str(name);
                out.push_str(":]");
                source.nth(name.len() + 2);
                return Ok(false);
            }
            out.push_str("\\[");
        }
        '[' | ']' | '&' | '~' | '-' | '^' => out.extend(['\\', character]),
        _ => out.push(character),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, cases: &[(&str, bool)]) {
        let expression = Expression::new(pattern).unwrap();
        for (topic, expected) in cases {
            assert_eq!(expression.matches(topic), *expected, "{pattern} {topic}");
        }
    }

    #[test]
    fn whole_names_match() {
        check("foo", &[("foo", true), ("foobar", false), ("xfoo", false)]);
        check("foo.*", &[("foobar", true), ("afoo", false)]);
        check("a|b", &[("ab", false), ("b", true)]);
        check("", &[("", true), ("a", false)]);
        check("^a$", &[("a", true)]);
        check("(?i)FOO|b", &[("foo", true), ("B", true)]);
        check("(?i:F)oo", &[("foo", true), ("FOO", false)]);
        check("(?m)a$|b", &[("a", true), ("b", true)]);
        check("\\w{1,249}", &[("a_b", true), ("a-b", false)]);
        check("\\pL+", &[("abc", true), ("ab1", false)]);
        check("(?P<name>a)\\.b", &[("a.b", true)]);
    }

    #[test]
    fn patterns_mean_what_they_mean_in_re2() {
        check("\\Qa.b\\E.*", &[("a.bc", true), ("axbc", false)]);
        check("\\Qa.b", &[("a.b", true), ("axb", false)]);
        check("[]a]+", &[("a]", true), ("b", false)]);
        check("[^]a]", &[("b", true), ("]", false)]);
        check("[[a]+", &[("[a", true)]);
        check("[a-z&&[b]+", &[("c&[", true), ("C", false)]);
        check("[a~~b]+", &[("~a", true)]);
        check("[a-c-e]+", &[("a-e", true), ("d", false)]);
        check("[--.]+", &[("-.", true), ("a", false)]);
        check("[a-]+", &[("-a", true), ("b", false)]);
        check("[-a]+", &[("-a", true), ("b", false)]);
        check("[\\d-x]+", &[("1-x", true), ("a", false)]);
        check("[\\p{Lu}-x]+", &[("A-x", true), ("a", false)]);
        check(
            "[\\x41-\\x{43}]",
            &[("B", true), ("D", false), ("4", false)],
        );
        check("[[:alpha:]_]+", &[("a_b", true), ("1", false)]);
        check("[[:^alpha:]]+", &[("1", true), ("a", false)]);
        check("[a^]+", &[("a^", true)]);
        check("a{", &[("a{", true)]);
        check("a{,2}", &[("a{,2}", true), ("aa", false)]);
        check("a{1,2}", &[("aa", true), ("aaa", false)]);
        check("\\<a\\>", &[("<a>", true), ("a", false)]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let patterns = [
            "[",
            "[a",
            "[]",
            "[^",
            "[a-",
            "a)(b",
            "(?P<a",
            "a{1000000}",
            "\\1",
            "\\",
            "[\\",
            "*a",
            "(?=a)",
            "[b-a]",
            "[[:word",
            "[[:none:]]",
            "\\p{",
            "\\pX",
            "(",
            "\\E",
            "[a-\\d]",
        ];
        for pattern in patterns {
            let error = Expression::new(pattern).unwrap_err();
            assert!(error.contains(pattern), "{error}");
        }
        let error = Expression::new(&"a".repeat(PATTERN_BYTES_MAX + 1)).unwrap_err();
        assert!(error.len() < 200, "{error}");
        assert!(Expression::new(&"(".repeat(PATTERN_BYTES_MAX)).is_err());
        assert!(Expression::new(&"\\pL".repeat(PATTERN_BYTES_MAX / 3)).is_err());
    }
}
