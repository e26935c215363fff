//! What an agent says of itself and of the session that it opened, as far as we use it.

use agent_client_protocol_schema::v1::SessionId;
use serde_json::{Value, json};

use super::fold::brief;
use super::permit::reading_mode;
use crate::backend::agent::invoke::bare_model;

/// How many models are named to somebody who asked for another one.
const SHOWN: usize = 12;

/// A request that sets something of a session: its mode, its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The method.
    pub(super) method: &'static str,
    /// What the value is called in the parameters.
    key: &'static str,
    /// The option that the value is for, where all share one method.
    option: Option<String>,
    value: String,
}

impl Setting {
    fn own(method: &'static str, key: &'static str, value: &str) -> Self {
        Self { method, key, option: None, value: value.to_owned() }
    }

    fn option(id: &str, value: &str) -> Self {
        let method = "session/set_config_option";
        Self { method, key: "value", option: Some(id.to_owned()), value: value.to_owned() }
    }

    /// The parameters of the request.
    pub(super) fn params(&self, session: &SessionId) -> Value {
        let mut params = json!({ "sessionId": session });
        if let Some(option) = &self.option {
            params["configId"] = json!(option);
        }
        params[self.key] = json!(self.value);
        params
    }
}

/// Something of a session that has one of several values.
#[derive(Debug)]
struct Choice {
    current: String,
    offered: Vec<String>,
    set: Setting,
}

impl Choice {
    fn set(&self, value: &str) -> Setting {
        Setting { value: value.to_owned(), ..self.set.clone() }
    }

    /// One that has a method of its own.
    fn own(value: &Value, method: &'static str, keys: [&'static str; 3]) -> Option<Self> {
        let [current, list, id] = keys;
        let current = value[current].as_str()?;
        // The parameter has the name that the id has, but for `modeId`.
        let key = if id == "id" { "modeId" } else { id };
        let set = Setting::own(method, key, current);
        Some(Self { current: current.to_owned(), offered: texts(&value[list], id), set })
    }

    /// One of the options that all are set alike.
    fn option(options: &Value, category: &str) -> Option<Self> {
        let option = options.as_array()?.iter().find(|option| option["category"] == category)?;
        let current = option["currentValue"].as_str()?;
        let set = Setting::option(option["id"].as_str()?, current);
        let mut offered = texts(&option["options"], "value");
        // They may be in groups.
        for group in option["options"].as_array().map(Vec::as_slice).unwrap_or_default() {
            offered.extend(texts(&group["options"], "value"));
        }
        Some(Self { current: current.to_owned(), offered, set })
    }
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| Some(item[key].as_str()?.to_owned())).collect()
}

/// The answer to `session/new`, `session/load` or `session/resume`.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The session, where it is a new one.
    pub(super) session: Option<SessionId>,
    mode: Option<Choice>,
    model: Option<Choice>,
}

/// Why an agent cannot work with a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoModel {
    /// It lets nobody choose.
    NoChoice,
    /// It has others; the first of them.
    Others(Vec<String>),
}

impl Opened {
    /// Reads it by hand: `models` is not in the protocol any more and still said, and one option that makes no sense
    /// must not hide the others.
    pub(super) fn read(result: &str) -> Self {
        let value: Value = serde_json::from_str(result).unwrap_or_default();
        let options = &value["configOptions"];
        Self {
            session: value["sessionId"].as_str().map(SessionId::new),
            mode: Choice::option(options, "mode").or_else(|| {
                let keys = ["currentModeId", "availableModes", "id"];
                Choice::own(&value["modes"], "session/set_mode", keys)
            }),
            model: Choice::option(options, "model").or_else(|| {
                let keys = ["currentModelId", "availableModels", "modelId"];
                Choice::own(&value["models"], "session/set_model", keys)
            }),
        }
    }

    /// The model that the session begins with, where that is said.
    pub(super) fn model(&self) -> Option<String> {
        self.model.as_ref().map(|model| brief(&model.current))
    }

    /// What sets the model, by its whole name or by that without its provider: `None` where it is set already.
    pub(super) fn set_model(&self, wanted: &str) -> Result<(String, Option<Setting>), NoModel> {
        let Some(choice) = &self.model else { return Err(NoModel::NoChoice) };
        let names = [wanted, bare_model(wanted)];
        let offered = names.iter().find_map(|name| choice.offered.iter().find(|offered| offered == name));
        match offered {
            Some(model) if *model == choice.current => Ok((model.clone(), None)),
            Some(model) => Ok((model.clone(), Some(choice.set(model)))),
            None => Err(NoModel::Others(choice.offered.iter().take(SHOWN).map(|name| brief(name)).collect())),
        }
    }

