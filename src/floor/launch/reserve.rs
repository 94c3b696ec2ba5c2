//! What steps reserve: within one run by counting, GPUs between runs by a lock file each.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::spec::{Capacity, StepSpec};

/// A GPU that a step has to itself.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) number: u32,
    /// Held as long as the step runs; the system gives it up when this process dies.
    _lock: Option<File>,
}

/// What is not in use.
pub(crate) struct Free {
    slots: usize,
    cpu: Option<f64>,
    memory: Option<u64>,
    gpus: BTreeSet<u32>,
    /// Where the lock files are.
    root: Option<PathBuf>,
    refused: bool,
}

impl Free {
    pub(crate) fn new(capacity: Capacity, root: Option<PathBuf>) -> Self {
        Self {
            slots: capacity.parallelism.max(1),
            cpu: capacity.cpu,
            memory: capacity.memory,
            gpus: (0..capacity.gpus).collect(),
            root,
            refused: false,
        }
    }

    /// Forgets that somebody outside of this run held something.
    pub(crate) fn ask_anew(&mut self) {
        self.refused = false;
    }

    /// Whether a step could have started if nobody outside of this run held a GPU.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.refused
    }

    /// Whether there is a place for a step at all.
    pub(crate) fn has_room(&self) -> bool {
        self.slots > 0
    }

    /// Takes what the step asks for, if all of it is there.
    pub(crate) fn take(&mut self, step: &StepSpec) -> Option<Vec<Gpu>> {
        let fits = self.slots > 0
            && self.cpu.is_none_or(|free| step.cpu.unwrap_or(0.0) <= free + 1e-9)
            && self.memory.is_none_or(|free| step.memory.unwrap_or(0) <= free);
        if !fits {
            return None;
        }
        let gpus = self.take_gpus(step)?;
        self.slots -= 1;
        self.cpu = self.cpu.map(|free| free - step.cpu.unwrap_or(0.0));
        self.memory = self.memory.map(|free| free - step.memory.unwrap_or(0));
        Some(gpus)
    }

    fn take_gpus(&mut self, step: &StepSpec) -> Option<Vec<Gpu>> {
        let wanted = step.gpus as usize;
        let may = |number: &&u32| step.gpu_slots.is_empty() || step.gpu_slots.contains(number);
        let free: Vec<u32> = self.gpus.iter().filter(may).copied().collect();
        if free.len() < wanted {
            return None;
        }
        let mut taken = Vec::new();
        for number in free {
            if taken.len() == wanted {
                break;
            }
            taken.extend(hold(self.root.as_deref(), number));
        }
        if taken.len() < wanted {
            self.refused = true;
            return None;
        }
        taken.iter().for_each(|gpu| _ = self.gpus.remove(&gpu.number));
        Some(taken)
    }

    /// Gives back what a step had; its locks end when it is dropped.
    pub(crate) fn give_back(&mut self, step: &StepSpec, gpus: &[Gpu]) {
        self.slots += 1;
        self.cpu = self.cpu.map(|free| free + step.cpu.unwrap_or(0.0));
        self.memory = self.memory.map(|free| free + step.memory.unwrap_or(0));
        self.gpus.extend(gpus.iter().map(|gpu| gpu.number));
    }
}

/// The GPU, unless somebody outside of this run holds it.
fn hold(root: Option<&Path>, number: u32) -> Option<Gpu> {
    let Some(root) = root else { return Some(Gpu { number, _lock: None }) };
    let path = root.join(format!("gpu-{number}"));
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = open().or_else(|_| std::fs::create_dir_all(root).and_then(|()| open())).ok()?;
    file.try_lock().ok()?;
    Some(Gpu { number, _lock: Some(file) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_held_by_one_run_of_the_machine_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let capacity = Capacity { parallelism: 4, cpu: Some(2.0), memory: None, gpus: 2 };
        let mut one = Free::new(capacity, Some(dir.path().to_path_buf()));
        let mut other = Free::new(capacity, Some(dir.path().to_path_buf()));
        let mut step = crate::launch::tests::step("fit", "true");
        step.gpus = 1;
        step.gpu_slots = vec![1];
        step.cpu = Some(2.0);
        let held = one.take(&step).unwrap();
        assert_eq!(held[0].number, 1);
        assert!(one.take(&step).is_none() && !one.waits_for_others(), "this run has no cores left itself");
        assert!(other.take(&step).is_none() && other.waits_for_others());
        one.give_back(&step, &held);
        drop(held);
        other.ask_anew();
        assert!(other.take(&step).is_some() && !other.waits_for_others());
    }
}
