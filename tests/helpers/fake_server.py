"""A tracking server of two threads and canned answers that goes away when a run's values are to be logged."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INFO = {
    "run_id": "0" * 32,
    "run_uuid": "0" * 32,
    "experiment_id": "7",
    "status": "RUNNING",
    "lifecycle_stage": "active",
}
ANSWERS = {
    "experiments/get-by-name": {"experiment": {"experiment_id": "7", "name": "halfstep", "lifecycle_stage": "active"}},
    "experiments/set-experiment-tag": {},
    "runs/create": {"run": {"info": INFO | {"artifact_uri": "mlflow-artifacts:/7"}, "data": {}}},
    "runs/set-tag": {},
    "runs/update": {"run_info": INFO},
}


@contextlib.contextmanager
def server_that_goes_away(hangs=False):
    """Yields (address, list that gets the time at which it went away).

    hangs: it keeps the connection and never answers again, as a server that is stuck, in place of closing its port.
    """
    went, over = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0].partition("/mlflow/")[2]
            if went or path not in ANSWERS:
                went.append(time.monotonic())
                if hangs:
                    over.wait(120)
                else:
                    threading.Thread(target=server.server_close).start()
                self.close_connection = True
                return
            body = json.dumps(ANSWERS[path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", went
    over.set()
    server.shutdown()
    server.server_close()
