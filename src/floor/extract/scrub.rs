//! Secrets never come out in what is said.

use crate::Problem;

/// Shorter values would make noise of every message, and protect nothing.
const SHORTEST: usize = 4;

/// The problem with the secret's value taken out of all its texts.
pub(super) fn scrub(mut problem: Problem, secret: Option<&str>) -> Problem {
    let Some(secret) = secret.filter(|secret| secret.len() >= SHORTEST) else { return problem };
    let texts = std::iter::once(&mut problem.message).chain(&mut problem.notes).chain(&mut problem.help);
    for text in texts {
        *text = text.replace(secret, "(sensitive)");
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_problem_holds_the_secret() {
        let problem = Problem::new("MLP0721", "bad hunter22").note("is hunter22").help("not hunter22");
        let text = scrub(problem, Some("hunter22")).to_string();
        assert!(!text.contains("hunter22") && text.contains("(sensitive)"), "{text}");
        let short = scrub(Problem::new("MLP0721", "a b"), Some("a"));
        assert_eq!(short.message, "a b");
    }
}
