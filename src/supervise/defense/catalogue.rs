//! Every defense, and what happened before it was there.

use super::{Defense, reading};

/// Every defense: those of a round, of what is kept, of the loop, of the host, of the work tree.
pub const DEFENSES: &[Defense] = &[
    Defense {
        name: "round_wall",
        about: "Each round has a hard wall by the monotonic clock. No activity extends it.",
        incident: "an agent that polled something for an hour, each poll moving its deadline.",
        test: "activity_never_moves_the_wall",
        key: Some("round.timeout"),
        now: reading::round_wall,
    },
    Defense {
        name: "silence",
        about: "A round ends early when nothing comes at all, when it stalls with no tool at work, or when \
               one tool takes too long.",
        incident: "rounds that held their whole half hour before a dead connection.",
        test: "does_each_deadline_leave_its_name_in_the_journal",
        key: Some("round.first_event"),
        now: reading::silence,
    },
    Defense {
        name: "linger",
        about: "An agent that has given its result and does not go is ended, unless something that it \
               started is still at work.",
        incident: "results that were there after a minute and rounds that took thirty.",
        test: "after_the_result_only_the_grace_and_the_wall_count",
        key: Some("round.grace_after_result"),
        now: reading::linger,
    },
    Defense {
        name: "grace",
        about: "What is ended is asked to end, given its grace, and then killed, with its whole group.",
        incident: "descendants that outlived the round and worked on beside the next one.",
        test: "is_a_deaf_child_killed_after_the_grace",
        key: Some("round.grace"),
        now: reading::grace,
    },
    Defense {
        name: "guard",
        about: "A guard process owns all that an agent starts, daemons that leave its group included, and \
               ends it when the agent ends or provost is killed.",
        incident: "a build server that forked twice and lived on; a killed supervisor whose agent went on \
                   alone.",
        test: "does_anything_survive_when_provost_is_killed",
        key: None,
        now: reading::guard,
    },
    Defense {
        name: "drain",
        about: "The first request to end lets the round that runs go on to its end; the agent alone is told \
               nothing.",
        incident: "a stop in the middle of a round, and then two agents at once in one tree.",
        test: "does_an_agent_that_is_stopped_get_its_grace",
        key: None,
        now: reading::drain,
    },
    Defense {
        name: "environment",
        about: "An agent is given the variables that the profile names, and no other.",
        incident: "an agent that ran with a key, and into a proxy, of whoever had started the loop.",
        test: "does_a_child_get_its_environment_and_arguments_and_nothing_else",
        key: Some("agent.inherit_env"),
        now: reading::environment,
    },
    Defense {
        name: "redaction",
        about: "Secret values are taken out of all that is written: journal, prompts, transcripts, reports.",
        incident: "keys in arguments and in error texts, in files that were kept for months.",
        test: "is_a_secret_that_the_agent_prints_written_nowhere",
        key: None,
        now: reading::always,
    },
    Defense {
        name: "battery",
        about: "Before the first round, and before each, the prompt, the program, the work tree and the \
               place of the logs are looked at; what cannot work ends the loop.",
        incident: "a prompt that began with dashes was taken for a flag: 123 rounds in four hours, and none \
                   of them worked.",
        test: "a_prompt_that_an_agent_would_refuse_is_found_before_the_first_round",
        key: Some("supervise.min_prompt"),
        now: reading::battery,
    },
    Defense {
        name: "root_lock",
        about: "One loop at work under a root; a second one is refused, with the first one's process, age \
               and command.",
        incident: "two loops in one tree, each stashing what the other's agent had just written.",
        test: "a_lock_that_is_held_names_its_holder_and_is_free_when_that_lets_go",
        key: None,
        now: reading::root_lock,
    },
    Defense {
        name: "atomic_files",
        about: "A file is replaced as a whole or not at all.",
        incident: "a status file that was read while it was half written.",
        test: "replaces_the_whole_file_for_its_owner_alone",
        key: None,
        now: reading::always,
    },
    Defense {
        name: "journal",
        about: "The journal has one writer, is on disk before a result counts, and a line that a kill has \
               torn is cut and said so.",
        incident: "a torn line that swallowed the record behind it, and a poisoned one that ended the \
                   supervisor after each round.",
        test: "a_kill_after_any_byte_leaves_a_prefix_that_goes_on",
        key: None,
        now: reading::always,
    },
    Defense {
        name: "event_kinds",
        about: "Every kind of event is in one list; a kind that a newer provost wrote is passed over, never \
               misread.",
        incident: "events under names that no reader knew, missed for five releases.",
        test: "newer_formats",
        key: None,
        now: reading::event_kinds,
    },
    Defense {
        name: "environmental",
        about: "What is wrong with the surroundings, such as a full disk or a lock that is held, is waited \
               out and uses up no round.",
        incident: "five minutes of a full disk, counted as crashes until the loop gave up.",
        test: "an_environmental_failure_is_no_round",
        key: None,
        now: reading::environmental,
    },
    Defense {
        name: "crash_breaker",
        about: "Rounds in a row that fail within a minute wait twice as long each time, and then end the \
               loop.",
        incident: "a hundred empty rounds in one night.",
        test: "five_crashes_in_a_row_end_the_loop",
        key: Some("supervise.give_up.crashes"),
        now: reading::crashes,
    },
    Defense {
        name: "idle_breaker",
        about: "Rounds in a row that end well at once, and in which nothing was consumed, end the loop; \
               only for an agent that has ever reported usage.",
        incident: "an agent that ended with 0 although its key was refused, round after round; and then one \
                   that never reports usage, and was stopped for it.",
        test: "no_progress_is_seen_only_of_agents_that_report_usage",
        key: Some("supervise.give_up.idle"),
        now: reading::idle,
    },
    Defense {
        name: "memory_breaker",
        about: "Rounds in a row that were ended for want of memory bring a long pause, and the third pause \
               within two hours ends the loop.",
        incident: "a service that was restarted for ever into a host without memory.",
        test: "a_memory_loop_pauses_and_the_third_one_ends_the_loop",
        key: Some("supervise.give_up.memory"),
        now: reading::memory_loop,
    },
    Defense {
        name: "backoff",
        about: "Failures of the provider without a date are waited out, twice as long each time up to a \
               ceiling; the count is part of the journal.",
        incident: "an outage of hours that was asked every minute, and a restart that began the count anew.",
        test: "the_ladder_doubles_to_its_ceiling",
        key: Some("supervise.backoff"),
        now: reading::backoff,
    },
    Defense {
        name: "cooldowns",
        about: "A limit that the provider has named is honoured to the second, by all runs of the user; a \
               following success ends it.",
        incident: "a five-hour limit that was waited out after the agent had long gone on, and a weekly one \
                   that was retried each minute.",
        test: "a_limit_is_open_until_the_candidate_gets_on_or_its_time_has_come",
        key: Some("retry.wait"),
        now: reading::cooldowns,
    },
    Defense {
        name: "refused_key",
        about: "A key or a login that is refused is an alert at the first refusal.",
        incident: "ten rounds with a refused key before anybody was told.",
        test: "a_refused_key_is_an_alert_at_once_and_ends_the_run_when_nobody_else_is_let_in",
        key: None,
        now: reading::refused_key,
    },
    Defense {
        name: "auto_stop",
        about: "Alerts of these kinds end the loop when they are raised.",
        incident: "a disk that filled until the host was lost, while the alert stood in a log.",
        test: "what_the_host_shows_in_a_round_is_said_in_it",
        key: Some("supervise.auto_stop"),
        now: reading::auto_stop,
    },
    Defense {
        name: "budget",
        about: "Ceilings for rounds, tokens, dollars and time; spend of unknown price counts as unknown, \
               not as nothing.",
        incident: "a week-end that nobody had put a price on.",
        test: "does_a_ceiling_in_dollars_stop_what_has_no_price",
        key: Some("budget"),
        now: reading::budget,
    },
    Defense {
        name: "repetition",
        about: "The same tool with the same argument again and again is seen at the call that makes it too \
               many, and ends the round where the profile wants that.",
        incident: "25 equal calls that were forgotten, since 30 others followed before the round was looked \
                   at.",
        test: "repeated_calls_are_seen_at_the_call_that_makes_them_too_many",
        key: Some("supervise.detect.repeat_threshold"),
        now: reading::repetition,
    },
    Defense {
        name: "rates",
        about: "Deadlines, failures of the network and agents that never began are counted over the last \
               rounds.",
        incident: "a gateway that failed each fourth round for a week; no single round looked wrong.",
        test: "shares_of_the_last_rounds_need_as_many_rounds",
        key: Some("supervise.detect.rate_threshold"),
        now: reading::rates,
    },
    Defense {
        name: "stale",
        about: "Whoever looks is told when the loop should be at work and has written nothing for long; to \
               look leaves no trace that could be taken for a sign of life.",
        incident: "a dead supervisor whose monitor kept writing, so that all looked well.",
        test: "a_loop_is_stale_when_nothing_is_written_though_no_wait_runs",
        key: Some("supervise.detect.stale"),
        now: reading::stale,
    },
    Defense {
        name: "host_looks",
        about: "The host is looked at while a round runs.",
        incident: "a disk that filled within a round and was seen half an hour later.",
        test: "is_a_disk_that_fills_within_a_round_seen",
        key: Some("supervise.host.sample"),
        now: reading::sampling,
    },
    Defense {
        name: "disk_gate",
        about: "No round begins on a disk that is full in all but name.",
        incident: "rounds that each failed to write their own log.",
        test: "a_disk_is_full_by_blocks_or_by_inodes",
        key: Some("supervise.host.disk_critical_pct"),
        now: reading::disk_gate,
    },
    Defense {
        name: "memory_gate",
        about: "No round begins while all tasks wait for memory; the first sign that can be read decides, \
               since available memory counts caches.",
        incident: "a host that thrashed while its available memory looked fine.",
        test: "the_first_sign_that_can_be_read_decides",
        key: Some("supervise.host.memory_full_critical"),
        now: reading::memory_gate,
    },
    Defense {
        name: "memory_floor",
        about: "Critical looks in a row end the round, unless a control group that can bind will do it.",
        incident: "a short stall on a small board that ended every round; and a limit above the memory of \
                   the host, which nothing enforced.",
        test: "does_a_great_stall_end_a_round_only_when_it_lasts",
        key: Some("supervise.host.memory_terminate"),
        now: reading::memory_floor,
    },
    Defense {
        name: "memory_brake",
        about: "Pressure lowers the soft limit of provost's own control group, and quiet gives it back.",
        incident: "a mechanism that wrote to a host without having been asked.",
        test: "is_the_brake_off_by_default",
        key: Some("supervise.host.brake"),
        now: reading::memory_brake,
    },
    Defense {
        name: "stash_once",
        about: "What a round has left is put away once.",
        incident: "three stashes of the same tree within one second.",
        test: "a_second_stash_of_a_round_within_five_seconds_is_one_too_many",
        key: Some("workspace.dirty"),
        now: reading::stash_once,
    },
    Defense {
        name: "stash_by_commit",
        about: "A stash is known by its commit, never by its place in the list.",
        incident: "a list that had moved, and somebody else's work that was dropped.",
        test: "a_stash_is_known_by_its_commit_although_others_are_pushed",
        key: Some("workspace.dirty"),
        now: reading::stash_by_commit,
    },
    Defense {
        name: "tree_list",
        about: "What a round has left is read from git's own list of files; no diff is interpreted.",
        incident: "a text that was moved, read off a diff as one that was lost.",
        test: "every_kind_of_record_is_read",
        key: Some("workspace.dirty"),
        now: reading::tree_list,
    },
    Defense {
        name: "own_files",
        about: "What provost owns in the work tree is neither stashed nor committed, and the next prompt \
               says where the rest is.",
        incident: "90 KB of notes that vanished in a stash; and rounds without work that committed their \
                   own logs.",
        test: "what_provost_owns_is_never_stashed_nor_committed_ignored_or_not",
        key: Some("workspace.dirty"),
        now: reading::own_files,
    },
    Defense {
        name: "index_lock",
        about: "A lock of the index is removed only where our own git, which ran out of time, has left it.",
        incident: "a lock of a git that was at work, removed under it.",
        test: "the_lock_of_our_own_killed_git_is_removed",
        key: Some("workspace.dirty"),
        now: reading::index_lock,
    },
    Defense {
        name: "orphan_chain",
        about: "Dirty trees in a row are an alert.",
        incident: "an agent that was cut in each round, its work piling up in stashes that nobody read.",
        test: "dirty_trees_in_a_row_are_a_chain",
        key: Some("supervise.detect.orphan_chain"),
        now: reading::orphan_chain,
    },
    Defense {
        name: "bulk_prune",
        about: "Transcripts are deleted only where the profile says how many to keep, and never more at \
               once than are kept.",
        incident: "a new default that was about to delete 12,193 of 12,293 transcripts.",
        test: "transcripts_are_not_deleted_in_bulk_unasked",
        key: Some("supervise.keep_rounds"),
        now: reading::bulk_prune,
    },
];
