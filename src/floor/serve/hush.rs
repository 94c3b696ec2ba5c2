//! What a replica was given in secret comes out neither in its log nor in what is said of its failures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Shorter values would make noise of every line, and protect nothing.
const SHORTEST: usize = 4;
/// A line longer than this is written in parts.
const LONGEST: u64 = 64 * 1024;
/// What stands for a secret.
const SHOWN: &str = "(sensitive)";

/// Values that must not be shown.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<BTreeSet<String>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// The values of the variables of these names, line by line: a file may hold several.
    pub fn of(env: &BTreeMap<String, String>, names: &BTreeSet<String>) -> Self {
        let values = names.iter().filter_map(|name| env.get(name)).flat_map(|value| value.lines());
        let telling = values.map(str::trim).filter(|line| line.len() >= SHORTEST);
        Self(Arc::new(telling.map(str::to_owned).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without them.
    pub fn clean(&self, text: &str) -> String {
        // The longest first: a shorter one may be its beginning.
        let mut all: Vec<&String> = self.0.iter().collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), SHOWN))
    }

    /// Writes what a stream says to a file, line by line and without them, until it ends.
    pub async fn pump(self, stream: impl AsyncRead + Unpin, mut file: File) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut stream).take(LONGEST).read_until(b'\n', &mut line).await {
            let clean = match std::str::from_utf8(&line) {
                Ok(text) => self.clean(text),
                Err(_) => self.clean(&String::from_utf8_lossy(&line)),
            };
            // A log that cannot be written, as on a full disk, must not end the replica that fills it.
            let _ = file.write_all(clean.as_bytes());
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_line_of_a_log_holds_a_secret() {
        let env = BTreeMap::from([
            ("KEY".to_owned(), "hunter22\nhunter22-longer\nab\n".to_owned()),
            ("PLAIN".to_owned(), "seen".to_owned()),
        ]);
        let secrets = Secrets::of(&env, &BTreeSet::from(["KEY".to_owned()]));
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = b"ab seen hunter22-longer\nwith hunter22".as_slice();
        secrets.pump(said, file.reopen().unwrap()).await;
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "ab seen (sensitive)\nwith (sensitive)");
    }
}
