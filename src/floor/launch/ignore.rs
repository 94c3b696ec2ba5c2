//! Which files of a code directory are code: `.mlpignore` with the patterns of `.gitignore`, and defaults.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::Problem;

/// Never code: version control, our own files, what interpreters leave behind, and the specification itself.
const DEFAULTS: &[&str] = &[".git", ".mlp", ".mlpignore", "__pycache__", "*.pyc", ".venv", "*.mlp"];

/// The rules for one code directory. The last rule that fits a path decides.
#[derive(Debug)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    base: PathBuf,
    pattern: Regex,
    directories_only: bool,
    keep: bool,
}

impl IgnoreRules {
    /// The defaults, then the `.mlpignore` of the project the directory lies in, then the directory's own.
    pub fn load(project_root: &Path, dir: &Path) -> Result<Self, Problem> {
        let mut rules = Vec::new();
        for line in DEFAULTS {
            rules.extend(rule(dir, line));
        }
        let mut places = vec![dir];
        if dir != project_root && dir.starts_with(project_root) {
            places.insert(0, project_root);
        }
        for place in places {
            let path = place.join(".mlpignore");
            match std::fs::read_to_string(&path) {
                Ok(text) => rules.extend(text.lines().filter_map(|line| rule(place, line))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Problem::io("MLP0762", "read", &path, &error)),
            }
        }
        Ok(Self { rules })
    }

    /// Whether a path below the directory is left out.
    pub fn is_ignored(&self, path: &Path, is_dir: bool) -> bool {
        let mut ignored = false;
        for rule in self.rules.iter().filter(|rule| is_dir || !rule.directories_only) {
            let Ok(relative) = path.strip_prefix(&rule.base) else { continue };
            if rule.pattern.is_match(&relative.to_string_lossy()) {
                ignored = !rule.keep;
            }
        }
        ignored
    }
}

fn rule(base: &Path, line: &str) -> Option<Rule> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (keep, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (directories_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
    // A pattern with a slash starts at the directory of its file; one without fits at every depth.
    let anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    let prefix = if anchored { "^" } else { "^(?:.*/)?" };
    let pattern = Regex::new(&format!("{prefix}{}$", translate(line))).ok()?;
    Some(Rule { base: base.to_path_buf(), pattern, directories_only, keep })
}

/// A glob as a regular expression: `*` and `?` stay within a name, `**` does not.
fn translate(glob: &str) -> String {
    let mut out = String::from("(?s)");
    let mut rest = glob;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            out.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            out.push_str(".*");
            rest = after;
            continue;
        }
        let after = &rest[first.len_utf8()..];
        match first {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => match after.find(']').filter(|end| *end > 0) {
                Some(end) => {
                    out.push_str(&class(&after[..end]));
                    rest = &after[end + 1..];
                    continue;
                }
                None => out.push_str("\\["),
            },
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        rest = after;
    }
    out
}

/// A set of characters: everything but a range's dash is taken literally.
fn class(inner: &str) -> String {
    let (negated, inner) = inner.strip_prefix(['!', '^']).map_or(("", inner), |rest| ("^", rest));
    let escape = |c: char| if c == '-' { "-".to_string() } else { regex::escape(&c.to_string()) };
    format!("[{negated}{}]", inner.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> (tempfile::TempDir, IgnoreRules) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".mlpignore"), text).unwrap();
        let rules = IgnoreRules::load(dir.path(), dir.path()).unwrap();
        (dir, rules)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let (dir, rules) = rules("# notes\n*.md\n!keep.md\n/data\nlogs/\nsrc/**/old\nx[0-9].txt\n");
        let ignored = |path: &str, is_dir| rules.is_ignored(&dir.path().join(path), is_dir);
        assert!(ignored("README.md", false) && ignored("a/b/README.md", false));
        assert!(!ignored("keep.md", false));
        assert!(ignored("data", true) && !ignored("a/data", true));
        assert!(ignored("a/logs", true) && !ignored("logs", false));
        assert!(ignored("src/a/b/old", true) && ignored("src/old", true) && !ignored("old", true));
        assert!(ignored("x1.txt", false) && !ignored("xa.txt", false));
    }

    #[test]
    fn the_specification_and_leftovers_are_never_code() {
        let (dir, rules) = rules("");
        for name in [".git", ".mlp", "__pycache__"] {
            assert!(rules.is_ignored(&dir.path().join("a").join(name), true), "{name}");
        }
        for name in ["main.mlp", "a.pyc", ".mlpignore"] {
            assert!(rules.is_ignored(&dir.path().join(name), false), "{name}");
        }
        assert!(!rules.is_ignored(&dir.path().join("train.py"), false));
    }
}
