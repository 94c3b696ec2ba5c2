//! Where measuring happens: projects that are made once and used by several rows, and the tools that are run on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::measure::{Fault, Limits, Measure, Order};
use crate::row::{Figure, Value};
use crate::spec::{Spec, Stage, replace, write, write_peer, write_peer_state};
use crate::specs::VALUES;

/// Projects kept at once; the oldest goes first, since the large ones fill a disk.
const KEPT: usize = 6;

/// The projects, the program that is measured, and its limits.
pub struct Lab {
    /// The program.
    pub mlp: PathBuf,
    /// The program with every feature, where it is built.
    pub full: Option<PathBuf>,
    /// Beyond these a command is ended.
    pub limits: Limits,
    /// How often a command is run; the median counts.
    pub repeat: usize,
    /// The version of `terraform`, where it is to be measured too.
    pub terraform: Option<String>,
    applied: BTreeMap<(&'static str, usize), TempDir>,
    order: Vec<(&'static str, usize)>,
}

/// The arguments of each stage.
fn words(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::Validate => &["validate"],
        Stage::Format => &["fmt", "--check"],
        Stage::Plan | Stage::Again | Stage::Change => &["plan", "-e", "local"],
        Stage::Apply => &["apply", "-e", "local", "--auto-approve"],
        Stage::Destroy => &["destroy", "-e", "local", "--auto-approve"],
    }
}

fn peer_words(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::Validate => &["validate"],
        Stage::Format => &["fmt", "-check", "-recursive"],
        Stage::Plan | Stage::Again | Stage::Change => &["plan"],
        Stage::Apply => &["apply", "-auto-approve"],
        Stage::Destroy => &["destroy", "-auto-approve"],
    }
}

impl Lab {
    /// An empty one.
    pub fn new(mlp: PathBuf, limits: Limits, repeat: usize, terraform: Option<String>) -> Self {
        Self { mlp, full: None, limits, repeat, terraform, applied: BTreeMap::new(), order: Vec::new() }
    }

    /// Runs the program in a directory.
    pub fn run(&self, arguments: &[&str], directory: &Path) -> Result<Measure, Fault> {
        Order::new(&self.mlp, arguments, directory, self.limits).run()
    }

    /// Runs it as often as asked; the median of wall time counts.
    pub fn median(&self, mut once: impl FnMut() -> Result<Measure, Fault>) -> Result<Measure, Fault> {
        let first = once()?;
        // What takes long varies little.
        let times = if first.wall.as_secs() >= 20 { 1 } else { self.repeat.max(1) };
        let mut all = vec![first];
        for _ in 1..times {
            all.push(once()?);
        }
        all.sort_by_key(|run| run.wall);
        Ok(all[all.len() / 2])
    }

    /// How long a saved plan of so many changes takes to be read and drawn.
    pub fn drawn(&mut self, format: &str, size: usize) -> Result<Vec<Figure>, Fault> {
        let project = self.fresh(&VALUES, size)?;
        self.run(&["plan", "-e", "local", "--out", "plan"], project.path())?;
        let taken = self.median(|| self.run(&["show", "plan", "--format", format], project.path()))?;
        Ok(vec![Figure::mlp(size, Value::Run(taken))])
    }

    /// A project that nothing was done with.
    pub fn fresh(&self, spec: &Spec, size: usize) -> Result<TempDir, Fault> {
        let project = tempfile::tempdir()?;
        write(spec, project.path(), size)?;
        Ok(project)
    }

    /// A project that was applied. It is kept: who changes it, puts it back.
    pub fn applied(&mut self, spec: &'static Spec, size: usize) -> Result<&Path, Fault> {
        if !self.applied.contains_key(&(spec.name, size)) {
            let project = self.fresh(spec, size)?;
            // What only leads up to what is measured may take longer.
            let limits = Limits { wall: self.limits.wall * 5, ..self.limits };
            Order::new(&self.mlp, words(Stage::Apply), project.path(), limits).run()?;
            self.keep(spec, size, project);
        }
        let missing = || Fault::Failed("a project that was kept is gone".to_owned());
        self.applied.get(&(spec.name, size)).map(TempDir::path).ok_or_else(missing)
    }

    fn keep(&mut self, spec: &'static Spec, size: usize, project: TempDir) {
        let key = (spec.name, size);
        if self.applied.insert(key, project).is_none() {
            self.order.push(key);
        }
        if self.order.len() > KEPT {
            let oldest = self.order.remove(0);
            self.applied.remove(&oldest);
        }
    }

    /// Measures a stage of a specification.
    pub fn stage(&mut self, spec: &'static Spec, stage: Stage, size: usize) -> Result<Measure, Fault> {
        match stage {
            Stage::Validate | Stage::Format | Stage::Plan => {
                let project = self.fresh(spec, size)?;
                self.median(|| self.run(words(stage), project.path()))
            }
            Stage::Apply => {
                let mut last = None;
                let measure = self.median(|| {
                    let project = self.fresh(spec, size)?;
                    let measure = self.run(words(stage), project.path());
                    last = Some(project);
                    measure
                })?;
                last.into_iter().for_each(|project| self.keep(spec, size, project));
                Ok(measure)
            }
            Stage::Again => {
                let project = self.applied(spec, size)?.to_owned();
                self.median(|| self.run(words(stage), &project))
            }
            Stage::Change => {
                let project = self.applied(spec, size)?.to_owned();
                let (old, new) = spec.edit;
                replace(&project, old, new)?;
                let measure = self.median(|| self.run(words(stage), &project));
                replace(&project, new, old)?;
                measure
            }
            Stage::Destroy => {
                let project = self.applied(spec, size)?.to_owned();
                self.median(|| {
                    let copy = copy(&project)?;
                    self.run(words(stage), copy.path())
                })
            }
        }
    }

    /// The same with `terraform`, once.
    pub fn peer(&self, spec: &Spec, stage: Stage, size: usize) -> Result<Option<Measure>, Fault> {
        let (Some(peer), Some(version)) = (&spec.terraform, &self.terraform) else { return Ok(None) };
        let program = Path::new("terraform");
        let project = tempfile::tempdir()?;
        let run = |words: &[&str]| Order::new(program, words, project.path(), self.limits).run();
        write_peer(peer, project.path(), size)?;
        run(&["init", "-no-color"])?;
        if matches!(stage, Stage::Again | Stage::Change | Stage::Destroy)
            && !write_peer_state(peer, project.path(), size, version)?
        {
            run(peer_words(Stage::Apply))?;
        }
        if stage == Stage::Change {
            replace(project.path(), spec.edit.0, spec.edit.1)?;
        }
        run(peer_words(stage)).map(Some)
    }
}

/// A copy of a project.
pub fn copy(project: &Path) -> Result<TempDir, Fault> {
    let to = tempfile::tempdir()?;
    let status = Command::new("cp").arg("-a").arg(project.join(".")).arg(to.path()).status()?;
    if status.success() { Ok(to) } else { Err(Fault::Failed(format!("`cp` ended with {status}"))) }
}

/// The bytes below a directory, of the files whose path is wanted.
pub fn bytes_below(directory: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<u64, Fault> {
    let mut total = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            total += bytes_below(&path, wanted)?;
        } else if wanted(&path) {
            total += entry.metadata()?.len();
        }
    }
    Ok(total)
}
