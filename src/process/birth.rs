//! Which process an id stands for, beyond the life of that process: ids are given again, start times are not.

use super::census::Being;

/// When a living process was started, in the kernel's own unit since the machine was; `None` when there is no such
/// process any more, and always where there is no `/proc`.
pub fn birth(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let being = Being::parse(pid.cast_signed(), &stat)?;
    being.alive.then_some(being.start)
}

/// A word for the space in which process ids mean what they mean here: this boot of this machine, and the container.
///
/// Two processes with different words cannot look for each other. Empty where the system does not say.
pub fn world() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let space = std::fs::read_link("/proc/self/ns/pid").ok();
    let space = space.as_deref().and_then(std::path::Path::to_str).unwrap_or_default();
    let space: String = space.chars().filter(char::is_ascii_digit).collect();
    if boot.is_empty() && space.is_empty() { String::new() } else { format!("{boot}.{space}") }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_birth_and_a_place() {
        let me = std::process::id();
        assert_eq!(birth(me), birth(me));
        assert!(birth(me).is_some());
        assert_eq!(birth(u32::MAX), None);
        assert_eq!(world(), world());
        assert!(!world().is_empty());
    }
}
