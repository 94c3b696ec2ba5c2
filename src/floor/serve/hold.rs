//! What an endpoint keeps others from using while it runs: the GPUs of its variants.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use crate::Problem;

/// Holds the lock files of an endpoint's GPUs. Processes of endpoints share them, so that one can take over from another;
/// runs take them for themselves alone.
#[derive(Debug, Default)]
pub(super) struct Holds(#[expect(dead_code, reason = "kept open: closing a file gives it back")] Vec<File>);

impl Holds {
    pub(super) fn take(paths: &[PathBuf]) -> Result<Self, Problem> {
        let mut held = Vec::new();
        for path in paths {
            let open = || OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let folder = || path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let file = open()
                .or_else(|_| folder().and_then(|()| open()))
                .map_err(|error| Problem::io("MLP0788", "reserve", path, &error).at("accelerator"))?;
            if file.try_lock_shared().is_err() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Err(Problem::new("MLP0788", format!("{name} is in use by a run"))
                    .help("it is tried again until the run has ended")
                    .at("accelerator"));
            }
            held.push(file);
        }
        Ok(Self(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_share_what_a_run_has_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("gpu/gpu-0")];
        let (one, other) = (Holds::take(&paths).unwrap(), Holds::take(&paths).unwrap());
        let run = File::open(&paths[0]).unwrap();
        assert!(run.try_lock().is_err());
        drop((one, other));
        run.lock().unwrap();
        let problem = Holds::take(&paths).unwrap_err();
        assert!(problem.code == "MLP0788" && problem.message.contains("gpu-0"), "{problem}");
    }
}
