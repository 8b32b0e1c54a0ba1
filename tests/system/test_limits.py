"""A sweep stops when its budget is spent or somebody asks, says so, and goes on as if never."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = pytest.mark.system


@pytest.fixture
def webhook():
    """A server that keeps what it is sent."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


def test_a_spent_budget_stops_and_the_same_command_without_it_goes_on(desk, expected, webhook):
    url, got = webhook
    _, said = desk.run(*desk.sweep_args("--max-hours", "0.0001", "--notify", url), code=130)

    assert "--max-hours 0.0001 is reached" in said
    assert [message["title"] for message in got] == ["Sweep tau stopped"]
    assert "missing" in got[0]["body"]

    desk.run(*desk.sweep_args("--notify", url))
    assert desk.results() == expected
    assert [message["title"] for message in got][1:] == ["Sweep tau finished"]


def test_a_sweep_is_stopped_from_another_process(desk, killed):
    driver = desk.start(*desk.sweep_args("--epochs", "400"))
    killed.append(driver)
    desk.wait_for_epoch(driver, 1)
    out, _ = desk.run("status", "--tracking-uri", desk.tracking, "--format", "json")
    [listed] = json.loads(out)["sweeps"]
    assert listed["status"] == "running"
    assert f"(process {driver.pid})" in listed["driver"]

    _, said = desk.run("stop", "tau", "--tracking-uri", desk.tracking)
    assert "Asked sweep 'tau'" in said
    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 130
    assert "somebody asked for it with `tass-cli stop`" in said
    _, said = desk.run("stop", "tau", "--tracking-uri", desk.tracking, code=2)
    assert "is not running: stopped" in said
