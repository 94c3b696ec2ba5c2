//! What the figures were found on.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::Lab;

/// The version of `terraform`, where it is installed.
pub fn terraform() -> Option<String> {
    let output = Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim_start_matches("Terraform v").to_owned())
}

/// How busy the machine is: the load of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The machine, the tools, and how busy it was.
pub fn described(lab: &Lab, before: &str) -> Value {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let kilobytes = total.and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
    let said = |program: &std::path::Path, word: &str| {
        let output = Command::new(program).arg(word).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    };
    json!({
        "processor": model.unwrap_or("unknown"),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory_bytes": kilobytes * 1024,
        "load_before": before,
        "load_after": load(),
        "program": said(&lab.mlp, "--version"),
        "terraform": lab.terraform,
        "runs": lab.repeat,
        "limit_seconds": lab.limits.wall.as_secs(),
    })
}
