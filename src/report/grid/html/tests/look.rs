//! The colours: words can be read on what is behind them, in light and in dark.

use std::collections::BTreeMap;

use super::super::STYLE;

/// The colours that a block of the style sheet names.
fn palette(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let mut colours = BTreeMap::new();
    for declaration in block.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let (Some(name), Some(hex)) = (name.trim().strip_prefix("--"), value.trim().strip_prefix('#')) else {
            continue;
        };
        let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        colours.insert(name, [part(0), part(2), part(4)]);
    }
    colours
}

/// Light, dark by the system, dark by the switch.
fn palettes() -> [BTreeMap<&'static str, [f64; 3]>; 3] {
    [":root {\n  --paper", ":root:not([data-theme=\"light\"]) {", ":root[data-theme=\"dark\"] {\n"].map(
        |start| {
            let at = STYLE.find(start).unwrap();
            palette(STYLE[at..].split_once('{').unwrap().1.split_once('}').unwrap().0)
        },
    )
}

/// WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of the relative luminances.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour
            .map(|part| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_as_its_definition_says() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([0.5; 3], [0.5; 3]) - 1.0).abs() < 1e-9);
}

#[test]
fn words_can_be_read_in_light_and_in_dark() {
    for colours in palettes() {
        for word in ["ink", "soft", "pass", "fail", "open", "none", "a0", "a1", "a2", "a3", "a4", "a5", "a6"]
        {
            for behind in ["paper", "raised"] {
                let seen = contrast(colours[word], colours[behind]);
                assert!(seen >= 4.5, "{word} on {behind}: {seen:.2}");
            }
        }
        for mark in ["better", "worse", "same"] {
            let seen = contrast(colours[mark], colours["paper"]);
            assert!(seen >= 3.0, "{mark}: {seen:.2}");
        }
    }
}

#[test]
fn dark_is_the_same_by_the_system_and_by_the_switch() {
    let [light, by_system, by_switch] = palettes();
    assert_eq!(by_system, by_switch);
    assert_eq!(light.keys().collect::<Vec<_>>(), by_switch.keys().collect::<Vec<_>>());
}
