//! The processor's name and the memory of this box, as the kernel tells them.

use std::fs;

/// Name of a processor that the kernel does not name.
const CPU_UNKNOWN: &str = "unknown processor";

/// The processor's model name, such as `AMD EPYC 7763 64-Core Processor`.
pub fn cpu_name() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .map_or_else(|_| CPU_UNKNOWN.into(), |text| cpu_name_of(&text))
}

/// All memory in MiB; `None` when the kernel does not say.
pub fn memory_mib() -> Option<u32> {
    meminfo_mib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
}

/// Memory in MiB that can still be used; `None` when the kernel does not say.
pub fn memory_available_mib() -> Option<u32> {
    meminfo_mib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// Memory in MiB that this process occupies; `None` when the kernel does not say.
pub fn memory_of_process_mib() -> Option<u32> {
    meminfo_mib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// The box's name, as the kernel has it.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unnamed".into(),
        name => name.into(),
    }
}

/// Logical processors that this process may use, at least 1.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn cpu_name_of(cpuinfo: &str) -> String {
    // x86 says `model name`; many ARM kernels say `Model` or nothing.
    let value = |key: &str| {
        let line = cpuinfo
            .lines()
            .find(|line| line.split(':').next().is_some_and(|k| k.trim() == key))?;
        let value = line.split_once(':')?.1.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    value("model name")
        .or_else(|| value("Model"))
        .unwrap_or_else(|| CPU_UNKNOWN.into())
}

fn meminfo_mib(text: &str, key: &str) -> Option<u32> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    u32::try_from(kib / 1024).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763\nflags : x\n";
        assert_eq!(cpu_name_of(x86), "AMD EPYC 7763");
        assert_eq!(cpu_name_of("Model\t\t: Raspberry Pi 5\n"), "Raspberry Pi 5");
        assert_eq!(cpu_name_of("model name\t:\n"), CPU_UNKNOWN);
        assert_eq!(
            meminfo_mib("MemTotal:        8388608 kB\n", "MemTotal"),
            Some(8192)
        );
        assert_eq!(meminfo_mib("MemTotal: x kB\n", "MemTotal"), None);
        assert_eq!(meminfo_mib("", "MemTotal"), None);
        assert!(memory_mib().is_some_and(|mib| mib > 0));
        assert!(memory_of_process_mib().is_some_and(|mib| mib > 0));
        assert!(processors() > 0);
        assert!(!host_name().is_empty());
    }
}
