//! A diagnostic's code: its page is a file of `docs/errors`, named after it.

use serde_json::json;

use super::pages::PAGES;
use super::{Answer, Finder, Question, Unanswered};
use crate::codes;

/// `MLP0304`, in either case, with or without its letters.
pub const FINDER: Finder =
    Finder { topics: "the code of a diagnostic", example: "mlp explain MLP0304", names, find };

fn names(_: &Question<'_>) -> Vec<String> {
    codes::all().map(|(code, _)| code.to_owned()).collect()
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    let asked = question.topic.to_ascii_uppercase();
    let found = codes::all().find(|(code, _)| *code == asked || code.strip_prefix("MLP") == Some(&*asked));
    Ok(found.map(|(code, title)| {
        // A room's code is listed before its page is written; a test does not let that pass.
        let text = page(code).map_or_else(|| format!("# {code}: {title}\n"), str::to_owned);
        Answer { detail: json!({ "code": code, "title": title, "page": text }), text }
    }))
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(of, _)| *of == code).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// The pages that are there.
    fn folder() -> BTreeSet<String> {
        let files = std::fs::read_dir(root().join("docs/errors")).unwrap();
        let names =
            files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
        names.filter(|name| name != "README").collect()
    }

    /// Compares a generated file with what it should hold; with `MLP_UPDATE=1` writes it.
    fn generated(path: &str, text: &str) {
        let file = root().join(path);
        if std::env::var_os("MLP_UPDATE").is_some_and(|value| value == "1") {
            std::fs::write(&file, text).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == text, "{path} is out of date: run `cargo test --bin mlp explain` with MLP_UPDATE=1");
    }

    #[test]
    fn list_and_folder_agree() {
        let mut list = "//! The pages of `docs/errors`, generated from what is there; run this room's tests with MLP_UPDATE=1.\n\n\
                        /// Code and page.\npub(super) const PAGES: &[(&str, &str)] = &[\n"
            .to_owned();
        for code in folder() {
            writeln!(list, "    (\"{code}\", include_str!(\"../../docs/errors/{code}.md\")),").unwrap();
        }
        list.push_str("];\n");
        generated("src/explain/pages.rs", &list);
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let listed: BTreeMap<&str, &str> = codes::all().collect();
        assert_eq!(listed.len(), codes::all().count(), "a code is listed twice");
        let codes: BTreeSet<String> = listed.keys().map(|code| (*code).to_owned()).collect();
        assert_eq!(folder().symmetric_difference(&codes).collect::<Vec<_>>(), Vec::<&String>::new());
        let mut index = "<!-- Generated from the pages; run the tests of src/explain with MLP_UPDATE=1. -->\n\n# Diagnostics\n\n\
                         `mlp explain MLP0304` prints the page of a code. The examples stand in a project that also has\n\
                         [`base.mlp`](../../tests/broken/base.mlp), unless they declare a project of their own.\n\n\
                         | code | |\n|---|---|\n"
            .to_owned();
        for (code, title) in &listed {
            let page = std::fs::read_to_string(root().join(format!("docs/errors/{code}.md"))).unwrap();
            assert_eq!(
                page.lines().next(),
                Some(format!("# {code}: {title}").as_str()),
                "the title of {code}"
            );
            writeln!(index, "| [{code}]({code}.md) | {title} |").unwrap();
        }
        generated("docs/errors/README.md", &index);
    }

    /// Source files without their tests.
    fn sources() -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut open = vec![root().join("src"), root().join("providers")];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && name != "tests" && name != "target" {
                    open.push(path);
                } else if name.ends_with(".rs") && !name.contains("test") && name != "pages.rs" {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let text = text.split("\nmod tests {").next().unwrap_or_default().to_owned();
                    found.push((path, text));
                }
            }
        }
        found
    }

    /// The codes in a text that stand in quotes.
    fn quoted(text: &str) -> impl Iterator<Item = &str> {
        text.split('"').filter(|word| {
            word.len() == 7 && word.starts_with("MLP") && word[3..].bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    #[test]
    fn every_code_that_is_used_is_listed_and_every_listed_one_is_used() {
        let listed: BTreeSet<&str> = codes::all().map(|(code, _)| code).collect();
        let sources = sources();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for (path, text) in &sources {
            if !path.ends_with("codes.rs") {
                used.extend(quoted(text));
                continue;
            }
            // A constant is used where another file of its room names it.
            let room = path.parent().unwrap();
            for line in text.lines().filter(|line| line.contains("const ") && line.contains("&str = \"MLP")) {
                let name = line.split("const ").nth(1).unwrap().split(':').next().unwrap();
                let named = |(other, text): &(PathBuf, String)| {
                    other.starts_with(room) && other != path && text.contains(&format!("codes::{name}"))
                };
                if sources.iter().any(named) {
                    used.extend(quoted(line));
                }
            }
        }
        assert_eq!(used.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "used and not listed");
        assert_eq!(listed.difference(&used).collect::<Vec<_>>(), Vec::<&&str>::new(), "listed and not used");
    }
}
