//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `written`, when it is near enough to be a slip.
pub fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(written, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?` or, failing that, the list of what is possible, shortened.
pub fn one_of<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = did_you_mean(written, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return "there is nothing of that kind here".to_owned();
    }
    let shown = all.iter().take(12).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = all.len().saturating_sub(12);
    if more == 0 {
        format!("possible here: {shown}")
    } else {
        format!("possible here: {shown} and {more} more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("datset", ["dataset", "source"]), Some("dataset"));
        assert_eq!(did_you_mean("zebra", ["dataset", "source"]), None);
        assert!(one_of("zebra", ["b", "a"]).contains("`a`, `b`"));
    }
}
