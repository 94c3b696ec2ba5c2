//! Versions of languages, and demands on them.

/// Whether a version fits `>=3.8, <4`, `~> 3.10` or `3.11`; `None` when that is no constraint.
#[must_use]
pub fn fits(version: &str, constraint: &str) -> Option<bool> {
    let found = numbers(version)?;
    let mut all = true;
    for part in constraint.split(',').map(str::trim) {
        let at = part.find(|c: char| c.is_ascii_digit())?;
        let wanted = numbers(&part[at..])?;
        let prefix = found.iter().take(wanted.len()).eq(wanted.iter());
        all &= match part[..at].trim() {
            ">=" => found >= wanted,
            ">" => found > wanted && !prefix,
            "<=" => found <= wanted || prefix,
            "<" => found < wanted,
            "!=" => !prefix,
            "" | "=" | "==" => prefix,
            // The last number given may grow.
            "~>" | "~=" => {
                let fixed = &wanted[..wanted.len().saturating_sub(1)];
                found >= wanted && found.iter().take(fixed.len()).eq(fixed.iter())
            }
            _ => return None,
        };
    }
    Some(all)
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let plain: String = text.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    plain.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_constraints() {
        for (constraint, expected) in [
            (">=3.8", Some(true)),
            (">=3.12", Some(false)),
            ("3.11", Some(true)),
            ("3", Some(true)),
            ("3.1", Some(false)),
            ("~> 3.10", Some(true)),
            ("~> 3.10.0", Some(false)),
            (">=3.8, <4", Some(true)),
            (">=3.8, !=3.11", Some(false)),
            ("newest", None),
            ("=>3", None),
        ] {
            assert_eq!(fits("3.11.7", constraint), expected, "{constraint}");
        }
    }
}
