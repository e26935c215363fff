"""Loopback servers of the measuring programs beside this file: the words of the model APIs, whole and broken, and the
places that clients are started in. Python 3, standard library only."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A stream that ends without the marker that says that it is whole.
CUT = {
    "messages": [
        ("message_start", {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
        ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}}),
    ],
    "responses": [
        ("response.created", {"type": "response.created", "response": {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}}),
        ("response.output_text.delta", {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "hel"}),
    ],
    "completions": [(None, {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hel"}, "finish_reason": None}]})],
    "gemini": [(None, {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "hel"}]}}]})],
}

# The chat harness' name of an API, and what the paths of its requests say.
APIS = {"openai": "completions", "openai-responses": "responses", "anthropic": "messages"}


def protocol(path):
    path = path.split("?")[0]
    if path.endswith("/messages"):
        return "messages"
    if path.endswith("/responses"):
        return "responses"
    if path.endswith("/chat/completions"):
        return "completions"
    if "enerateContent" in path:
        return "gemini"
    return None


def frame(name, event):
    """One event of a stream; a string goes out as it is."""
    data = event if isinstance(event, str) else json.dumps(event)
    return (f"event: {name}\n" if name else "") + f"data: {data}\n\n"


def whole(kind, text):
    """The answer of a server that does not stream."""
    if kind == "messages":
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {"input_tokens": 10, "output_tokens": 5}}
    if kind == "responses":
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}
        return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [item], "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}


def stream(kind, pieces):
    """The answer as two lists of frames: what the model says, and then what marks the stream as whole."""
    if kind == "messages":
        begin = [("message_start", {"type": "message_start", "message": dict(whole(kind, ""), content=[], stop_reason=None)}), ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})]
        said = [("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}) for piece in pieces]
        end = [("content_block_stop", {"type": "content_block_stop", "index": 0}), ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}), ("message_stop", {"type": "message_stop"})]
    elif kind == "responses":
        answer = whole(kind, "".join(pieces))
        begin = [("response.created", {"type": "response.created", "response": dict(answer, status="in_progress", output=[])}), ("response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": dict(answer["output"][0], status="in_progress", content=[])})]
        said = [("response.output_text.delta", {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece}) for piece in pieces]
        end = [("response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": answer["output"][0]}), ("response.completed", {"type": "response.completed", "response": answer})]
    else:
        def chunk(delta, reason=None, usage=None):
            return (None, {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": usage})
        begin = [chunk({"role": "assistant", "content": ""})]
        said = [chunk({"content": piece}) for piece in pieces]
        end = [chunk({}, "stop", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}), (None, "[DONE]")]
    return [frame(*each) for each in begin + said], [frame(*each) for each in end]


class Handler(BaseHTTPRequestHandler):
    """Answers what every client asks for, and has the ways to answer and to break off."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": "m", "object": "model"}], "models": []})

    def body(self):
        """The request's body, as bytes."""
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def begin(self):
        """The head of a stream."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def send(self, text):
        """A piece of a stream."""
        self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def end(self):
        """The end of a stream, as far as HTTP is concerned."""
        self.wfile.write(b"0\r\n\r\n")

    def silence(self):
        """Says nothing until the client has gone or the server is over."""
        while not self.server.over.wait(0.2):
            # A client that has gone is noticed by nobody else.
            self.connection.setblocking(False)
            try:
                if not self.connection.recv(1):
                    break
            except BlockingIOError:
                pass
            except OSError:
                break
        self.close_connection = True

    def hang_up(self):
        """Closes the connection in the middle of whatever was being said."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def reset(self):
        """Resets the connection, so that the client's next read fails."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Server(ThreadingHTTPServer):
    """A server on a free port of the loopback interface; `lock` guards whatever its user keeps on it."""

    daemon_threads = True
    # A fleet connects at once.
    request_queue_size = 512

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.lock, self.over = threading.Lock(), threading.Event()

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def shutdown_request(self, request):
        # One that is to be reset must not be ended politely first.
        if request.fileno() >= 0 and struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        # Clients that are killed or give up leave in the middle.
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)

    def url(self, version="/v1"):
        return f"http://127.0.0.1:{self.server_port}{version}"

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Place:
    """A directory with a home of its own, for clients that must not see the user's; gone with the `with` block."""

    def __init__(self, name, given):
        self.path, self.keep = pathlib.Path(tempfile.mkdtemp(prefix=f"provost-{name}-", dir=given.dir)).resolve(), given.keep

    def __enter__(self):
        (self.path / "home").mkdir()
        return self

    def __exit__(self, *_):
        if self.keep:
            print(f"kept: {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def environment(self, state="state", **more):
        """Nothing of the caller's but the path. `state` is where clients that share it meet."""
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.path / "home"), "TMPDIR": str(self.path), "XDG_STATE_HOME": str(self.path / state), "BENCH_KEY": "dummy", **more}

    def profile(self, name, url, api="openai", more=""):
        """A profile of the chat harness with one endpoint and one key."""
        path = self.path / f"{name}.toml"
        path.write_text(
            f'schema = 1\nname = "{name}"\n[agent]\nharness = "chat"\nmodel = "local/m"\nendpoint = "here"\ntools = []\n'
            f'[endpoints.here]\napi = "{api}"\nbase_url = "{url}"\nkey_env = "BENCH_KEY"\n{more}'
        )
        return path


def journal(run):
    """The events of a run, without the header and without a torn last line."""
    try:
        lines = (pathlib.Path(run) / "journal.jsonl").read_text(errors="replace").split("\n")[1:-1]
    except OSError:
        return []
    return [json.loads(line) for line in lines]


def under(pid):
    """The processes below one, by their parents."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
            except OSError:
                pass
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [child for child, of in parents.items() if of == parent]
        found += children
        todo += children
    return found


def kill_all(pid):
    """Kills a process that we have started, and all below it."""
    for each in [pid, *under(pid)]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            pass


def options(parser):
    """The options of every program that works in a `Place`."""
    parser.add_argument("--dir", help="where to work; on a disk whose cost you want to see, for journals are synced to it")
    parser.add_argument("--keep", action="store_true", help="leave the directories of the runs")


class Verdict:
    """Lines that say whether what was promised holds, and the exit code that follows."""

    def __init__(self):
        self.code = 0

    def __call__(self, good, promise, found):
        print(f"  {'holds' if good else 'violated'}: {promise}: {found}", flush=True)
        if not good:
            self.code = 1


def busy():
    """One line on how quiet the machine is, since times depend on it."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} over the last minute: times below are as of such a machine"
