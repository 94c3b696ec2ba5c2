//! A lease that is looked at before every write: whether it is still the same is told by two names in its directory, and only a
//! new one is read.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mlp_diag::Diagnostic;

use crate::dir_lease::parse_lease;
use crate::files::{named, newest};
use crate::{Lease, segment};

/// How often a lease is looked for again that was changed while it was read.
const TRIES: usize = 32;

/// A lease as it was read.
///
/// Generations are made by a hard link of the next number and never written to again. So a lease is the newest as long as its
/// name leads to the same file and the next name to none. The file is kept open: no other gets its inode.
pub(crate) struct Watch {
    number: u64,
    path: PathBuf,
    next: PathBuf,
    file: File,
}

impl Watch {
    /// The lease as it is now; nothing where there is none yet.
    pub(crate) fn read(root: &Path) -> Result<Option<(Self, Lease)>, Diagnostic> {
        let mut last = None;
        for _ in 0..TRIES {
            let Some((number, path)) = newest(root, "lease")? else { return Ok(None) };
            let mut bytes = Vec::new();
            let opened = File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes).map(|_| file));
            match opened {
                Ok(file) => {
                    let lease = parse_lease(&path.display().to_string(), &bytes)?;
                    let next = named(root, "lease", number + 1);
                    return Ok(Some((Self { number, path, next, file }, lease)));
                }
                // It was changed between the listing and the reading.
                Err(error) => last = Some(segment::unreadable(&path, &error)),
            }
        }
        last.map_or(Ok(None), Err)
    }

    /// Its generation.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is still the newest.
    pub(crate) fn holds(&self) -> bool {
        let (Ok(ours), Ok(there)) = (self.file.metadata(), fs::metadata(&self.path)) else { return false };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino()) && fs::symlink_metadata(&self.next).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dir_lease::change_lease;
    use crate::{Holder, LEASE_LENGTH};

    #[test]
    fn every_change_of_a_lease_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Watch::read(dir.path()).unwrap().is_none());
        let take = || change_lease(dir.path(), |lease| lease.take(&Holder::here(), LEASE_LENGTH));
        take().unwrap();
        let (watch, lease) = Watch::read(dir.path()).unwrap().unwrap();
        assert!(watch.holds());
        change_lease(dir.path(), |lease| lease.renew(1, LEASE_LENGTH)).unwrap();
        assert!(!watch.holds());
        let (watch, renewed) = Watch::read(dir.path()).unwrap().unwrap();
        assert!(watch.holds() && renewed.token == lease.token);
        // Another file of the same name, as one may come back that was stopped for long.
        fs::rename(&watch.path, dir.path().join("away")).unwrap();
        fs::copy(dir.path().join("away"), &watch.path).unwrap();
        assert!(!watch.holds());
    }
}
