//! Whatever others have written, the page is the one that we made: its own elements, its own script, no connection.

use base64::Engine as _;
use sha2::Digest as _;

use super::sample::{ATTACK, make};
use super::{ALL, html, wish};

const VOID: [&str; 6] = ["meta", "link", "br", "input", "col", "!doctype"];
const KNOWN: [&str; 55] = [
    "html",
    "head",
    "title",
    "style",
    "body",
    "main",
    "header",
    "section",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "ul",
    "li",
    "b",
    "code",
    "span",
    "small",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "colgroup",
    "figure",
    "figcaption",
    "svg",
    "line",
    "rect",
    "circle",
    "text",
    "button",
    "label",
    "select",
    "option",
    "output",
    "i",
    "pre",
    "noscript",
    "script",
    "meta",
    "link",
    "br",
    "input",
    "col",
    "!doctype",
    "thead",
    "tfoot",
];

/// Every tag of the page with its attributes, as a browser's tokenizer finds them.
fn tags(html: &str) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        // A `>` in quotes does not end a tag.
        let mut quote = None;
        let end = rest
            .char_indices()
            .find(|(_, c)| match (quote, *c) {
                (None, '>') => true,
                (None, '"' | '\'') => {
                    quote = Some(*c);
                    false
                }
                (Some(open), c) if open == c => {
                    quote = None;
                    false
                }
                _ => false,
            })
            .map(|(at, _)| at)
            .expect("a tag has an end");
        let (name, attributes) = rest[..end].split_once(' ').unwrap_or((&rest[..end], ""));
        tags.push((name.to_lowercase(), attributes.to_owned()));
        rest = &rest[end + 1..];
        let (name, _) = tags.last().unwrap();
        if name == "script" || name == "style" {
            let close = format!("</{name}");
            rest = &rest[rest.to_lowercase().find(&close).expect("it has an end")..];
        }
    }
    tags
}

/// The names of the attributes, values left out.
fn attributes(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim().trim_end_matches('/');
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        names.push(rest[..end].to_owned());
        rest = match rest[end..].strip_prefix('=') {
            None => rest[end..].trim_start(),
            Some(value) => {
                let quote = value
                    .chars()
                    .next()
                    .filter(|c| matches!(c, '"' | '\''))
                    .expect("every value is in quotes");
                let inside = &value[1..];
                inside[inside.find(quote).unwrap() + 1..].trim_start()
            }
        };
    }
    names
}

#[test]
fn every_element_is_ours_and_closed() {
    for name in ALL {
        let html = html(&make(&wish(name)));
        let mut open: Vec<String> = Vec::new();
        for (tag, rest) in tags(&html) {
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "{name}");
                continue;
            }
            assert!(KNOWN.contains(&tag.as_str()), "{name}: <{tag} {rest}>");
            for attribute in attributes(&rest) {
                assert!(
                    !attribute.starts_with("on")
                        && !["src", "srcset", "action", "srcdoc"].contains(&attribute.as_str()),
                    "{name}: <{tag} {rest}>"
                );
            }
            if !VOID.contains(&tag.as_str()) && !rest.ends_with('/') {
                open.push(tag);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?} is not closed");
    }
}

#[test]
fn what_others_have_written_is_text() {
    let html = html(&make(&wish("hostile")));
    assert!(!html.contains(ATTACK) && !html.contains("<img") && !html.contains("<script>alert"));
    assert!(
        !html.contains("&amp;amp;49") && html.contains("&amp;amp;{{ 7*7 }}"),
        "a template in foreign text is not rendered"
    );
    // It is all there, for people to read: in the head, in rows, in titles, in drawings and in texts.
    let shown = "&lt;img src=x onerror=alert(1)&gt;";
    assert!(html.matches(shown).count() > 100, "{}", html.matches(shown).count());
    assert!(html.matches("\\u003cimg src=x").count() > 100);
}

#[test]
fn nothing_is_fetched_and_only_our_script_runs() {
    let html = html(&make(&wish("pass")));
    let scripts: Vec<_> = tags(&html).into_iter().filter(|(name, _)| name == "script").collect();
    assert_eq!(scripts.len(), 2);
    let policy = super::between(&html, "Content-Security-Policy\" content=\"", "\"");
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("http") && !policy.contains('*'),
        "{policy}"
    );
    let (_, script) = html.rsplit_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let digest = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(script));
    assert!(policy.contains(&format!("script-src 'sha256-{digest}'")), "{policy}");
    for fetches in [
        "http://",
        "https://",
        "url(",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "innerHTML",
        "eval(",
    ] {
        assert!(!html.contains(fetches), "{fetches}");
    }
}
