"""A toy that plays all models of the grid, on this machine only: `model.py PORT` prints its process id and goes on behind.

`large` adds up. Any other model forgets the carry unless it is told to go step by step, and half of all else where it
is told not to think. Asked to shorten a text, it keeps the beginning.
"""

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(model, said):
    material = re.search(r"^BEGIN text (\S+)\n(.*)\nEND text \1$", said, re.S | re.M)
    if material:
        wanted = int(re.search(r"with about (\d+) words", said)[1])
        return " ".join(material[2].split()[:wanted])
    first, second = map(int, re.search(r"(\d+) \+ (\d+)", said).groups())
    carries = first % 10 + second % 10 > 9
    if model == "large" or "step by step" in said:
        return str(first + second)
    if carries or "Do not think" in said and first % 2:
        return str(first + second - 10)
    return str(first + second)


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = "\n".join(message["content"] for message in asked["messages"])
        text = answer(asked["model"], said)
        used = {"prompt_tokens": len(said) // 4, "completion_tokens": len(text) // 4 + 1}
        used["total_tokens"] = sum(used.values())
        shared = {"id": "toy", "object": "chat.completion.chunk", "created": 0, "model": asked["model"]}
        chunks = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": used},
        ]
        body = "".join(f"data: {json.dumps(shared | chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model)
child = os.fork()
if child:
    print(child)
    sys.exit()
os.setsid()  # Ctrl-C is for those who ask; whoever has started it ends it
os.close(1)
server.serve_forever()
