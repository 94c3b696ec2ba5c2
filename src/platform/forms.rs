//! Closed forms of text: what looks like free text and is not. Each says what it is, shows one, and knows its own slips.

/// A form that text must have.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// For documentation: `cron`.
    pub name: &'static str,
    /// For messages: `a schedule`.
    pub what: &'static str,
    /// One that is right.
    pub example: &'static str,
    /// Why a text is none of them.
    pub check: fn(&str) -> Result<(), String>,
}

/// `0 3 * * 1`: the five fields of cron.
pub const CRON: Form =
    Form { name: "cron", what: "a schedule in the five fields of cron", example: "0 3 * * 1", check: cron };

/// `Europe/Berlin`.
pub const TIMEZONE: Form =
    Form { name: "time zone", what: "a time zone", example: "Europe/Berlin", check: timezone };

/// `2024-01-31`.
pub const DAY: Form = Form { name: "day", what: "a day", example: "2024-01-31", check: day };

/// `3.12`, `~> 0.1`, `>= 1.2, < 2`.
pub const VERSION: Form =
    Form { name: "version", what: "a version, or a demand on one", example: "~> 3.12", check: version };

/// `nvcr.io/nvidia/pytorch:26.06-py3`, best with `@sha256:…`.
pub const IMAGE: Form = Form {
    name: "image",
    what: "the name of a container image",
    example: "registry.acme.io/train:4.0@sha256:…",
    check: image,
};

/// `service:checkout`, `user:ann@acme.io`, `group:…`, or `*`.
pub const PRINCIPAL: Form =
    Form { name: "principal", what: "a principal", example: "service:checkout", check: principal };

/// `env:NAME`, `vault:kv/risk#password`.
pub const SECRET_PLACE: Form = Form {
    name: "place of a secret",
    what: "the place of a secret",
    example: "env:TOKEN",
    check: secret_place,
};

/// `https://…`
pub const URL: Form = Form { name: "URL", what: "a URL", example: "https://models.acme.io/v1", check: url };

/// A path, or a URL.
pub const LOCATION: Form =
    Form { name: "path or URL", what: "a path or a URL", example: "s3://bucket/prefix/", check: location };

/// `pagerduty:<service>`, `slack:#<channel>`.
pub const RECIPIENT: Form =
    Form { name: "recipient", what: "someone to tell", example: "slack:#risk-ml", check: recipient };

/// `Mon-Thu 08:00-16:00 Europe/Amsterdam`.
pub const WINDOW: Form = Form {
    name: "window",
    what: "days, hours and a time zone",
    example: "Mon-Thu 08:00-16:00 Europe/Amsterdam",
    check: window,
};

/// `4x4`, `2x2x4`.
pub const TOPOLOGY: Form =
    Form { name: "topology", what: "the shape of a slice", example: "4x4", check: topology };

/// Every form.
pub const FORMS: &[Form] = &[
    CRON,
    TIMEZONE,
    DAY,
    VERSION,
    IMAGE,
    PRINCIPAL,
    SECRET_PLACE,
    URL,
    LOCATION,
    RECIPIENT,
    WINDOW,
    TOPOLOGY,
];

fn require(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// The part before the first `:` is one of these words, and something follows.
fn prefixed(text: &str, words: &[&str]) -> Result<(), String> {
    let listed = || words.iter().map(|word| format!("`{word}:`")).collect::<Vec<_>>().join(", ");
    match text.split_once(':') {
        Some((word, rest)) if words.contains(&word) => {
            require(!rest.trim().is_empty(), &format!("nothing follows `{word}:`"))
        }
        _ => Err(format!("it starts with none of {}", listed())),
    }
}

fn cron(text: &str) -> Result<(), String> {
    use croner::parser::{CronParser, Seconds, Year};
    let fields = text.split_whitespace().count();
    if fields != 5 && !text.starts_with('@') {
        return Err(format!(
            "it has {fields} field{}, and five are expected: minute, hour, day of the month, month, day of the week",
            if fields == 1 { "" } else { "s" }
        ));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map(drop).map_err(|error| error.to_string())
}

fn timezone(text: &str) -> Result<(), String> {
    match jiff::tz::TimeZoneDatabase::bundled().get(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("there is no time zone `{text}`")),
    }
}

fn day(text: &str) -> Result<(), String> {
    match text.parse::<jiff::civil::Date>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not a day of the calendar")),
    }
}

