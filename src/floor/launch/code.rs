//! Snapshots of code: what a step runs is a copy by digest, never the directory somebody is editing.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ignore::IgnoreRules;
use super::report::write_json;
use crate::Problem;
use crate::digest::{combine, digest_tree, hash_file, is_executable, sort_paths};

/// Above this a code directory is certainly more than code.
const LARGEST: u64 = 512 << 20;

/// The code of a directory at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSnapshot {
    /// The digest of the tree.
    pub digest: String,
    /// The digest of each file by relative path.
    pub files: BTreeMap<String, String>,
}

/// Reads the code of `dir` without keeping it: what a plan needs.
pub fn scan_code(project_root: &Path, dir: &Path) -> Result<CodeSnapshot, Problem> {
    Ok(scan(project_root, dir)?.0)
}

/// Keeps the code of `dir` as `<snapshot_root>/<digest>`, unless it is there already.
pub fn snapshot_code(project_root: &Path, dir: &Path, snapshot_root: &Path) -> Result<CodeSnapshot, Problem> {
    let (seen, files) = scan(project_root, dir)?;
    let target = snapshot_root.join(&seen.digest);
    if target.is_dir() && digest_tree(&target).is_ok_and(|digest| digest == seen.digest) {
        return Ok(seen);
    }
    let failed = |error: std::io::Error| Problem::io("MLP0763", "keep a snapshot in", snapshot_root, &error);
    std::fs::create_dir_all(snapshot_root).map_err(failed)?;
    let temporary = snapshot_root.join(unique_name());
    let copied = copy_files(dir, &files, &temporary).and_then(|()| digest_tree(&temporary));
    match copied {
        Ok(digest) if digest == seen.digest => {}
        Ok(_) => {
            remove_tree(&temporary);
            let message = format!("the code in `{}` changed while it was read", dir.display());
            return Err(Problem::new("MLP0762", message).help("run it again when the files are at rest"));
        }
        Err(error) => {
            remove_tree(&temporary);
            return Err(failed(error));
        }
    }
    write_json(&snapshot_root.join(format!("{}.json", seen.digest)), &seen)?;
    settle(&temporary, &target, &seen.digest).map_err(failed)?;
    Ok(seen)
}

/// Gives a finished snapshot its name. One that is there and whole stays: whoever made it may be reading it.
fn settle(finished: &Path, target: &Path, digest: &str) -> std::io::Result<()> {
    // A directory takes the place of an empty one or of none.
    if std::fs::rename(finished, target).is_ok() {
        return Ok(());
    }
    if digest_tree(target).is_ok_and(|there| there == digest) {
        remove_tree(finished);
        return Ok(());
    }
    replace_tree(finished, target)
}

/// The file list of a kept snapshot.
pub fn load_snapshot(snapshot_root: &Path, digest: &str) -> Result<CodeSnapshot, Problem> {
    let path = snapshot_root.join(format!("{digest}.json"));
    let text = std::fs::read(&path).map_err(|error| {
        Problem::io("MLP0771", "read the code snapshot", &path, &error)
            .help("take the snapshot again from the code it was made of")
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Problem::new("MLP0771", format!("`{}` is not a code snapshot: {error}", path.display()))
    })
}

/// Copies a kept snapshot to `target`, writable, and checks that it is what its name says.
pub fn check_out(snapshot_root: &Path, digest: &str, target: &Path) -> Result<(), Problem> {
    let source = snapshot_root.join(digest);
    let copied = copy_tree(&source, target, 0o200).and_then(|()| digest_tree(target));
    let problem = match copied {
        Ok(found) if found == digest => return Ok(()),
        Ok(_) => Problem::new("MLP0771", format!("the code snapshot `{}` was changed", source.display())),
        Err(error) => Problem::io("MLP0771", "copy the code snapshot", &source, &error),
    };
    Err(problem.help("remove it; it is taken again from the code directory"))
}

fn scan(project_root: &Path, dir: &Path) -> Result<(CodeSnapshot, Vec<PathBuf>), Problem> {
    let rules = IgnoreRules::load(project_root, dir)?;
    let files = code_files(dir, &rules)?;
    let mut hashes = Vec::new();
    let mut listed = BTreeMap::new();
    for relative in &files {
        let path = dir.join(relative);
        let failed = |error: std::io::Error| Problem::io("MLP0762", "read the code file", &path, &error);
        let hash = hash_file(&path).map_err(failed)?;
        listed.insert(relative.to_string_lossy().into_owned(), hash.to_hex().to_string());
        hashes.push((relative.as_path(), is_executable(&path).map_err(failed)?, hash));
    }
    let digest = combine(hashes.iter().map(|(path, executable, hash)| (*path, *executable, hash)));
    Ok((CodeSnapshot { digest, files: listed }, files))
}

fn code_files(dir: &Path, rules: &IgnoreRules) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let place = dir.join(&relative);
        let failed =
            |error: std::io::Error| Problem::io("MLP0762", "read the code directory", &place, &error);
        for entry in std::fs::read_dir(&place).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if rules.is_ignored(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                pending.push(relative.join(entry.file_name()));
            } else if kind.is_file() || (kind.is_symlink() && is_link_within(dir, &path)?) {
                bytes += std::fs::metadata(&path).map_err(failed)?.len();
                found.push(relative.join(entry.file_name()));
            }
            if bytes > LARGEST {
                let message = format!("the code in `{}` is larger than 512 MiB", dir.display());
                return Err(Problem::new("MLP0762", message)
                    .note(format!("`{}` is among its files", path.display()))
                    .help(
                        "name what is not code in `.mlpignore`, or give the step its own `code` directory",
                    ));
            }
        }
    }
    sort_paths(&mut found);
    Ok(found)
}

