//! How much memory a process had at its most, and what a process and all its children have now.

use std::{collections::HashMap, fs};

/// The peak resident size of a process in MiB, as the kernel keeps it. `None` when the process is gone, or where there
/// is no `/proc`. It only grows: the last value read before a process ends is its peak.
pub fn peak_rss_mib(pid: u32) -> Option<f64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The memory of a process and all its descendants now, in MiB. A page that several of them share counts once (the
/// kernel's proportional set size). Processes that end meanwhile count nothing; 0 where there is no `/proc`.
pub fn tree_pss_mib(root: u32) -> f64 {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(parent) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parent)
        else {
            continue;
        };
        children.entry(parent).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).into_iter().flatten());
        next += 1;
    }
    let pss = |pid: &u32| member(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:");
    found.iter().filter_map(pss).sum()
}

fn parse(status: &str) -> Option<f64> {
    member(status, "VmHWM:")
}

/// A line such as `VmHWM:  2048 kB`, in MiB.
fn member(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// The parent in `/proc/<pid>/stat`: the second field after the program's name, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_mebibytes() {
        assert_eq!(parse("Name:\tx\nVmPeak:\t  9999 kB\nVmHWM:\t    2048 kB\n"), Some(2.0));
        assert_eq!(parse("Name:\tx\n"), None);
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (a ) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_counts_with_its_parent() {
        let before = tree_pss_mib(std::process::id());
        assert!(before > 0.5);
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        assert!(tree_pss_mib(child.id()) > 0.0);
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_peak() {
        assert!(peak_rss_mib(std::process::id()).is_some_and(|mib| mib > 0.5));
    }
}
