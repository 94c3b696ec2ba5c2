//! `file:` addresses and paths.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;

/// The path that an address of a file names.
pub(crate) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let rest = &rest[rest.find('/')?..];
    let mut bytes = Vec::with_capacity(rest.len());
    let mut all = rest.bytes();
    while let Some(byte) = all.next() {
        if byte == b'%' {
            let digits = [all.next()?, all.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(normal(Path::new(&String::from_utf8(bytes).ok()?)))
}

/// The address of a path.
pub(crate) fn uri(path: &Path) -> Option<Uri> {
    let mut text = String::from("file://");
    for byte in path.to_str()?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    Uri::from_str(&text).ok()
}

/// A path without `.` and `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            part => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["/a/b.mlp", "/a b/ü.mlp", "/%/#?.mlp"] {
            assert_eq!(path(&uri(Path::new(text)).unwrap()).unwrap(), Path::new(text), "{text}");
        }
        assert_eq!(path(&Uri::from_str("file:///c%3A/x/../y.mlp").unwrap()).unwrap(), Path::new("/c:/y.mlp"));
        assert_eq!(path(&Uri::from_str("untitled:1").unwrap()), None);
        let cut = Uri::from_str("file:///a%").ok().and_then(|uri| path(&uri));
        assert_ne!(cut.as_deref(), Some(Path::new("/a")));
    }
}
