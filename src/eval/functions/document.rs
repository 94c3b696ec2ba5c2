//! The functions as documentation: what a page, an explanation or an editor shows of each.

use super::define::{FunctionInfo, Terraform};
use super::{FAMILIES, LEFT_OUT};

/// What there is to say of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub signature: String,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// The title of the family it belongs to.
    pub family: &'static str,
    /// Each parameter: its name, type and whether it may be null.
    pub parameters: Vec<(String, &'static str, bool)>,
    /// What it gives.
    pub returns: &'static str,
    /// Calls with what they come to.
    pub examples: &'static [(&'static str, &'static str)],
    /// How it stands to Terraform's.
    pub terraform: Terraform,
    /// Whether its answer is known only to what serves the attribute it stands in.
    pub kept: bool,
}

/// All functions, by family and name.
pub fn documentation() -> Vec<Documented> {
    let families =
        FAMILIES.iter().flat_map(|(family, functions)| functions.iter().map(move |one| (family, one)));
    families.map(|(family, function)| documented(family, function)).collect()
}

fn documented(family: &'static str, function: &FunctionInfo) -> Documented {
    let needed = function.parameters.len() - function.optional;
    let parameters = function.parameters.iter().enumerate().map(|(at, parameter)| {
        let mark = if at < needed { "" } else { "?" };
        (format!("{}{mark}", parameter.name), parameter.want.word(), parameter.nullable)
    });
    let rest = function.variadic.map(|rest| (format!("{}...", rest.name), rest.want.word(), rest.nullable));
    Documented {
        name: function.name,
        signature: function.signature(),
        doc: function.doc,
        family,
        parameters: parameters.chain(rest).collect(),
        returns: function.returns.word(),
        examples: function.examples,
        terraform: function.terraform,
        kept: function.is_kept(),
    }
}

impl Documented {
    /// Its page, in Markdown.
    pub fn page(&self) -> String {
        let mut page = format!("# `{}`\n\n{}\n\n```text\n{}\n```\n", self.name, self.doc, self.signature);
        if !self.parameters.is_empty() {
            page.push_str("\n| argument | type | null |\n|---|---|---|\n");
            for (name, ty, nullable) in &self.parameters {
                let nullable = if *nullable { "allowed" } else { "refused" };
                page.push_str(&format!("| `{name}` | {ty} | {nullable} |\n"));
            }
        }
        page.push_str(&format!("\nGives: {}.\n", self.returns));
        if !self.examples.is_empty() {
            page.push_str("\n```text\n");
            for (call, result) in self.examples {
                page.push_str(&format!("{call} # {result}\n"));
            }
            page.push_str("```\n");
        }
        page.push_str(&format!("\n{}\n", self.beside_terraform()));
        page
    }

    /// How it stands to Terraform's, in a sentence.
    pub fn beside_terraform(&self) -> String {
        match self.terraform {
            Terraform::Same => "Same as Terraform's.".to_owned(),
            Terraform::Differs(how) => format!("Differs from Terraform's: {how}."),
            Terraform::Own if self.kept => {
                "Terraform has none of this name. Its answer is known only to what serves the attribute it stands in."
                    .to_owned()
            }
            Terraform::Own => "Terraform has none of this name.".to_owned(),
        }
    }
}

/// The table of all functions, in Markdown.
pub fn function_table() -> String {
    let mut page = String::from(
        "# Functions\n\nTerraform's functions have their names and meanings here, apart from what the table says. A call \
         may be written `core::name(…)` too. Numbers are exact decimals (a division has 34 digits), and nothing is infinite.\n",
    );
    let all = documentation();
    for (family, _) in FAMILIES {
        page.push_str(&format!(
            "\n## {family}\n\n| function | what it gives | beside Terraform |\n|---|---|---|\n"
        ));
        for one in all.iter().filter(|one| one.family == family) {
            let stands = match one.terraform {
                Terraform::Same => "same".to_owned(),
                Terraform::Differs(how) => format!("differs: {how}"),
                Terraform::Own => "has none".to_owned(),
            };
            let (name, signature, doc) = (one.name, &one.signature, one.doc);
            page.push_str(&format!(
                "| [`{signature}`](functions/{name}.md) | {} | {} |\n",
                cell(doc),
                cell(&stands)
            ));
        }
    }
    page.push_str("\n## Left out\n\n| function of Terraform | why | instead |\n|---|---|---|\n");
    for left in LEFT_OUT {
        page.push_str(&format!("| `{}` | {} | {} |\n", left.name, cell(left.why), cell(left.instead)));
    }
    page.push_str("\n`provider::` functions are left out: providers have none here.\n");
    page
}

/// Text that does not end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const GENERATED: &str =
        "<!-- Generated from src/eval/functions; run its tests with MLP_UPDATE=1. -->\n\n";

    /// With `MLP_UPDATE=1` the files are written, otherwise compared.
    fn current(path: &Path, text: &str) {
        if std::env::var_os("MLP_UPDATE").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == text,
            "{} is out of date: run the tests of this crate with MLP_UPDATE=1",
            path.display()
        );
    }

    #[test]
    fn pages_are_current() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/language");
        current(&folder.join("functions.md"), &format!("{GENERATED}{}", function_table()));
        let mut written = BTreeSet::new();
        for one in documentation() {
            current(
                &folder.join(format!("functions/{}.md", one.name)),
                &format!("{GENERATED}{}", one.page()),
            );
            written.insert(format!("{}.md", one.name));
        }
        for entry in std::fs::read_dir(folder.join("functions")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(written.contains(&name), "docs/language/functions/{name} is no function's page");
        }
    }

    #[test]
    fn every_function_is_documented_and_stands_once() {
        let all = documentation();
        for (index, one) in all.iter().enumerate() {
            assert!(
                one.doc.ends_with('.') && one.doc.starts_with(char::is_uppercase) || one.doc.starts_with('-'),
                "{}",
                one.doc
            );
            assert!(all[..index].iter().all(|other| other.name != one.name), "{} twice", one.name);
            assert!(LEFT_OUT.iter().all(|left| left.name != one.name), "{} is there and left out", one.name);
            let told = !one.examples.is_empty() || one.kept || one.name.starts_with("file");
            let varies = ["base64gzip", "templatefile", "timestamp", "uuid", "sha512"].contains(&one.name);
            assert!(told || varies, "{} has no example", one.name);
        }
    }
}
