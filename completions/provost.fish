# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_provost_global_optspecs
    string join \n root= color= q/quiet v/verbose h/help V/version
end

function __fish_provost_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_provost_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_provost_using_subcommand
    set -l cmd (__fish_provost_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c provost -n "__fish_provost_needs_command" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_needs_command" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_needs_command" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_needs_command" -s V -l version -d 'Print version'
complete -c provost -n "__fish_provost_needs_command" -f -a "run" -d 'Do one task: one round, or rounds until its check passes'
complete -c provost -n "__fish_provost_needs_command" -f -a "supervise" -d 'Keep an agent working, round after round, or a fleet of them'
complete -c provost -n "__fish_provost_needs_command" -f -a "certify" -d 'The gate: may this profile ship?'
complete -c provost -n "__fish_provost_needs_command" -f -a "cell" -d 'Run single cells of a plan, for engines that run many processes'
complete -c provost -n "__fish_provost_needs_command" -f -a "peek" -d 'Look at a live, dead or finished run'
complete -c provost -n "__fish_provost_needs_command" -f -a "steer" -d 'Tell the agent of a live run something'
complete -c provost -n "__fish_provost_needs_command" -f -a "stop" -d 'End a live run, and wait until it has ended'
complete -c provost -n "__fish_provost_needs_command" -f -a "init" -d 'Write a first profile for the agents and keys found on this machine'
complete -c provost -n "__fish_provost_needs_command" -f -a "service" -d 'Make supervise a service of this machine: systemd, or launchd on macOS'
complete -c provost -n "__fish_provost_needs_command" -f -a "suite" -d 'Check a suite, or make one of another tool\'s files'
complete -c provost -n "__fish_provost_needs_command" -f -a "schema" -d 'Print the JSON schema of a file kind, for editors'
complete -c provost -n "__fish_provost_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c provost -n "__fish_provost_needs_command" -f -a "man" -d 'Print a man page, or write all of them'
complete -c provost -n "__fish_provost_needs_command" -f -a "help" -d 'Explain a verb, or one of: exit-codes, harnesses'
complete -c provost -n "__fish_provost_needs_command" -f -a "guard" -d 'The process that outlives us and leaves no agent behind'
complete -c provost -n "__fish_provost_using_subcommand run" -s p -l profile -d 'The profile' -r -F
complete -c provost -n "__fish_provost_using_subcommand run" -l task-file -d 'A file that holds the task' -r -F
complete -c provost -n "__fish_provost_using_subcommand run" -l set -d 'Change a key of the profile' -r
complete -c provost -n "__fish_provost_using_subcommand run" -l out -d 'The run directory itself, instead of one under the root' -r -F
complete -c provost -n "__fish_provost_using_subcommand run" -l label -d 'A label, kept in the manifest' -r
complete -c provost -n "__fish_provost_using_subcommand run" -l seed -d 'The seed of everything random' -r
complete -c provost -n "__fish_provost_using_subcommand run" -l resume -d 'Go on with a killed or interrupted run' -r
complete -c provost -n "__fish_provost_using_subcommand run" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand run" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand run" -l json -d 'Print the journal\'s events as JSON lines'
complete -c provost -n "__fish_provost_using_subcommand run" -l dry-run -d 'Assemble and keep every prompt, and call nothing'
complete -c provost -n "__fish_provost_using_subcommand run" -l wait -d 'When all who can be asked must be left alone until a known time, wait for it'
complete -c provost -n "__fish_provost_using_subcommand run" -l check -d 'See whether all is there: program, version, keys, and the model\'s answer to one tiny request; then end'
complete -c provost -n "__fish_provost_using_subcommand run" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand run" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand supervise" -s p -l profile -d 'A profile; several make a fleet, each with a run of its own' -r -F
complete -c provost -n "__fish_provost_using_subcommand supervise" -l task-file -d 'A file that holds the task' -r -F
complete -c provost -n "__fish_provost_using_subcommand supervise" -l set -d 'Change a key of each profile' -r
complete -c provost -n "__fish_provost_using_subcommand supervise" -l rounds -d 'End with exit code 0 after so many rounds' -r
complete -c provost -n "__fish_provost_using_subcommand supervise" -l parallel -d 'Rounds of the fleet that run at once, at most' -r
complete -c provost -n "__fish_provost_using_subcommand supervise" -l metrics-file -d 'Keep a Prometheus text file up to date' -r -F
complete -c provost -n "__fish_provost_using_subcommand supervise" -l out -d 'The run directory itself, instead of one under the root' -r -F
complete -c provost -n "__fish_provost_using_subcommand supervise" -l label -d 'A label, kept in the manifest' -r
complete -c provost -n "__fish_provost_using_subcommand supervise" -l seed -d 'The seed of everything random' -r
complete -c provost -n "__fish_provost_using_subcommand supervise" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand supervise" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand supervise" -l check -d 'See whether all is right to begin with, and end: exit code 0, or 2 when it is not'
complete -c provost -n "__fish_provost_using_subcommand supervise" -l ignore-schedule -d 'Begin rounds outside of the windows of the schedule too'
complete -c provost -n "__fish_provost_using_subcommand supervise" -l new -d 'Begin a new run, also where one could be gone on with'
complete -c provost -n "__fish_provost_using_subcommand supervise" -l prune -d 'Delete the transcripts that are more than `supervise.keep_rounds`, however many they are'
complete -c provost -n "__fish_provost_using_subcommand supervise" -l json -d 'Print the journal\'s events as JSON lines'
complete -c provost -n "__fish_provost_using_subcommand supervise" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand supervise" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand supervise" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand certify" -s p -l profile -d 'A profile that may ship; several are held against the same baseline, under one error rate' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l baseline -d 'What it is held against: a profile, or a run of `provost certify` whose cells are taken as they are' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -s S -l suite -d 'The suite' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l part -d 'The part of the split that is measured: train, selection, test or all; `test` where the suite has a split' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l set -d 'Change a key of the suite, or of every profile' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l out -d 'The run directory itself; the same call again does the missing part only' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l label -d 'A label of a grid, kept in the manifest' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l seed -d 'The seed of the order, of every draw and of every cell' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -s j -l jobs -d 'Cells in flight, instead of what the suite and the endpoints say' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l min-power -d 'Refuse to begin where the chance to see `--effect` is smaller' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l effect -d 'The effect that `--min-power` is about, in the unit of the score' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l junit -d 'Write the test report of `JUnit` here, beside the run directory\'s own' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l markdown -d 'Write Markdown for a pull request here' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l html -d 'Write the HTML page here' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l csv -d 'Write one row for each cell here' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l resume -d 'Go on with a killed or interrupted run' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l rescore -d 'Score the answers of a stored run by `--suite`, without asking any agent again' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l verify -d 'Derive every figure of a certificate again, from its run directory alone, and look at every byte' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l report -d 'Show stored runs side by side, by their labels' -r
complete -c provost -n "__fish_provost_using_subcommand certify" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand certify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand certify" -l json -d 'Print the journal\'s events as JSON lines'
complete -c provost -n "__fish_provost_using_subcommand certify" -l dry-run -d 'Make the plan and the prompts, say what the plan can see and is expected to cost, and call nothing'
complete -c provost -n "__fish_provost_using_subcommand certify" -l plan -d 'Make the plan, run no cell, and leave the run open: `provost cell` runs its cells, and `--resume` takes them in'
complete -c provost -n "__fish_provost_using_subcommand certify" -l collect -d 'Take in what `provost cell` has run, ask nobody, and come to the verdict: what is not there stays missing'
complete -c provost -n "__fish_provost_using_subcommand certify" -l allow-stubs -d 'Accept cells without any reported usage, of every arm; `agent.offline` says it of one profile'
complete -c provost -n "__fish_provost_using_subcommand certify" -l allow-different -d 'Compare with a stored run whose cases, template, trials or scores are others; go on with a plan of another provost'
complete -c provost -n "__fish_provost_using_subcommand certify" -l keep-workspaces -d 'Leave the workspaces of the cells in the run directory'
complete -c provost -n "__fish_provost_using_subcommand certify" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand certify" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand certify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand cell" -l plan -d 'The plan: the run directory that `provost certify --plan` has made, or `plan.json` in it' -r -F
complete -c provost -n "__fish_provost_using_subcommand cell" -l index -d 'The cells, by their places in the plan: `3`, or several, such as `3,7-9`' -r
complete -c provost -n "__fish_provost_using_subcommand cell" -s j -l jobs -d 'Cells in flight, instead of what the suite and the endpoints say' -r
complete -c provost -n "__fish_provost_using_subcommand cell" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand cell" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand cell" -l missing -d 'Print the places of the cells that have no answer yet, such as `3,7-9`; nothing when all have one'
complete -c provost -n "__fish_provost_using_subcommand cell" -l allow-different -d 'Run them although this is not the provost that the plan was made with; the certificate says so'
complete -c provost -n "__fish_provost_using_subcommand cell" -l json -d 'Print the shard\'s events as JSON lines'
complete -c provost -n "__fish_provost_using_subcommand cell" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand cell" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand cell" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand peek" -l select -d 'One value of the snapshot (`spend.usd`, `rounds.-1.outcome`), or `events.KIND` with `--window`' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l window -d 'How many events `--select events.KIND` gives' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l events -d 'The last N events, as they are in the journal' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l round -d 'One round' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l cell -d 'One cell of a run of many, by its number' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l text -d 'One text of the run alone, byte for byte, by its hash or the beginning of it' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l after -d 'With `--follow`: only what comes after the event of this number' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l clear -d 'Forget the cooldowns of an account (by its id), of a provider, or `all`' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l host -d 'Look on another machine, over `ssh` as you have set it up; with `--follow` a lost connection is made anew' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l remote-command -d 'With `--host`: how provost is called there' -r
complete -c provost -n "__fish_provost_using_subcommand peek" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand peek" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand peek" -l json -d 'The snapshot as JSON; with `--cooldowns` one object a line'
complete -c provost -n "__fish_provost_using_subcommand peek" -l log -d 'With `--round` or `--cell`: the end of the agent\'s transcript'
complete -c provost -n "__fish_provost_using_subcommand peek" -l prompts -d 'The exact prompts that were sent; of many cells each text once, and of one `--cell` all of them'
complete -c provost -n "__fish_provost_using_subcommand peek" -l outputs -d 'The answers of cells, and what judges said of them'
complete -c provost -n "__fish_provost_using_subcommand peek" -s f -l follow -d 'Go on showing what happens until the run ends'
complete -c provost -n "__fish_provost_using_subcommand peek" -l alerts -d 'The alerts that are open, of the run or of all live ones; exits with 1 when one is a warning, with 3 when one is critical or a run is dead'
complete -c provost -n "__fish_provost_using_subcommand peek" -l defenses -d 'What keeps the loop of the run from harm: how each defense stands, and what it stands for'
complete -c provost -n "__fish_provost_using_subcommand peek" -l runs -d 'The list of runs'
complete -c provost -n "__fish_provost_using_subcommand peek" -l cooldowns -d 'Accounts and models that are not to be asked for a while, as all runs of the user know it'
complete -c provost -n "__fish_provost_using_subcommand peek" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand peek" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand peek" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand steer" -l file -d 'A file that holds the message' -r -F
complete -c provost -n "__fish_provost_using_subcommand steer" -l timeout -d 'How long to wait until an agent is told' -r
complete -c provost -n "__fish_provost_using_subcommand steer" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand steer" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand steer" -l no-wait -d 'Return once the run has seen the message'
complete -c provost -n "__fish_provost_using_subcommand steer" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand steer" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand steer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand stop" -l timeout -d 'How long to wait for the end' -r
complete -c provost -n "__fish_provost_using_subcommand stop" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand stop" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand stop" -l all -d 'Every live run under the root, such as the members of a fleet'
complete -c provost -n "__fish_provost_using_subcommand stop" -l now -d 'End the agent without its grace, as after a second Ctrl-C; of `supervise`, end the round with the agent\'s grace'
complete -c provost -n "__fish_provost_using_subcommand stop" -l no-wait -d 'Return once the run has acknowledged the request'
complete -c provost -n "__fish_provost_using_subcommand stop" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand stop" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand init" -l out -d 'The same as FILE' -r -F
complete -c provost -n "__fish_provost_using_subcommand init" -l from -d 'Make it from the `agent-runner.toml` of a project, and list what has no counterpart' -r -F
complete -c provost -n "__fish_provost_using_subcommand init" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand init" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand init" -l print -d 'Print it instead'
complete -c provost -n "__fish_provost_using_subcommand init" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand init" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -f -a "install" -d 'Write the service of a profile, and start it'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -f -a "uninstall" -d 'Stop the service, and take it away once it has drained'
complete -c provost -n "__fish_provost_using_subcommand service; and not __fish_seen_subcommand_from install uninstall status" -f -a "status" -d 'Say how the service is'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -s p -l profile -d 'The profile; several make a fleet' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l name -d 'Its name; that of the profile when absent, or of this directory' -r
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l user -d 'Whose a service of the whole system is; who called `sudo` when absent' -r
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l system -d 'A service of the whole system, which runs without a login'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l force -d 'Replace a service of this name that works in another directory'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -l print -d 'Print it, and touch nothing'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s p -l profile -d 'The profile that it is named after' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l name -d 'Its name' -r
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -l system -d 'A service of the whole system'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -s p -l profile -d 'The profile that it is named after' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -l name -d 'Its name' -r
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -l system -d 'A service of the whole system'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand service; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -f -a "check" -d 'Say all that is wrong with a suite, its cases, its templates and the profiles that it names'
complete -c provost -n "__fish_provost_using_subcommand suite; and not __fish_seen_subcommand_from check import" -f -a "import" -d 'Make a suite of a promptfoo configuration, or of samples with `input` and `target`'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -s S -l suite -d 'The suite' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -s p -l profile -d 'A profile that is to be measured by it' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -l set -d 'Change a key of the suite, or of the profiles' -r
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -l json -d 'Print the findings as JSON'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -s o -l out -d 'The directory to write to; it is made if need be' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand suite; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand schema" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand schema" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand schema" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand schema" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand completions" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand completions" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand completions" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand man" -l write -d 'Write all pages and completions below this directory instead, as `man/` and `completions/`' -r -F
complete -c provost -n "__fish_provost_using_subcommand man" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand man" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand man" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand man" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand help" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand help" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand help" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c provost -n "__fish_provost_using_subcommand guard" -l root -d 'Where runs are kept' -r -F
complete -c provost -n "__fish_provost_using_subcommand guard" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise'
always\t'Always'
never\t'Never'"
complete -c provost -n "__fish_provost_using_subcommand guard" -s q -l quiet -d 'Say only how it ended'
complete -c provost -n "__fish_provost_using_subcommand guard" -s v -l verbose -d 'Say more'
complete -c provost -n "__fish_provost_using_subcommand guard" -s h -l help -d 'Print help (see more with \'--help\')'
