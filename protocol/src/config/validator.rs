//! What a value has to fulfil beyond its type.

use super::value::Value;

/// What a value has to fulfil beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// Nothing.
    Any,
    /// An integer of at least this.
    AtLeast(i64),
    /// An integer between both, inclusive.
    Between(i64, i64),
    /// A float between both, inclusive.
    Ratio(f64, f64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfIgnoringCase(&'static [&'static str]),
    /// A text that is not empty.
    NonEmpty,
    /// A list without repetitions.
    Distinct {
        /// The items that are allowed; none for any.
        allowed: Option<&'static [&'static str]>,
        /// Whether the list may be empty.
        may_be_empty: bool,
    },
    /// `compression.gzip.level`: 1 to 9, or -1 for the default of the codec.
    GzipLevel,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 duration (KIP-1106).
    OffsetReset,
    /// A list of `host:count`, each host once.
    HostCounts,
    /// An integer of at least 1, or -1 for no limit.
    LimitOrNone,
}

impl Validator {
    /// Checks a value that has the right type. Null passes: what may not be null has a default.
    ///
    /// # Errors
    /// What is wrong, and what is allowed, without the key.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        if *value == Value::Null {
            return Ok(());
        }
        match self {
            Self::Any => Ok(()),
            Self::AtLeast(min) => between(value, *min, i64::MAX),
            Self::Between(min, max) => between(value, *min, *max),
            Self::Ratio(min, max) => ratio(value, *min, *max),
            Self::OneOf(allowed) => one_of(text(value), allowed, false),
            Self::OneOfIgnoringCase(allowed) => one_of(text(value), allowed, true),
            Self::NonEmpty if text(value).is_empty() => Err("String must be non-empty".to_owned()),
            Self::NonEmpty => Ok(()),
            Self::Distinct {
                allowed,
                may_be_empty,
            } => distinct(value, *allowed, *may_be_empty),
            Self::GzipLevel => match value.integer() {
                Some(-1 | 1..=9) => Ok(()),
                _ => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
            },
            Self::ThrottledReplicas => throttled_replicas(value),
            Self::OffsetReset => offset_reset(text(value)),
            Self::HostCounts => host_counts(text(value)),
            Self::LimitOrNone => match value.integer() {
                Some(-1 | 1..) => Ok(()),
                _ => Err("Value must be at least 1 or equal to -1".to_owned()),
            },
        }
    }

    /// What is allowed, for documents; empty for anything.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Any => String::new(),
            Self::AtLeast(min) => format!(">= {min}"),
            Self::Between(min, max) => format!("{min}..{max}"),
            Self::Ratio(min, max) => format!("{min}..{max}"),
            Self::OneOf(allowed) | Self::OneOfIgnoringCase(allowed) => allowed.join(", "),
            Self::NonEmpty => "not empty".to_owned(),
            Self::Distinct {
                allowed,
                may_be_empty,
            } => {
                let items =
                    allowed.map_or_else(|| "no repetition".to_owned(), |all| all.join(", "));
                let empty = if *may_be_empty { "" } else { ", not empty" };
                format!("{items}{empty}")
            }
            Self::GzipLevel => "1..9 or -1".to_owned(),
            Self::ThrottledReplicas => "`*` or partition:broker,...".to_owned(),
            Self::OffsetReset => "latest, earliest, by_duration:PnDTnHnMn.nS".to_owned(),
            Self::HostCounts => "host:count,...".to_owned(),
            Self::LimitOrNone => ">= 1 or -1".to_owned(),
        }
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        _ => "",
    }
}

fn between(value: &Value, min: i64, max: i64) -> Result<(), String> {
    match value.integer() {
        Some(number) if number < min => Err(format!("Value must be at least {min}")),
        Some(number) if number > max => Err(format!("Value must be no more than {max}")),
        Some(_) => Ok(()),
        None => Err("Value must be a number".to_owned()),
    }
}

fn ratio(value: &Value, min: f64, max: f64) -> Result<(), String> {
    match value {
        Value::Double(number) if *number < min => Err(format!("Value must be at least {min}")),
        Value::Double(number) if *number > max => Err(format!("Value must be no more than {max}")),
        Value::Double(_) => Ok(()),
        _ => Err("Value must be a number".to_owned()),
    }
}

