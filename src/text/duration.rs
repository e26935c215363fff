//! Lengths of time.

use std::time::Duration;

/// Words a length of time in its two largest units: `830ms`, `12s`, `1m 05s`, `2h 03m`, `3d 04h`.
///
/// It rounds down, so that a deadline never reads as reached before it is.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{}ms", length.subsec_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_largest_units() {
        let worded = |millis| duration(Duration::from_millis(millis));
        assert_eq!(worded(0), "0ms");
        assert_eq!(worded(830), "830ms");
        assert_eq!(worded(1_999), "1s");
        assert_eq!(worded(65_000), "1m 05s");
        assert_eq!(worded(7_380_000), "2h 03m");
        assert_eq!(worded(86_400_000 * 3 + 3_600_000 * 4), "3d 04h");
        assert!(duration(Duration::MAX).ends_with('h'));
    }
}
