//! Environment markers of requirements (`; python_version >= "3.9" and sys_platform == "linux"`), for the python of an image.

use pep440_rs::{Version, VersionSpecifier};

use crate::look::Python;
use crate::platform::Platform;

/// Whether a marker holds for an image; says what cannot be read in it.
pub(crate) fn holds(marker: &str, python: &Python, platform: Platform) -> Result<bool, String> {
    let mut reader = Reader { words: words(marker)?, at: 0, python, platform };
    let found = reader.any()?;
    match reader.next() {
        None => Ok(found),
        Some(word) => Err(format!("`{}` is not expected there", word.text)),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (length, skip) = match first {
            '"' | '\'' => {
                let end = rest[1..].find(first).ok_or("a quote does not end")?;
                found.push(Word { text: rest[1..=end].to_owned(), quoted: true });
                rest = rest[end + 2..].trim_start();
                continue;
            }
            '(' | ')' => (1, 0),
            _ => {
                let sign = |c: char| "<>=!~".contains(c);
                let same = |c: char| !c.is_whitespace() && !"()\"'".contains(c) && sign(c) == sign(first);
                (rest.find(|c| !same(c)).unwrap_or(rest.len()), 0)
            }
        };
        found.push(Word { text: rest[..length].to_owned(), quoted: false });
        rest = rest[length + skip..].trim_start();
    }
    Ok(found)
}

struct Reader<'a> {
    words: Vec<Word>,
    at: usize,
    python: &'a Python,
    platform: Platform,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.words.get(self.at).is_some_and(|word| !word.quoted && word.text == text);
        self.at += usize::from(there);
        there
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut found = self.all()?;
        while self.take("or") {
            found |= self.all()?;
        }
        Ok(found)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut found = self.one()?;
        while self.take("and") {
            found &= self.one()?;
        }
        Ok(found)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let found = self.any()?;
            return if self.take(")") { Ok(found) } else { Err("`)` is missing".to_owned()) };
        }
        let left = self.next().ok_or("something is missing at its end")?;
        let sign = self.sign()?;
        let right = self.next().ok_or("something is missing at its end")?;
        let (a, b) = (self.value(&left)?, self.value(&right)?);
        let versions = [&left, &right].iter().any(|word| !word.quoted && word.text.ends_with("version"));
        Ok(match compare_versions(&a, &sign, &b).filter(|_| versions) {
            Some(found) => found,
            None => compare(&a, &sign, &b)?,
        })
    }

    fn sign(&mut self) -> Result<String, String> {
        if self.take("not") {
            return if self.take("in") { Ok("not in".to_owned()) } else { Err("`in` is missing".to_owned()) };
        }
        self.next().map(|word| word.text).ok_or_else(|| "a comparison is missing".to_owned())
    }

    fn value(&self, word: &Word) -> Result<String, String> {
        if word.quoted {
            return Ok(word.text.clone());
        }
        Ok(match word.text.replace('.', "_").as_str() {
            "python_version" => format!("3.{}", self.python.minor),
            "python_full_version" | "implementation_version" => self.python.version.clone(),
            "os_name" => "posix".to_owned(),
            "sys_platform" => "linux".to_owned(),
            "platform_system" => "Linux".to_owned(),
            "platform_machine" => self.platform.machine().to_owned(),
            "implementation_name" => "cpython".to_owned(),
            "platform_python_implementation" | "python_implementation" => "CPython".to_owned(),
            "extra" => String::new(),
            _ => return Err(format!("`{}` is nothing that is known of an image", word.text)),
        })
    }
}

fn compare_versions(a: &str, sign: &str, b: &str) -> Option<bool> {
    if matches!(sign, "in" | "not in") {
        return None;
    }
    let specifier: VersionSpecifier = format!("{sign}{b}").parse().ok()?;
    let version: Version = a.parse().ok()?;
    Some(specifier.contains(&version))
}

fn compare(a: &str, sign: &str, b: &str) -> Result<bool, String> {
    Ok(match sign {
        "==" | "===" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        "in" => b.contains(a),
        "not in" => !b.contains(a),
        _ => return Err(format!("`{sign}` is no comparison")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_speak_of_the_image() {
        let python = Python {
            program: "/usr/bin/python3.11".into(),
            minor: 11,
            version: "3.11.2".into(),
            free: false,
        };
        let platform = "linux/arm64".parse().unwrap();
        for (marker, expected) in [
            ("python_version >= '3.9'", Ok(true)),
            ("python_version < \"3.9\" or sys_platform == 'linux'", Ok(true)),
            ("python_version>='3.10' and (platform_machine!='x86_64' and os_name == \"posix\")", Ok(true)),
            ("python_full_version == '3.11.*' and python_version not in '3.9, 3.10'", Ok(true)),
            ("'linux' in sys_platform and extra == 'test'", Ok(false)),
            ("sys_platform == 'win32'", Ok(false)),
            ("python_version >= '3.9' and", Err(())),
            ("colour == 'red'", Err(())),
            ("(python_version >= '3.9'", Err(())),
            ("python_version >= '3.9' ]", Err(())),
        ] {
            assert_eq!(holds(marker, &python, platform).map_err(drop), expected, "{marker}");
        }
    }
}
