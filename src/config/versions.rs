//! Versions and what is demanded of them: `1.2.3`, `= 1.2`, `~> 1.2`, `>= 1.0, < 2`.

use std::cmp::Ordering;

/// Whether a version meets every demand, these being separated by commas.
///
/// # Errors
/// One of the two is not written as such.
pub(crate) fn accepts(demand: &str, version: &str) -> Result<bool, String> {
    let version = numbers(version)?;
    let mut accepted = true;
    for part in demand.split(',') {
        let part = part.trim();
        let at = part.find(|c: char| c.is_ascii_digit()).ok_or_else(|| wrong(part))?;
        let (sign, wanted) = (part[..at].trim(), numbers(part[at..].trim())?);
        let order = compare(&version, &wanted);
        accepted &= match sign {
            "" | "=" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            // Only the last number that is written may grow.
            "~>" => {
                let fixed = wanted.len().saturating_sub(1).max(1);
                order != Ordering::Less && (0..fixed).all(|at| number(&version, at) == number(&wanted, at))
            }
            _ => return Err(wrong(part)),
        };
    }
    Ok(accepted)
}

fn wrong(text: &str) -> String {
    format!("`{text}` is not a version such as \"1.2.0\", or a demand such as \"~> 1.2\" or \">= 1.0, < 2\"")
}

fn numbers(text: &str) -> Result<Vec<u64>, String> {
    text.split('.').map(|word| word.parse().map_err(|_| wrong(text))).collect()
}

fn number(version: &[u64], at: usize) -> u64 {
    version.get(at).copied().unwrap_or(0)
}

fn compare(left: &[u64], right: &[u64]) -> Ordering {
    let longest = left.len().max(right.len());
    let mut orders = (0..longest).map(|at| number(left, at).cmp(&number(right, at)));
    orders.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_met_or_not() {
        for (demand, version, wanted) in [
            ("1.2", "1.2.0", true),
            ("= 1.2", "1.2.1", false),
            ("~> 1.2", "1.9", true),
            ("~> 1.2", "2.0", false),
            ("~> 1.2.3", "1.2.9", true),
            ("~> 1.2.3", "1.3.0", false),
            ("~> 1", "1.7", true),
            (">= 1.0, < 2", "1.10.0", true),
            (">= 1.0, < 2", "2.0", false),
            ("!= 1.5", "1.5", false),
        ] {
            assert_eq!(accepts(demand, version), Ok(wanted), "{demand} {version}");
        }
        assert!(
            accepts("latest", "1").is_err() && accepts("1", "one").is_err() && accepts("=> 1", "1").is_err()
        );
    }
}
