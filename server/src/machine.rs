//! How much memory the server may take unless it is told.
#![expect(clippy::disallowed_methods, reason = "the system tells it in files")]

use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// The least that is taken, however small the machine.
const MEMORY_MIN: u64 = 256 * MIB;

/// A quarter of the machine's memory, or half of what its container may use if that is less; at
/// least 256 MiB. `None` if the system does not tell.
pub(crate) fn memory_budget() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_dirs(&groups).into_iter().filter_map(|dir| {
        let limit = std::fs::read_to_string(dir.join("memory.max")).ok()?;
        // `max` is no limit.
        limit.trim().parse::<u64>().ok()
    });
    budget(machine, limits.min())
}

fn budget(machine: Option<u64>, container: Option<u64>) -> Option<usize> {
    let quarter = machine.map(|bytes| bytes / 4);
    let half = container.map(|bytes| bytes / 2);
    let bytes = [quarter, half].into_iter().flatten().min()?;
    usize::try_from(bytes.max(MEMORY_MIN) / MIB * MIB).ok()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// The directories of the process's group and of those that it is in (cgroup v2).
fn group_dirs(groups: &str) -> Vec<PathBuf> {
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let root = Path::new("/sys/fs/cgroup");
    // A name with `..` leads out of the container's view; what is inside is still right.
    let inside =
        Path::new(group).components().filter(|c| matches!(c, std::path::Component::Normal(_)));
    let dir = inside.fold(root.to_owned(), |dir, part| dir.join(part));
    dir.ancestors().take_while(|dir| dir.starts_with(root)).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_machine_and_container_counts() {
        let gib = 1 << 30;
        assert_eq!(budget(Some(8 * gib), None), Some(2 << 30));
        assert_eq!(budget(Some(8 * gib), Some(gib)), Some(512 << 20));
        assert_eq!(budget(Some(8 * gib), Some(6 * gib)), Some(2 << 30));
        assert_eq!(budget(Some(gib / 2), None), Some(256 << 20));
        assert_eq!(budget(None, None), None);
    }

    #[test]
    fn what_the_system_tells_is_understood() {
        assert_eq!(total("MemTotal:       24684284 kB\nMemFree: 1 kB\n"), Some(24_684_284 << 10));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        let dirs = group_dirs("12:cpu:/old\n0::/kube/pod\n");
        let expected = ["/sys/fs/cgroup/kube/pod", "/sys/fs/cgroup/kube", "/sys/fs/cgroup"];
        assert_eq!(dirs, expected.map(PathBuf::from));
        assert_eq!(group_dirs("0::/../x\n")[0], PathBuf::from("/sys/fs/cgroup/x"));
        assert!(group_dirs("").is_empty());
    }
}
