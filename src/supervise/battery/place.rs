//! Whether provost can write where it wants to.

use std::io::Write as _;
use std::path::Path;

use super::Finding;

const CHECK: &str = "root_writable";

/// Writes a file there and takes it away again; where the directory is not there yet, in the nearest one that is.
///
/// What is wrong is the environment's: a disk that is full, or mounted read-only for want of a repair, may mend.
pub(super) fn writable(place: &Path) -> Finding {
    let found = place.ancestors().find(|dir| dir.symlink_metadata().is_ok());
    let Some(dir) = found else {
        return Finding::passing(CHECK, format!("{} is nowhere", place.display()), "give an absolute path");
    };
    let tried = tempfile::Builder::new().prefix(".provost-writes-").tempfile_in(dir).and_then(|mut file| {
        file.write_all(b"provost can write here\n")?;
        file.as_file().sync_all()?;
        file.close()
    });
    match tried {
        Ok(()) => Finding::well(CHECK, format!("{} can be written to", place.display())),
        Err(error) => Finding::passing(
            CHECK,
            format!("{} cannot be written to: {error}", place.display()),
            "make room or give the rights, or choose another place with `--root DIR`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_really_written_to_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("not/there/yet");
        assert!(writable(dir.path()).ok && writable(&place).ok);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        let file = dir.path().join("file");
        crate::file::write_atomic(&file, b"").unwrap();
        let finding = writable(&file.join("below"));
        assert!(!finding.ok && !finding.permanent, "{finding:?}");
        assert!(finding.message.contains("cannot be written to"));
    }

    /// Scar: minutes without space counted as crashes; a full disk is the environment's.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_takes_no_files_is_environmental() {
        // It takes none of anybody, the super-user included.
        let finding = writable(Path::new("/proc/self"));
        assert!(!finding.ok && !finding.permanent && !finding.remedy.is_empty(), "{finding:?}");
    }
}
