//! What an agent says of itself and of the session that it opened, as far as we use it.

use agent_client_protocol_schema::v1::SessionId;
use serde_json::{Value, json};

use super::fold::brief;
use super::permit::reading_mode;

/// How a mode is set, without the session that it is set for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModeParams {
    option: Option<String>,
    mode: String,
}

impl ModeParams {
    /// The parameters of the request.
    pub(super) fn request(&self, session: &SessionId) -> Value {
        match &self.option {
            Some(option) => json!({ "sessionId": session, "configId": option, "value": self.mode }),
            None => json!({ "sessionId": session, "modeId": self.mode }),
        }
    }
}

/// A request that sets a mode.
pub(super) type SetMode = (&'static str, ModeParams);

/// The answer to `session/new`, `session/load` or `session/resume`.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The session, where it is a new one.
    pub(super) session: Option<SessionId>,
    /// The model that it begins with, where that is said.
    pub(super) model: Option<String>,
    /// What sets the mode in which nothing is changed.
    pub(super) reading_mode: Option<SetMode>,
    /// What sets the mode that is set already.
    pub(super) same_mode: Option<SetMode>,
}

impl Opened {
    /// Reads it by hand: `models` is not in the protocol any more and still said, and one option that makes no sense
    /// must not hide the others.
    pub(super) fn read(result: &str) -> Self {
        let value: Value = serde_json::from_str(result).unwrap_or_default();
        let options = value["configOptions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let option = |category: &str| options.iter().find(|option| option["category"] == category);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut opened = Self {
            session: value["sessionId"].as_str().map(SessionId::new),
            model: text(&value["models"]["currentModelId"])
                .or_else(|| text(&option("model")?["currentValue"]))
                .map(|model| brief(&model)),
            ..Self::default()
        };
        if let Some(current) = text(&value["modes"]["currentModeId"]) {
            let modes = value["modes"]["availableModes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let reading = reading_mode(modes.iter().filter_map(|mode| mode["id"].as_str()));
            let set = |mode: String| ("session/set_mode", ModeParams { option: None, mode });
            opened.reading_mode = reading.map(str::to_owned).map(set);
            opened.same_mode = Some(set(current));
        } else if let Some(option) = option("mode")
            && let (Some(id), Some(current)) = (text(&option["id"]), text(&option["currentValue"]))
        {
            let values = option["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            let reading = reading_mode(values.iter().filter_map(|value| value["value"].as_str()));
            let set =
                |mode: String| ("session/set_config_option", ModeParams { option: Some(id.clone()), mode });
            opened.reading_mode = reading.map(str::to_owned).map(&set);
            opened.same_mode = Some(set(current));
        }
        opened
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

    #[test]
    fn modes_are_found_in_either_form() {
        let session = SessionId::new("s");
        let modes = r#"{"sessionId":"s","modes":{"currentModeId":"default","availableModes":[{"id":"default"},{"id":"plan"}]},"models":{"currentModelId":"m"}}"#;
        let opened = Opened::read(modes);
        assert_eq!(opened.model.as_deref(), Some("m"));
        let (method, params) = opened.reading_mode.unwrap();
        assert_eq!((method, params.request(&session)["modeId"].as_str()), ("session/set_mode", Some("plan")));
        assert_eq!(opened.same_mode.unwrap().1.request(&session)["modeId"], "default");

        let options = r#"{"configOptions":[7,{"id":"m","category":"model","currentValue":"p/m"},{"id":"x","category":"mode","currentValue":"build","options":[{"value":"build"},{"value":"plan"}]}]}"#;
        let opened = Opened::read(options);
        assert_eq!((opened.session, opened.model.as_deref()), (None, Some("p/m")));
        let (method, params) = opened.reading_mode.unwrap();
        let params = params.request(&session);
        assert_eq!(
            (method, &params["configId"], &params["value"]),
            ("session/set_config_option", &json!("x"), &json!("plan"))
        );
    }

    #[test]
    fn nothing_is_made_up() {
        for result in ["null", "{}", "[]", r#"{"modes":7,"configOptions":"no"}"#] {
            let opened = Opened::read(result);
            assert!(opened.session.is_none() && opened.reading_mode.is_none() && opened.same_mode.is_none());
        }
    }

    #[test]
    fn logins_that_need_a_browser_are_none() {
        let result = r#"{"authMethods":[{"id":"oauth-personal"},{"id":"OPENAI_API_KEY"},{"id":"v","type":"env_var"},{"id":"g","_meta":{"api-key":{}}},{"id":"t","type":"terminal"},3]}"#;
        assert_eq!(logins(result), ["OPENAI_API_KEY", "v", "g"]);
    }
}
