//! What this machine has for steps to reserve.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::spec::Capacity;

/// Cores, memory and GPUs of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor cores that this process may use.
    pub cores: u64,
    /// Bytes of memory, or of the share of it that this process may use.
    pub memory: u64,
    /// What each GPU is called, by its number.
    pub gpus: Vec<String>,
}

impl Machine {
    /// The machine this process runs on.
    #[must_use]
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let total = read_memory(Path::new("/proc/meminfo"));
        let share = read_number(Path::new("/sys/fs/cgroup/memory.max"));
        let memory = match (total, share) {
            (Some(total), Some(share)) => total.min(share),
            (total, share) => total.or(share).unwrap_or(u64::MAX),
        };
        let gpus = read_gpus(Path::new("/proc/driver/nvidia/gpus"));
        Self { cores: cores as u64, memory, gpus }
    }

    /// What steps may reserve together. As many run at the same time as there are cores.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
        let cpu = Some(self.cores as f64);
        let parallelism = usize::try_from(self.cores).unwrap_or(1).max(1);
        let gpus = u32::try_from(self.gpus.len()).unwrap_or(u32::MAX);
        Capacity { parallelism, cpu, memory: Some(self.memory), gpus }
    }

    /// The numbers of the GPUs that are called one of these names (`H100` is in `NVIDIA H100 80GB HBM3`).
    #[must_use]
    pub fn gpus_called(&self, names: &[&str]) -> Vec<u32> {
        let is_one = |gpu: &str| names.iter().any(|name| gpu.to_lowercase().contains(&name.to_lowercase()));
        (0_u32..).zip(&self.gpus).filter(|(_, gpu)| is_one(gpu)).map(|(number, _)| number).collect()
    }
}

fn read_memory(path: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn read_number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The driver lists a directory for each GPU, named by its place on the bus, in the order of their numbers.
fn read_gpus(folder: &Path) -> Vec<String> {
    let mut places: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    places.sort();
    let model = |place: &std::path::PathBuf| {
        let text = std::fs::read_to_string(place.join("information")).unwrap_or_default();
        let name = text.lines().find_map(|line| line.strip_prefix("Model:")).unwrap_or("GPU");
        name.trim().to_string()
    };
    places.iter().map(model).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_memory() {
        let machine = Machine::here();
        assert!(machine.cores >= 1 && machine.memory > 1 << 20, "{machine:?}");
        assert!(machine.capacity().cpu.unwrap() >= 1.0);
    }

    #[test]
    fn gpus_are_those_the_driver_lists() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_gpus(dir.path()).is_empty());
        for (place, model) in [("0000:0b:00.0", "NVIDIA L4"), ("0000:0a:00.0", "NVIDIA H100 80GB HBM3")] {
            std::fs::create_dir(dir.path().join(place)).unwrap();
            std::fs::write(
                dir.path().join(place).join("information"),
                format!("Model: \t\t {model}\nIRQ: 1\n"),
            )
            .unwrap();
        }
        let machine = Machine { cores: 1, memory: 1, gpus: read_gpus(dir.path()) };
        assert_eq!(machine.gpus, ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]);
        assert_eq!(machine.gpus_called(&["h100"]), [0]);
        assert_eq!(machine.gpus_called(&["L4", "H100"]), [0, 1]);
        assert_eq!(machine.capacity().gpus, 2);
    }
}