fn one_of(text: &str, allowed: &[&str], ignores_case: bool) -> Result<(), String> {
    let is_allowed = allowed
        .iter()
        .any(|one| *one == text || (ignores_case && one.eq_ignore_ascii_case(text)));
    if is_allowed {
        return Ok(());
    }
    let case = if ignores_case {
        " (case insensitive)"
    } else {
        ""
    };
    Err(format!(
        "String must be one of{case}: {}",
        allowed.join(", ")
    ))
}

fn distinct(value: &Value, allowed: Option<&[&str]>, may_be_empty: bool) -> Result<(), String> {
    let Value::List(items) = value else {
        return Err("Value must be a list".to_owned());
    };
    if items.is_empty() && !may_be_empty {
        let items = allowed.map_or_else(|| "any non-empty value".to_owned(), |all| all.join(", "));
        return Err(format!("List must not be empty, allowed are: {items}"));
    }
    for (index, item) in items.iter().enumerate() {
        if item.is_empty() {
            return Err("List must not contain an empty item".to_owned());
        }
        if let Some(allowed) = allowed {
            one_of(item, allowed, false)?;
        }
        if items.iter().skip(index + 1).any(|other| other == item) {
            return Err(format!("List must not repeat {item}"));
        }
    }
    Ok(())
}

fn throttled_replicas(value: &Value) -> Result<(), String> {
    let Value::List(items) = value else {
        return Err("Value must be a list".to_owned());
    };
    let is_all = items.len() == 1 && items.first().is_some_and(|item| item == "*");
    let is_replica = |item: &String| {
        item.split_once(':').is_some_and(|(partition, broker)| {
            [partition, broker]
                .iter()
                .all(|part| part.parse::<u32>().is_ok())
        })
    };
    if is_all || items.iter().all(is_replica) {
        return Ok(());
    }
    Err(
        "Value must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            .to_owned(),
    )
}

fn offset_reset(text: &str) -> Result<(), String> {
    let is_valid = match text.split_once(':') {
        None => matches!(text.to_ascii_lowercase().as_str(), "latest" | "earliest"),
        Some((strategy, duration)) => {
            strategy.eq_ignore_ascii_case("by_duration") && duration_ms(duration).is_some()
        }
    };
    if is_valid {
        return Ok(());
    }
    Err("String must be one of: latest, earliest, by_duration:PnDTnHnMn.nS".to_owned())
}

/// Milliseconds of an ISO 8601 duration of days, hours, minutes and seconds, without a sign; none
/// where the text is something else.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    let mut date = days;
    total = total.checked_add(component(&mut date, 'D', 86_400_000)?)?;
    let mut clock = time;
    total = total.checked_add(component(&mut clock, 'H', 3_600_000)?)?;
    total = total.checked_add(component(&mut clock, 'M', 60_000)?)?;
    total = total.checked_add(component(&mut clock, 'S', 1000)?)?;
    (date.is_empty() && clock.is_empty()).then_some(total)
}

/// Takes `123X` or, for seconds, `1.5S` from the front; 0 where the unit does not occur.
fn component(rest: &mut &str, unit: char, unit_ms: i64) -> Option<i64> {
    let Some((number, after)) = rest.split_once(unit) else {
        return Some(0);
    };
    *rest = after;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    if !fraction.is_empty() && unit != 'S' {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: i64 = whole.parse().ok()?;
    let part: i64 = thousandths.parse().ok()?;
    whole.checked_mul(unit_ms)?.checked_add(part)
}

fn host_counts(text: &str) -> Result<(), String> {
    let mut hosts: Vec<&str> = Vec::new();
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        // The host may be an IPv6 address, so the count stands after the last colon.
        let pair = item.rsplit_once(':');
        let is_count = pair.is_some_and(|(host, count)| {
            !host.is_empty() && count.trim().parse::<i32>().is_ok_and(|count| count >= 0)
        });
        let host = pair.map_or(item, |(host, _)| host.trim());
        if !is_count {
            return Err(format!("'{item}' must have the format host:count"));
        }
        if hosts.contains(&host) {
            return Err(format!("host '{host}' must not be repeated"));
        }
        hosts.push(host);
    }
    Ok(())
}