    /// What sets the mode in which nothing is changed.
    pub(super) fn reading_mode(&self) -> Option<Setting> {
        let choice = self.mode.as_ref()?;
        let mode = reading_mode(choice.offered.iter().map(String::as_str))?;
        Some(choice.set(mode))
    }

    /// What sets the mode that is set already.
    pub(super) fn same_mode(&self) -> Option<Setting> {
        self.mode.as_ref().map(|choice| choice.set.clone())
    }
}

/// The ways to log in that need nobody before a screen: those that take a key from the agent's environment.
pub(super) fn logins(initialized: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(initialized).unwrap_or_default();
    let methods = value["authMethods"].as_array().map(Vec::as_slice).unwrap_or_default();
    let keyed = |method: &&Value| {
        let id = method["id"].as_str().unwrap_or_default().to_ascii_lowercase().replace(['_', ' '], "-");
        method["type"] == "env_var" || id.contains("api-key") || method["_meta"].get("api-key").is_some()
    };
    methods
        .iter()
        .filter(keyed)
        .filter_map(|method| Some(method["id"].as_str()?.to_owned()))
        .take(4)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = r#"{"sessionId":"s","modes":{"currentModeId":"default","availableModes":[{"id":"default"},{"id":"plan"}]},"models":{"currentModelId":"m","availableModels":[{"modelId":"m"},{"modelId":"n"}]}}"#;
    const OPTIONS: &str = r#"{"configOptions":[7,{"id":"m","category":"model","currentValue":"p/m","options":[{"group":"g","options":[{"value":"p/m"},{"value":"p/n"}]}]},{"id":"x","category":"mode","currentValue":"build","options":[{"value":"build"},{"value":"plan"}]}]}"#;

    fn request(setting: Option<Setting>) -> (&'static str, Value) {
        let setting = setting.unwrap();
        (setting.method, setting.params(&SessionId::new("s")))
    }

    #[test]
    fn modes_are_found_in_either_form() {
        let opened = Opened::read(OWN);
        let (method, params) = request(opened.reading_mode());
        assert_eq!((method, params), ("session/set_mode", json!({"sessionId": "s", "modeId": "plan"})));
        assert_eq!(request(opened.same_mode()).1["modeId"], "default");

        let opened = Opened::read(OPTIONS);
        assert!(opened.session.is_none());
        let (method, params) = request(opened.reading_mode());
        assert_eq!(method, "session/set_config_option");
        assert_eq!(params, json!({"sessionId": "s", "configId": "x", "value": "plan"}));
    }

    #[test]
    fn models_are_found_in_either_form_and_only_those_that_are_offered() {
        let opened = Opened::read(OWN);
        assert_eq!(opened.model().as_deref(), Some("m"));
        assert_eq!(opened.set_model("p/m"), Ok(("m".to_owned(), None)));
        let (name, setting) = opened.set_model("p/n").unwrap();
        assert_eq!(name, "n");
        assert_eq!(request(setting), ("session/set_model", json!({"sessionId": "s", "modelId": "n"})));
        assert_eq!(opened.set_model("p/o"), Err(NoModel::Others(vec!["m".to_owned(), "n".to_owned()])));

        let (_, setting) = Opened::read(OPTIONS).set_model("p/n").unwrap();
        assert_eq!(request(setting).1, json!({"sessionId": "s", "configId": "m", "value": "p/n"}));
        assert_eq!(Opened::read("{}").set_model("p/n"), Err(NoModel::NoChoice));
    }

    #[test]
    fn nothing_is_made_up() {
        for result in ["null", "{}", "[]", r#"{"modes":7,"configOptions":"no"}"#] {
            let opened = Opened::read(result);
            assert!(
                opened.session.is_none() && opened.reading_mode().is_none() && opened.same_mode().is_none()
            );
        }
    }

    #[test]
    fn logins_that_need_a_browser_are_none() {
        let result = r#"{"authMethods":[{"id":"oauth-personal"},{"id":"OPENAI_API_KEY"},{"id":"v","type":"env_var"},{"id":"g","_meta":{"api-key":{}}},{"id":"t","type":"terminal"},3]}"#;
        assert_eq!(logins(result), ["OPENAI_API_KEY", "v", "g"]);
    }
}
