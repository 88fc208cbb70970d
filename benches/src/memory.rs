//! How much memory a process had at its most.

use std::fs;

/// The peak resident size of a process in MiB, as the kernel keeps it. `None` when the process is gone, or where there
/// is no `/proc`. It only grows: the last value read before a process ends is its peak.
pub fn peak_rss_mib(pid: u32) -> Option<f64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
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
    #[cfg(target_os = "linux")]
    fn this_process_has_a_peak() {
        assert!(peak_rss_mib(std::process::id()).is_some_and(|mib| mib > 0.5));
    }
}
