"""The loops that supervise.py measures: a repository, an agent that knows when it ran, and the settings of provost or of
cli-agent-runner 0.3.14. Python 3, standard library only."""

import json
import os
import signal
import subprocess
import sys
import time

import loopback

# It says what the claude CLI says, and when it began and ended.
AGENT = """#!/bin/bash
begun=$EPOCHREALTIME
{more}
printf '%s\\n' '{{"type":"assistant","message":{{"model":"claude-fake-1","content":[{{"type":"text","text":"Done."}}]}}}}' '{{"type":"result","subtype":"success","is_error":false,"result":"Done.","usage":{{"input_tokens":5,"output_tokens":6}},"duration_ms":10,"total_cost_usd":0.01}}'
echo "$begun $EPOCHREALTIME" >>{stamps}
"""
LIMITED = """#!/bin/bash
printf '{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","rateLimitType":"five_hour","resetsAt":%s}}}}\\n' "$(( $(date +%s) + 3600 ))"
printf '{{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit reached"}}\\n'
echo "$EPOCHREALTIME $EPOCHREALTIME" >>{stamps}
exit 1
"""
FAILS = "#!/bin/bash\necho 'what went wrong' >&2\necho \"$EPOCHREALTIME $EPOCHREALTIME\" >>{stamps}\nexit 3\n"
TASK = "Do what is to be done here, and say in a sentence that it is done.\n" * 12
PATIENCE = 180


def ready():
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Project:
    """A repository with one commit, an agent, and the settings of one of the two programs."""

    def __init__(self, place, name, agent=AGENT, more="", **settings):
        self.path, self.place = place.path / name, place
        self.work, self.stamps = self.path / "work", self.path / "stamps"
        self.work.mkdir(parents=True)
        self.settings = {"pause": "1s", "dirty": "ignore", "extra": "", **settings}
        self.agent = self.path / "claude"
        self.agent.write_text(agent.format(stamps=self.stamps, more=more))
        self.agent.chmod(0o755)
        config = place.path / "gitconfig"
        config.write_text("[user]\nname = bench\nemail = bench@localhost\n")
        self.environment = place.environment(GIT_CONFIG_GLOBAL=str(config))
        (self.work / "README").write_text("Work to be done.\n")
        self.configure()
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
            subprocess.run(["git", *command], cwd=self.work, env=self.environment, check=True)

    def started(self):
        """When each agent so far began, and was done."""
        try:
            lines = self.stamps.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [tuple(map(float, line.split())) for line in lines if line.count(" ") == 1]

    def start(self, *more, **streams):
        self.stamps.unlink(missing_ok=True)
        streams = {"stdout": subprocess.DEVNULL, "stderr": open(self.path / "stderr", "wb"), **streams}
        return subprocess.Popen([*self.command(), *more], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, preexec_fn=ready, **streams)

    def rounds(self, count, *more):
        """Runs until so many rounds are over, and one more has begun; the times from start to start."""
        child = self.start(*more)
        self.until(child, lambda: len(self.started()) > count, 0.02)
        self.end(child)
        begun = [times[0] for times in self.started()]
        return [after - before for before, after in zip(begun, begun[1:])][:count]

    def until(self, child, told, every=0.005):
        until = time.monotonic() + PATIENCE
        while not told():
            if child.poll() is not None or time.monotonic() > until:
                loopback.kill_all(child.pid)
                said = (self.path / "stderr").read_text(errors="replace")[-2000:]
                sys.exit(f"{' '.join(map(str, self.command()))}: did not get there (exit {child.poll()}): {said}")
            time.sleep(every)

    def end(self, child):
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            loopback.kill_all(child.pid)
            child.wait()

    def bare(self, count, pause=0.0):
        """What the agent takes when nothing supervises it, and nothing has run for a while."""
        prompt, nothing = os.open(self.path / "prompt", os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
        actions = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate((prompt, nothing, nothing))]
        took = []
        for _ in range(count):
            time.sleep(pause)
            begin = time.perf_counter()
            pid = os.posix_spawn(self.agent, [str(self.agent)], self.environment, file_actions=actions)
            os.waitpid(pid, 0)
            took.append(time.perf_counter() - begin)
        return took


class Ours(Project):
    program, name = None, "provost"

    def configure(self):
        (self.path / "prompt").write_text(TASK)
        self.out = self.path / "run"
        settings = self.settings
        (self.path / "provost.toml").write_text(
            'schema = 1\nname = "bench"\n[agent]\nharness = "command"\nprotocol = "claude-stream-json"\n'
            f'command = ["{self.agent}"]\n[prompt]\nfiles = ["prompt"]\n[workspace]\ndir = "{self.work}"\ndirty = "{settings["dirty"]}"\n'
            f'[supervise]\npause = "{settings["pause"]}"\n{settings["extra"]}'
        )

    def command(self, out=None):
        return [self.program, "supervise", "-q", "-p", self.path / "provost.toml", "--root", self.path / "root", "--out", out or self.out]

    def events(self):
        return loopback.journal(self.out)

    def waits(self, cause):
        return any(event["kind"] == "wait.started" and event.get("cause") == cause for event in self.events()[-3:])


CONFIG = """schema_version = 1
[agent]
command = ["{agent}"]
prompt_arg_template = ["-p"]
prompt_delivery = "stdin"
[runtime]
work_dir = "{work}"
log_dir = "{logs}"
restart_delay_s = {pause}
[vcs]
dirty_action = "{dirty}"
[prompt]
file = "prompt.md"
"""


class Theirs(Project):
    program, name = None, "cli-agent-runner 0.3.14"

    def configure(self):
        (self.path / "prompt").write_text(TASK)
        self.logs = self.path / "logs"
        (self.work / "prompt.md").write_text(TASK)
        pause = self.settings["pause"].rstrip("s")
        (self.work / "agent-runner.toml").write_text(CONFIG.format(agent=self.agent, work=self.work, logs=self.logs, pause=pause, dirty=self.settings["dirty"]))

    def command(self):
        return [self.program, "serve"]

    def events(self):
        lines = [line for path in sorted(self.logs.glob("events-*.jsonl")) for line in path.read_text(errors="replace").splitlines()]
        return [json.loads(line) for line in lines]