/// Whether a link shows a file of the directory. Anything else it may show cannot be part of a snapshot.
fn is_link_within(dir: &Path, link: &Path) -> Result<bool, Problem> {
    let target = link.canonicalize().ok();
    let root = dir.canonicalize().ok();
    match (target, root) {
        (Some(target), Some(root)) if target.starts_with(&root) && target.is_file() => Ok(true),
        _ => {
            let message = format!("`{}` links to something that is not a file of the code", link.display());
            Err(Problem::new("MLP0762", message)
                .help("replace the link by a copy, or name it in `.mlpignore`"))
        }
    }
}

fn copy_files(from: &Path, files: &[PathBuf], to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    files.iter().try_for_each(|relative| copy_file(&from.join(relative), &to.join(relative), 0))
}

/// Copies a tree of files. They are readable, keep whether they are executable, and get `extra` mode bits.
pub(crate) fn copy_tree(from: &Path, to: &Path, extra: u32) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    let files = crate::digest::list_files(from)?;
    files.iter().try_for_each(|relative| copy_file(&from.join(relative), &to.join(relative), extra))
}

/// Copies a file or a tree of files.
pub(crate) fn copy_path(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() { copy_tree(from, to, 0) } else { copy_file(from, to, 0) }
}

fn copy_file(from: &Path, to: &Path, extra: u32) -> std::io::Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let executable = if is_executable(from)? { 0o111 } else { 0 };
    std::fs::copy(from, to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o444 | executable | extra))
}

/// Puts a finished tree in the place of whatever is there. Two who do the same at once both succeed.
pub(crate) fn replace_tree(finished: &Path, target: &Path) -> std::io::Result<()> {
    if target.exists() {
        let aside = target.with_file_name(unique_name());
        if std::fs::rename(target, &aside).is_ok() {
            remove_tree(&aside);
        }
    }
    match std::fs::rename(finished, target) {
        Err(_) if target.is_dir() => {
            remove_tree(finished);
            Ok(())
        }
        other => other,
    }
}

/// Removes a tree that nobody needs; what cannot be removed does no harm.
pub(crate) fn remove_tree(path: &Path) {
    let _ = std::fs::remove_dir_all(path);
}

/// A name for a temporary directory that no other process or thread uses.
pub(crate) fn unique_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(".tmp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_snapshot_is_never_taken_away_while_another_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let (code, snapshots) = (dir.path().join("code"), dir.path().join("snapshots"));
        std::fs::create_dir(&code).unwrap();
        (0..20).for_each(|n| std::fs::write(code.join(format!("{n}.py")), "x").unwrap());
        let make = || snapshot_code(dir.path(), &code, &snapshots).unwrap();
        for _ in 0..20 {
            let _ = std::fs::remove_dir_all(&snapshots);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let made = make();
                        assert!((0..200).all(|_| snapshots.join(&made.digest).is_dir()));
                    });
                }
            });
            assert_eq!(std::fs::read_dir(&snapshots).unwrap().count(), 2, "nothing half-made stays");
        }
    }

    fn project() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("src/__pycache__")).unwrap();
        std::fs::write(dir.path().join("src/fit.py"), "import helper").unwrap();
        std::fs::write(dir.path().join("src/helper.py"), "x = 1").unwrap();
        std::fs::write(dir.path().join("src/__pycache__/a.pyc"), "junk").unwrap();
        dir
    }

    #[test]
    fn a_snapshot_holds_the_code_and_changes_with_it() {
        let dir = project();
        let (code, store) = (dir.path().join("src"), dir.path().join("snapshots"));
        let first = snapshot_code(dir.path(), &code, &store).unwrap();
        assert_eq!(first.files.keys().collect::<Vec<_>>(), ["fit.py", "helper.py"]);
        assert_eq!(scan_code(dir.path(), &code).unwrap(), first);
        assert_eq!(load_snapshot(&store, &first.digest).unwrap(), first);
        std::fs::write(code.join("helper.py"), "x = 2").unwrap();
        let second = snapshot_code(dir.path(), &code, &store).unwrap();
        assert_ne!(first.digest, second.digest);
        let out = dir.path().join("out");
        check_out(&store, &first.digest, &out).unwrap();
        assert_eq!(std::fs::read_to_string(out.join("helper.py")).unwrap(), "x = 1");
        std::fs::write(out.join("helper.py"), "mine").unwrap();
    }

    #[test]
    fn a_damaged_snapshot_is_noticed_and_taken_again() {
        let dir = project();
        let (code, store) = (dir.path().join("src"), dir.path().join("snapshots"));
        let snapshot = snapshot_code(dir.path(), &code, &store).unwrap();
        let kept = store.join(&snapshot.digest).join("fit.py");
        std::fs::remove_file(&kept).unwrap();
        std::fs::write(&kept, "evil").unwrap();
        let problem = check_out(&store, &snapshot.digest, &dir.path().join("out")).unwrap_err();
        assert_eq!(problem.code, "MLP0771");
        snapshot_code(dir.path(), &code, &store).unwrap();
        check_out(&store, &snapshot.digest, &dir.path().join("out2")).unwrap();
    }

    #[test]
    fn a_link_out_of_the_code_is_refused() {
        let dir = project();
        let code = dir.path().join("src");
        std::os::unix::fs::symlink(code.join("fit.py"), code.join("alias.py")).unwrap();
        assert!(scan_code(dir.path(), &code).unwrap().files.contains_key("alias.py"));
        std::os::unix::fs::symlink("/etc/hostname", code.join("outside")).unwrap();
        assert!(scan_code(dir.path(), &code).unwrap_err().message.contains("outside"));
    }
}
