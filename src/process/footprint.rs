//! How much of our own program stays in memory while nothing happens.

use std::io;

/// Gives back the pages of our program's code and constants that are mapped now; those that are needed again come back from
/// the page cache by themselves, a fault each. A loop that sleeps for hours needs little of what its beginning needed.
///
/// Nothing is ever written to these pages, so nothing is lost. Elsewhere than on Linux nothing happens.
///
/// # Errors
///
/// When the system does not say what is mapped, or does not take the pages.
pub fn give_back_code() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let program = std::fs::read_link("/proc/self/exe")?;
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        for (start, end) in maps.lines().filter_map(|line| code(line, program.to_str()?)) {
            give_back(start, end)?;
        }
    }
    Ok(())
}

/// The addresses of a mapping of the program, if only the program's file is in it: its code, and the constants before that,
/// which begin where the file begins. Other read-only pages were written to once, when the program was loaded.
#[cfg(target_os = "linux")]
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
    let path = words.nth(2)?;
    let first = usize::from_str_radix(offset, 16).ok()? == 0;
    let unwritten = rights == "r-xp" || (rights == "r--p" && first);
    if path != program || words.next().is_some() || !unwritten {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(target_os = "linux")]
fn give_back(start: usize, end: usize) -> io::Result<()> {
    use nix::sys::mman::{MmapAdvise, madvise};
    let Some(address) = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(start)) else {
        return Ok(());
    };
    #[expect(
        unsafe_code,
        reason = "these pages hold what the file holds; whoever reads them next gets the same bytes"
    )]
    unsafe {
        madvise(address, end.saturating_sub(start), MmapAdvise::MADV_DONTNEED)?;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_to_is_given_back() {
        let rows = [
            ("5500-5600 r--p 00000000 08:01 12 /bin/provost", Some((0x5500, 0x5600))),
            ("5600-5700 r-xp 00001000 08:01 12 /bin/provost", Some((0x5600, 0x5700))),
            ("5700-5800 r--p 00002000 08:01 12 /bin/provost", None),
            ("5800-5900 rw-p 00003000 08:01 12 /bin/provost", None),
            ("5900-5a00 r-xp 00001000 08:01 13 /lib/libc.so.6", None),
            ("5900-5a00 r-xp 00000000 00:00 0 [vdso]", None),
            ("5600-5700 r-xp 00001000 08:01 12 /bin/provost (deleted)", None),
            ("5600-5700 r-xp", None),
            ("", None),
        ];
        for (line, wanted) in rows {
            assert_eq!(code(line, "/bin/provost"), wanted, "{line}");
        }
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        give_back_code().unwrap();
        let after = resident();
        assert!(after < before, "{after} kB of {before} kB");
        assert_eq!("still here".to_uppercase(), "STILL HERE");
    }
}
