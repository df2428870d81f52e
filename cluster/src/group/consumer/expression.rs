//! Regular expressions that members subscribe with.

use regex::{Regex, RegexBuilder};

/// Most bytes that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

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
        // Alone first, so that parentheses cannot reach out of the group around it.
        let compile = |pattern: &str| {
            RegexBuilder::new(pattern)
                .size_limit(COMPILED_BYTES_MAX)
                .build()
        };
        compile(pattern)
            .and_then(|_| compile(&format!("^(?:{pattern})$")))
            .map(Self)
            .map_err(|error| {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default();
                format!(
                    "SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}."
                )
            })
    }

    /// True where the whole name matches.
    pub(in crate::group) fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_match() {
        let cases = [
            ("foo", "foo", true),
            ("foo", "foobar", false),
            ("foo.*", "foobar", true),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, topic, expected) in cases {
            let expression = Expression::new(pattern).unwrap();
            assert_eq!(expression.matches(topic), expected, "{pattern} {topic}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for pattern in ["[", "a)(b", "(?P<a", "a{1000000}", "\\1"] {
            let error = Expression::new(pattern).unwrap_err();
            assert!(error.contains(pattern), "{error}");
        }
    }
}
