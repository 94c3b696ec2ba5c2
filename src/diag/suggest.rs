//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `written`, when it is near enough to be a slip: other letters, another case or sign between
/// words, the beginning of a name, or one of its words.
pub fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let asked = plain(written);
    let length = asked.chars().count();
    let allowed = (length / 3).clamp(1, 3);
    let distance = |candidate: &str| {
        let name = plain(candidate);
        // So many letters at least are more or fewer: to count the others takes a thousand times as long.
        let differ = name.chars().count().abs_diff(length);
        let letters = if differ > allowed { differ } else { strsim::damerau_levenshtein(&asked, &name) };
        // A name of one or two letters is a slip of nothing but another order or case of them.
        if letters <= allowed && (length > 2 || letters == 0 || name.len() == length) {
            return Some(letters);
        }
        let part = length >= 3 && name.starts_with(&asked)
            || length >= 4 && name.split('_').any(|word| word == asked);
        part.then_some(allowed + 1)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(candidate)?, candidate)))
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
        assert_eq!(did_you_mean("Dataset", ["dataset", "source"]), Some("dataset"));
        assert_eq!(did_you_mean("on-destroy", ["on_destroy", "protect"]), Some("on_destroy"));
        assert_eq!(did_you_mean("desc", ["description", "doc"]), Some("description"));
        assert_eq!(did_you_mean("destroy", ["on_destroy", "protect"]), Some("on_destroy"));
        assert_eq!(did_you_mean("a", ["on", "b2"]), None);
        assert_eq!(did_you_mean("zebra", ["dataset", "source"]), None);
        assert!(one_of("zebra", ["b", "a"]).contains("`a`, `b`"));
    }
}
