//! The codes of what can be wrong with the text itself.

use mlp_diag::CodeList;

pub(crate) const SYNTAX: &str = "MLP0101";
pub(crate) const TOO_LARGE: &str = "MLP0102";
pub(crate) const TOO_DEEP: &str = "MLP0103";
pub(crate) const TWICE: &str = "MLP0104";
pub(crate) const BRACKET: &str = "MLP0105";
pub(crate) const UNCLOSED: &str = "MLP0106";
pub(crate) const ONE_LINE: &str = "MLP0107";
pub(crate) const ESCAPE: &str = "MLP0108";

/// Every code this room gives, with its title.
pub const CODES: CodeList = &[
    (SYNTAX, "the text does not follow the syntax"),
    (TOO_LARGE, "a file is too large"),
    (TOO_DEEP, "an expression or block is nested too deeply"),
    (TWICE, "an attribute or key is set twice"),
    (BRACKET, "a bracket has no partner"),
    (UNCLOSED, "a string, heredoc or comment is not closed"),
    (ONE_LINE, "a block on one line holds more than one attribute"),
    (ESCAPE, "an escape sequence is unknown"),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_in_order_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
