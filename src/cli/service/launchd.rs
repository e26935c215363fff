//! The same service as a property list for launchd.

use std::fmt::Write as _;

use super::unit::Unit;

/// What every label of ours begins with.
const LABEL: &str = "provost.";

/// Seconds between two starts. launchd cannot tell one exit code from another, so that a misconfigured supervisor comes
/// back, too: it does so seldom.
const THROTTLE: u64 = 60;

impl Unit {
    /// How launchd calls the service.
    pub(super) fn label(&self) -> String {
        label(&self.name)
    }

    /// The property list. `log` takes what the service prints.
    pub(super) fn plist(&self, log: &str) -> String {
        let mut list = Plist(String::new());
        list.string("Label", &self.label());
        list.key("ProgramArguments");
        list.0.push_str("  <array>\n");
        for word in std::iter::once(&self.program).chain(&self.arguments) {
            let _ = writeln!(list.0, "    <string>{}</string>", escaped(word));
        }
        list.0.push_str("  </array>\n");
        list.string("WorkingDirectory", &self.directory);
        if let Some(path) = &self.path {
            list.key("EnvironmentVariables");
            list.0.push_str("  <dict>\n    <key>PATH</key>\n");
            let _ = writeln!(list.0, "    <string>{}</string>\n  </dict>", escaped(path));
        }
        if let Some((user, group)) = &self.owner {
            list.string("UserName", user);
            list.string("GroupName", group);
        }
        list.key("RunAtLoad");
        list.0.push_str("  <true/>\n");
        list.key("KeepAlive");
        list.0.push_str("  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n");
        list.integer("ThrottleInterval", THROTTLE);
        list.integer("ExitTimeOut", self.stop.as_secs());
        list.string("StandardOutPath", log);
        list.string("StandardErrorPath", log);
        list.string("ProvostRoot", &self.root);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n{}</dict>\n</plist>\n",
            list.0
        )
    }
}

/// How launchd calls the service of this name.
pub(super) fn label(name: &str) -> String {
    format!("{LABEL}{name}")
}

/// The file of a service of this name.
pub(super) fn file(name: &str) -> String {
    format!("{LABEL}{name}.plist")
}

/// The name of the service that a file of this name is of.
pub(super) fn name(file: &str) -> Option<&str> {
    file.strip_prefix(LABEL)?.strip_suffix(".plist")
}

/// Whether a list was written by us.
pub(super) fn is_ours(text: &str) -> bool {
    text.contains("<key>ProvostRoot</key>")
}

/// The text of a key at the top of a list of ours.
pub(super) fn noted(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<key>{key}</key>"))?;
    let (value, _) = rest.trim_start().strip_prefix("<string>")?.split_once("</string>")?;
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// Keys as they are added.
struct Plist(String);

impl Plist {
    fn key(&mut self, key: &str) {
        let _ = writeln!(self.0, "  <key>{key}</key>");
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        let _ = writeln!(self.0, "  <string>{}</string>", escaped(value));
    }

    fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = writeln!(self.0, "  <integer>{value}</integer>");
    }
}

/// A text within an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// G6: launchd has a service, too; its list is read by a property list parser that is not ours.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test may start an interpreter")]
    fn a_real_parser_reads_what_was_meant() {
        let unit = Unit {
            name: "fixer".to_owned(),
            program: "/opt/provost".to_owned(),
            arguments: ["supervise", "-p", "/a <b> & 'c' \"d\" ä.toml", ""].map(str::to_owned).to_vec(),
            directory: "/Users/u/R&D".to_owned(),
            root: "/Users/u/R&D/.provost".to_owned(),
            path: Some("/usr/bin:/bin".to_owned()),
            keys: "/unused".to_owned(),
            stop: Duration::from_secs(2145),
            brakes: false,
            owner: None,
        };
        let list = unit.plist("/Users/u/Library/Logs/provost-fixer.log");
        let script = "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.argv[1].encode())))";
        let output = std::process::Command::new("python3").args(["-c", script, &list]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "Label": "provost.fixer",
                "ProgramArguments": ["/opt/provost", "supervise", "-p", "/a <b> & 'c' \"d\" ä.toml", ""],
                "WorkingDirectory": "/Users/u/R&D",
                "EnvironmentVariables": { "PATH": "/usr/bin:/bin" },
                "RunAtLoad": true,
                "KeepAlive": { "SuccessfulExit": false },
                "ThrottleInterval": 60,
                "ExitTimeOut": 2145,
                "StandardOutPath": "/Users/u/Library/Logs/provost-fixer.log",
                "StandardErrorPath": "/Users/u/Library/Logs/provost-fixer.log",
                "ProvostRoot": "/Users/u/R&D/.provost",
            })
        );
        assert!(is_ours(&list));
        assert_eq!(noted(&list, "ProvostRoot").as_deref(), Some("/Users/u/R&D/.provost"));
        assert_eq!(name(&file("a.b")), Some("a.b"));
    }
}