fn version(text: &str) -> Result<(), String> {
    let one = |demand: &str| {
        let number =
            demand.trim().trim_start_matches(['~', '>', '<', '=', '!', '^', ' ']).trim_start_matches('v');
        let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-+_*".contains(letter);
        number.starts_with(|letter: char| letter.is_ascii_digit()) && number.chars().all(plain)
    };
    require(text.split(',').all(one), "a version starts with a number, behind `~>`, `>=`, `<` and the like")
}

fn image(text: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "./:@_-".contains(letter);
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    require(
        starts && text.chars().all(plain),
        "an image is written `registry/name:tag@digest`, without spaces",
    )
}

fn principal(text: &str) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    prefixed(text, &["user", "service", "group", "team", "role"])
        .map_err(|why| format!("{why}; `*` is everyone"))
}

fn secret_place(text: &str) -> Result<(), String> {
    prefixed(text, &["env", "file", "k8s", "vault", "aws-sm", "azure-kv", "gcp-sm"])
}

fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let named = !scheme.is_empty() && scheme.chars().all(plain) && !rest.is_empty();
    named.then_some((scheme, rest)).filter(|_| !text.contains(char::is_whitespace))
}

fn url(text: &str) -> Result<(), String> {
    require(
        matches!(scheme(text), Some(("http" | "https", _))),
        "it does not start with `https://` or `http://`",
    )
}

fn location(text: &str) -> Result<(), String> {
    if text.contains("://") {
        return require(scheme(text).is_some(), "a URL has a scheme, a place, and no spaces");
    }
    let odd = text.chars().filter(|letter| *letter != '*').all(|letter| letter.is_ascii_punctuation());
    require(!text.is_empty() && (!odd || matches!(text, "." | "..")), "it names no file and no directory")
}

fn recipient(text: &str) -> Result<(), String> {
    prefixed(text, &["pagerduty", "slack", "mail", "webhook", "teams", "opsgenie"])
}

fn topology(text: &str) -> Result<(), String> {
    let counts = text.split('x').all(|count| count.parse::<u32>().is_ok_and(|count| count > 0));
    require(counts && text.contains('x'), "a shape is written as counts with `x` between them")
}

fn window(text: &str) -> Result<(), String> {
    const DAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [days, hours, zone] = words.as_slice() else {
        return Err("three words are expected: days, hours, time zone".to_owned());
    };
    let named = days.split([',', '-']).all(|day| DAYS.contains(&day));
    require(named, &format!("`{days}` is not made of {}", DAYS.join(", ")))?;
    let clock = |text: &str| text.parse::<jiff::civil::Time>().is_ok() && text.contains(':');
    let both = hours.split_once('-').is_some_and(|(from, to)| clock(from) && clock(to));
    require(both, &format!("`{hours}` is not written like `08:00-16:00`"))?;
    timezone(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_shows_one_that_is_right() {
        for form in FORMS {
            assert_eq!((form.check)(&form.example.replace('…', "00")), Ok(()), "{}", form.name);
            assert!((form.check)("?!").is_err(), "{}", form.name);
        }
    }

    #[test]
    fn what_is_none_of_a_form_is_told() {
        for (form, right, wrong) in [
            (&CRON, "5 * * * *", "61 * * * *"),
            (&CRON, "@daily", "every day"),
            (&TIMEZONE, "UTC", "Europe/Berln"),
            (&DAY, "2024-02-29", "2023-02-29"),
            (&VERSION, ">=3.10", "latest"),
            (&VERSION, "4.2.0", ""),
            (&IMAGE, "python:3.12", "my image"),
            (&PRINCIPAL, "*", "checkout"),
            (&SECRET_PLACE, "k8s:cx/keys", "HF_TOKEN"),
            (&URL, "http://127.0.0.1:80", "llm-gateway"),
            (&LOCATION, "data/*.csv", "s3://"),
            (&LOCATION, ".", ""),
            (&RECIPIENT, "mail:a@b.c", "#risk-ml"),
            (&WINDOW, "Sat,Sun 00:00-23:59 UTC", "Mon-Thu 08:00-16:00"),
            (&TOPOLOGY, "2x2x4", "16"),
        ] {
            assert_eq!((form.check)(right), Ok(()), "{}", form.name);
            assert!((form.check)(wrong).is_err(), "{}: {wrong}", form.name);
        }
    }
}
