//! What an agent that asks is told, by `agent.permissions`.

use agent_client_protocol_schema::v1::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, SelectedPermissionOutcome, ToolKind,
};

use crate::profile::Permissions;

/// Whether a tool of this kind may run. An agent that does not say what a tool does is taken to change something.
pub(super) fn permits(permissions: Option<Permissions>, kind: ToolKind) -> bool {
    let reads = matches!(kind, ToolKind::Read | ToolKind::Search | ToolKind::Think);
    match permissions {
        Some(Permissions::Bypass) => true,
        Some(Permissions::AcceptEdits) => reads || kind == ToolKind::Edit,
        Some(Permissions::ReadOnly) => reads,
        None => false,
    }
}

/// The option of the agent's that says so. What is chosen for once comes before what is chosen for ever: an agent may
/// keep the latter in the settings of its user, and they outlive the run.
pub(super) fn choose(allow: bool, options: &[PermissionOption]) -> RequestPermissionOutcome {
    use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
    let kinds = if allow { [AllowOnce, AllowAlways] } else { [RejectOnce, RejectAlways] };
    let found = kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == *kind));
    match found {
        Some(option) => {
            RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
        }
        None => RequestPermissionOutcome::Cancelled,
    }
}

/// Ids of the modes in which agents let nothing be changed.
const READING_MODES: [&str; 4] = ["plan", "read-only", "readonly", "read_only"];

/// The first of these modes in which nothing is changed.
pub(super) fn reading_mode<'a>(modes: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    modes.into_iter().find(|mode| READING_MODES.contains(&mode.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_permits_its_kinds() {
        use Permissions::{AcceptEdits, Bypass, ReadOnly};
        use ToolKind::{Delete, Edit, Execute, Fetch, Move, Other, Read, Search, SwitchMode, Think};
        let all = [Read, Search, Think, Edit, Delete, Move, Execute, Fetch, SwitchMode, Other];
        for (permissions, count) in
            [(Some(Bypass), 10), (Some(AcceptEdits), 4), (Some(ReadOnly), 3), (None, 0)]
        {
            let permitted: Vec<ToolKind> =
                all.iter().copied().filter(|kind| permits(permissions, *kind)).collect();
            assert_eq!(permitted, all[..count], "{permissions:?}");
        }
    }

    #[test]
    fn once_comes_before_for_ever_and_no_option_is_no_consent() {
        use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
        let options = |kinds: &[PermissionOptionKind]| -> Vec<PermissionOption> {
            kinds.iter().map(|kind| PermissionOption::new(format!("{kind:?}"), "", *kind)).collect()
        };
        let all = options(&[AllowAlways, RejectAlways, RejectOnce, AllowOnce]);
        let chosen = |allow, options: &[PermissionOption]| match choose(allow, options) {
            RequestPermissionOutcome::Selected(chosen) => chosen.option_id.to_string(),
            _ => "cancelled".to_owned(),
        };
        assert_eq!(chosen(true, &all), "AllowOnce");
        assert_eq!(chosen(false, &all), "RejectOnce");
        assert_eq!(chosen(true, &options(&[AllowAlways, RejectOnce])), "AllowAlways");
        assert_eq!(chosen(false, &options(&[AllowAlways, RejectAlways])), "RejectAlways");
        assert_eq!(chosen(true, &options(&[RejectOnce])), "cancelled");
        assert_eq!(chosen(false, &options(&[AllowOnce])), "cancelled");
    }

    #[test]
    fn a_reading_mode_is_found_by_its_id() {
        assert_eq!(reading_mode(["default", "Plan"]), Some("Plan"));
        assert_eq!(reading_mode(["default", "yolo"]), None);
    }
}
