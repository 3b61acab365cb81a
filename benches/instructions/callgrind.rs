//! One workload under callgrind.

use crate::Result;
use crate::stores::Stores;
use crate::workloads::{Counted, Workload};
use std::path::Path;
use std::process::{Command, Stdio};

/// The instructions that a workload takes; `folder` is made for what its process needs.
///
/// # Errors
/// Valgrind is missing, the workload fails, or there is no count.
pub(crate) fn count(workload: &Workload, stores: &Stores, folder: &Path) -> Result<u64> {
    std::fs::create_dir_all(folder)?;
    let (output, store) = (folder.join("callgrind.out"), folder.join("store"));
    stores.copy(workload.store, &store)?;
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", output.display()));
    if workload.counted == Counted::Marked {
        command.arg("--toggle-collect=*counted_by_callgrind*");
    }
    command.arg(std::env::current_exe()?).args(["--run", workload.name, "--store"]).arg(&store);
    // The environment lies on the stack: its size would move what is counted, and valgrind reads options there.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let run = command.current_dir(folder).stdin(Stdio::null()).output();
    let run = run.map_err(|error| format!("valgrind: {error}; it is a package of that name"))?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(format!("{}: {}\n{said}", workload.name, run.status).into());
    }
    let count = total(&std::fs::read_to_string(&output)?)
        .ok_or_else(|| format!("{}: callgrind counted nothing", workload.name))?;
    std::fs::remove_dir_all(folder)?;
    Ok(count)
}

/// The sum of all costs in a profile of callgrind, unless it is 0.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok().filter(|total| *total > 0)
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_of_a_profile_is_its_last_line() {
        let profile = "version: 1\nevents: Ir\nsummary: 7\n\nfn=(1) main\n16 42\n\ntotals: 42\n";
        assert_eq!(total(profile), Some(42));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }
}
