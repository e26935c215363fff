//! How a task is put that is no case. What a case adds is tested in `suite`.

use super::*;

fn put(template: &str, task: &str) -> Result<String, String> {
    Template::new(template).unwrap().of_task(task).map_err(|error| error.to_string())
}

#[test]
fn the_task_is_the_only_name_there_is() {
    assert_eq!(put("Do this: {{ input }}\n", "Count {{ x }}.").unwrap(), "Do this: Count {{ x }}.");
    assert_eq!(put("{{ input | upper }}", "go").unwrap(), "GO");
    assert_eq!(
        put("{% if input == 'go' %}{{ topic }}{% else %}{{ input }}{% endif %}", "stay").unwrap(),
        "stay"
    );
    assert_eq!(put("{{ input }} about {{ topic | default('x') }}", "go").unwrap(), "go about x");
    assert_eq!(
        put("{{ input }}\nabout {{ topic }}", "go").unwrap_err(),
        "there is no `topic` where a task is no case of a suite in line 2 of the template; the task is `{{ input }}`, and \
         nothing else is there; or write `{{ topic | default(\"\") }}`"
    );
    assert!(put("{{ input | frobnicate }}", "go").unwrap_err().contains("frobnicate"));
}

#[test]
fn a_task_is_never_dropped() {
    assert_eq!(
        put("Say hello.", "go").unwrap_err(),
        "the task would be dropped; say `{{ input }}` where it belongs"
    );
    assert_eq!(put("Say hello.", "").unwrap(), "Say hello.", "there is none to drop");
}
