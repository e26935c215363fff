#!/usr/bin/env python3
"""How long `provost supervise` takes to end when it is told to while it waits for the reset of a limit.

    cargo build --release
    python3 benches/limit_stop.py [--provost PATH] [--claude PATH] [--runs 20] [--goal 50]

A loopback server answers the first round, and refuses the second with 429 and a reset an hour away (--after), in the headers
that the Anthropic API uses for a subscription. The loop waits for that. Once its journal says so, TERM, INT or `provost stop`
is sent; the time is from there to the end of the process. The agent is our own loop, and the real Claude Code CLI where
--claude or PROVOST_TEST_CLAUDE names it.

`floor` is a process that has nothing to do but end, on the same machine at the same time; its row comes first and last.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import loopback
from backoff_stop import HERE, SIGNALS, STOP, floor_row, ready, row, stop

CLAUDE = """permissions = "bypass"
[agent.env]
IS_SANDBOX = "1"
CLAUDE_CONFIG_DIR = "{place}/claude"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
CLAUDE_CODE_MAX_RETRIES = "0"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
"""


class Handler(loopback.Handler):
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.body()
        if loopback.protocol(self.path) != "messages":
            return self.reply(200, {"input_tokens": 10} if "count_tokens" in self.path else {})
        with self.server.lock:
            self.server.count += 1
            first = self.server.count == 1
        if not first:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed your rate limit."}}
            unified = {"status": "rejected", "reset": int(time.time() + self.server.after), "representative-claim": "five_hour"}
            return self.reply(429, error, [("retry-after", f"{self.server.after:g}"), *((f"anthropic-ratelimit-unified-{name}", f"{value}") for name, value in unified.items())])
        if not json.loads(body).get("stream"):
            return self.reply(200, loopback.whole("messages", "Done."))
        self.begin()
        for part in loopback.stream("messages", ["Done."]):
            for text in part:
                self.send(text)
        self.end()


def profile(place, url, claude):
    command, key, more = ("", 'key_env = "BENCH_KEY"\n', "tools = []\n")
    if claude:
        command, key, more = (f"command = {json.dumps([claude])}\n", "", CLAUDE.format(place=place.path))
    path = place.path / "provost.toml"
    path.write_text(
        f'schema = 1\nname = "limit"\n[agent]\nharness = "{"claude" if claude else "chat"}"\nmodel = "anthropic/claude-sonnet-4-5"\nendpoint = "here"\n{command}{more}'
        f'[endpoints.here]\napi = "anthropic"\nbase_url = "{url}"\n{key}[retry]\nwait = "1s"\n[workspace]\ndirty = "ignore"\n[supervise]\npause = "10ms"\n'
    )
    return path


def waits(events):
    return bool(events) and events[-1]["kind"] == "wait.started" and events[-1].get("cause") == "limit"


def supervise_row(given, claude, verdict, name):
    seconds, codes, astray = [], [], []
    for _ in range(given.runs):
        server = loopback.Server(Handler)
        server.count, server.after = 0, given.after
        server.start()
        with loopback.Place("limit", given) as place:
            environment = place.environment(CLAUDE_CODE_OAUTH_TOKEN="dummy-token-of-no-account") if claude else place.environment()
            run = place.path / "run"
            command = [given.provost, "supervise", "-q", "-p", profile(place, server.url(), claude), "--out", run, "Say that you are done."]
            child = subprocess.Popen(command, cwd=place.path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until, events = time.monotonic() + 60, []
            while time.monotonic() < until and child.poll() is None and not waits(events):
                events = loopback.journal(run)
                time.sleep(0.01)
            if child.poll() is not None or not waits(events):
                loopback.kill_all(child.pid)
                said = child.communicate()[1].decode(errors="replace").strip()
                astray.append(f"exit {child.returncode}: {said[-300:]}")
            else:
                # The wait should be older than the event that announces it.
                time.sleep(0.1)
                if name == STOP:
                    verbs = []
                    call = [given.provost, "stop", "-q", "./run"]
                    took, code = stop(child, lambda: verbs.append(subprocess.Popen(call, cwd=place.path, env=environment, stdin=subprocess.DEVNULL)), 60)
                    if verbs[0].wait(60) != 0:
                        astray.append(f"the verb exits with {verbs[0].returncode}")
                else:
                    took, code = stop(child, lambda: child.send_signal(SIGNALS[name]), 60)
                child.stderr.close()
                seconds.append(took)
                codes.append(code)
        server.stop()
    label = f"supervise, {'Claude Code' if claude else 'our own loop'}, {name}"
    row(label, seconds, codes, f"{len(astray)} went astray" if astray else "")
    if astray:
        verdict(False, f"{label}: it waits, and is asked to end", astray[0])
    if seconds:
        verdict(max(seconds) * 1000 < given.goal, f"{label}: ends within {given.goal:g} ms", f"at most {max(seconds) * 1000:.1f} ms")
        verdict(set(codes) == {0}, f"{label}: exit code 0", " ".join(sorted(set(map(str, codes)))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--claude", default=os.environ.get("PROVOST_TEST_CLAUDE", ""), help="the Claude Code CLI")
    parser.add_argument("--runs", type=int, default=20, help="for each agent and way to ask")
    parser.add_argument("--goal", type=float, default=50, help="milliseconds")
    parser.add_argument("--after", type=float, default=3600, help="seconds until the reset")
    loopback.options(parser)
    given = parser.parse_args()
    given.provost = os.path.abspath(given.provost)
    verdict = loopback.Verdict()
    ready()
    agents = [""]
    if given.claude:
        agents.append(str(pathlib.Path(given.claude).resolve()))
    print(f"a reset {given.after:g} s away{'' if given.claude else '; Claude Code is not at hand'}")
    print(loopback.busy())
    print(f"  {'':<50}{'runs':>6}{'median ms':>12}{'max ms':>12}")
    floor_row(given)
    for claude in agents:
        for name in [*SIGNALS, STOP]:
            supervise_row(given, claude, verdict, name)
    floor_row(given)
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
