#!/usr/bin/env python3
"""What a fault costs: real agent CLIs before a loopback server that always answers so, counted in requests received.

    . target/real/env && python3 benches/money_per_fault.py [--provost P] [--alone] [--only codex,gemini] [--silent 90]

`--alone` also runs each CLI without provost, for at most a minute. Needs no key and no network.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import loopback

FAULTS = {
    "401": {
        "anthropic": (401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
        "openai": (401, {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}}),
        "gemini": (401, {"error": {"code": 401, "message": "API key not valid", "status": "UNAUTHENTICATED"}}),
    },
    "500": {
        "anthropic": (500, {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}),
        "openai": (500, {"error": {"message": "The server had an error", "type": "server_error", "code": "server_error"}}),
        "gemini": (500, {"error": {"code": 500, "message": "Internal error encountered.", "status": "INTERNAL"}}),
    },
    "quota": {
        "anthropic": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}),
        "openai": (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "code": "insufficient_quota"}}),
        "gemini": (429, {"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details.", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests", "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
        ]}}),
    },
}


class Handler(loopback.Handler):
    def do_POST(self):
        self.body()
        kind = loopback.protocol(self.path)
        if kind is None:
            return self.reply(200, {"input_tokens": 10, "totalTokens": 10})
        _, fault, cell = self.path.split("/")[:3]
        with self.server.lock:
            self.server.requests.setdefault(cell, []).append(time.monotonic())
        try:
            if fault == "silent":
                self.silence()
            elif fault == "cut":
                self.begin()
                for name, event in loopback.CUT[kind]:
                    self.send(loopback.frame(name, event))
                self.end()
            else:
                api = {"messages": "anthropic", "gemini": "gemini"}.get(kind, "openai")
                self.reply(*FAULTS[fault][api])
        except (BrokenPipeError, ConnectionResetError):
            pass


AGENTS = {
    # harness: variable of the binary, api of the endpoint, model, version path, variables
    "claude": ("PROVOST_TEST_CLAUDE", "anthropic", "anthropic/claude-sonnet-4-5", "/v1", {"IS_SANDBOX": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}),
    "codex": ("PROVOST_TEST_CODEX", "openai-responses", "openai/gpt-5.1-codex", "/v1", {}),
    "opencode": ("PROVOST_TEST_OPENCODE", "openai", "local/m", "/v1", {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1", "npm_config_offline": "true"}),
    "gemini": ("PROVOST_TEST_GEMINI", "gemini", "google/gemini-2.5-flash", "", {"GEMINI_CLI_TRUST_WORKSPACE": "true"}),
    "aider": ("PROVOST_TEST_AIDER", "openai", "openai/m", "/v1", {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "AIDER_ANALYTICS": "false"}),
}


def cell(server, provost, agent, fault, silent, alone):
    variable, api, model, version, variables = AGENTS[agent]
    binary = os.environ.get(variable)
    if not binary:
        return None
    name = f"{agent}-{fault}-{'alone' if alone else 'provost'}"
    url = f"http://127.0.0.1:{server.server_port}/{fault}/{name}{version}"
    place = pathlib.Path(tempfile.mkdtemp(prefix="provost-money-"))
    for part in ("home", "work"):
        (place / part).mkdir()
    subprocess.run(["git", "init", "-q", place / "work"], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(place / "home"), "MONEY_KEY": "dummy", **variables}
    # Else codex looks for its sandbox in a directory that it must not lie in.
    environment["TMPDIR"] = str(place / "home")
    begin = time.monotonic()
    outcome = ""
    if alone:
        command, stdin, more = bare(agent, binary, url, model, place)
        child = subprocess.Popen(command, cwd=place / "work", env={**environment, **more}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            child.communicate(stdin, timeout=60)
            outcome = f"exit {child.returncode}"
        except subprocess.TimeoutExpired:
            outcome = "still going"
    else:
        lines = "".join(f'{key} = "{value}"\n' for key, value in {**variables, "TMPDIR": environment["TMPDIR"]}.items())
        (place / "provost.toml").write_text(
            f'schema = 1\nname = "money"\n[agent]\nharness = "{agent}"\nmodel = "{model}"\nendpoint = "here"\n'
            f'command = ["{binary}"]\npermissions = "bypass"\n[agent.env]\n{lines}'
            f'[endpoints.here]\napi = "{api}"\nbase_url = "{url}"\nkey_env = "MONEY_KEY"\n'
            f'[round]\nfirst_event = "{silent}s"\n'
        )
        child = subprocess.Popen([provost, "run", "-q", "-p", place / "provost.toml", "--out", place / "run", "What is 2+2?"], cwd=place / "work", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        try:
            child.communicate(timeout=600)
            ended = [json.loads(line) for line in (place / "run/journal.jsonl").read_text().splitlines()[1:]]
            classes = [event["class"] for event in ended if event["kind"] == "attempt.failed"]
            outcome = f"exit {child.returncode} {'+'.join(dict.fromkeys(classes))} ×{len(classes)}"
        except (subprocess.TimeoutExpired, OSError) as error:
            outcome = f"no end: {error}"
    took = time.monotonic() - begin
    loopback.kill_all(child.pid)
    shutil.rmtree(place, ignore_errors=True)
    times = server.requests.get(name, [])
    return len(times), took, outcome


def bare(agent, binary, url, model, place):
    """The command that a person would type, its input, and its variables."""
    short = model.split("/", 1)[1]
    if agent == "claude":
        return [binary, "-p", "--model", short], b"What is 2+2?", {"ANTHROPIC_BASE_URL": url.removesuffix("/v1"), "ANTHROPIC_API_KEY": "dummy"}
    if agent == "codex":
        table = f'model_providers.p={{name="p",base_url="{url}",env_key="MONEY_KEY",wire_api="responses"}}'
        return [binary, "exec", "--skip-git-repo-check", "-c", "model_provider=p", "-c", table, "-m", short, "-"], b"What is 2+2?", {}
    if agent == "opencode":
        config = {"provider": {"local": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": url, "apiKey": "dummy"}, "models": {"m": {}}}}, "small_model": model}
        return [binary, "run", "--title", "t", "-m", model], b"What is 2+2?", {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}
    if agent == "gemini":
        settings = place / "home/.gemini"
        settings.mkdir()
        (settings / "settings.json").write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}, "general": {"enableAutoUpdate": False}}))
        return [binary, "-m", short, "-p", "What is 2+2?"], b"", {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "dummy"}
    return [binary, "--model", model, "--no-pretty", "--yes-always", "--no-check-update", "--analytics-disable", "--message", "What is 2+2?"], b"", {"OPENAI_API_BASE": url, "OPENAI_API_KEY": "dummy"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default="target/release/provost")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--faults", default="401,500,quota,cut,silent")
    parser.add_argument("--silent", type=int, default=90, help="round.first_event, seconds")
    given = parser.parse_args()
    provost = os.path.abspath(given.provost)
    server = loopback.Server(Handler).start()
    server.requests = {}
    agents = [agent for agent in AGENTS if not given.only or agent in given.only.split(",")]
    print(f"{'agent':10} {'fault':7} {'who':8} {'requests':>8} {'seconds':>8}  outcome", flush=True)
    for agent in agents:
        for fault in given.faults.split(","):
            for alone in [False, True] if given.alone else [False]:
                row = cell(server, provost, agent, fault, given.silent, alone)
                who = "alone" if alone else "provost"
                if row is None:
                    print(f"{agent:10} {fault:7} {who:8} not installed", flush=True)
                    continue
                count, took, outcome = row
                print(f"{agent:10} {fault:7} {who:8} {count:8} {took:8.1f}  {outcome}", flush=True)
    server.stop()


if __name__ == "__main__":
    main()
