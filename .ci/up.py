"""Runs `handsel up` on free ports for the gate's scripts, and ends only what it started."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

READY_S_MAX = 120
STOP_S_MAX = 15
CALL_S_MAX = 300


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Up:
    """One data directory, and the program on it: started, killed, started again."""

    def __init__(self, binary, brokers=None, settings=None):
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="handsel-ci-"))
        # Postgres runs as another user when this one is root, and must be able to enter.
        self.folder.chmod(0o755)
        self.port, self.admin_port, self.broker_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "HANDSEL_DATA_DIR": str(self.folder / "data"),
            "HANDSEL_PORT": str(self.port),
            "HANDSEL_ADMIN_PORT": str(self.admin_port),
            "HANDSEL_BROKER_PORT": str(self.broker_port),
            "HANDSEL_URL": self.url,
            "PATH": f"{pathlib.Path(self.binary).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if brokers:
            self.environment["KAFKA_BROKERS"] = brokers
        self.environment.update(settings or {})
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind, *_):
        running = self.process is not None and self.process.poll() is None
        if running:
            self.kill() if kind else self.stop()
        if kind:
            log = (self.folder / "up.log").read_text(errors="replace")
            print(f"--- the last lines of handsel up\n{log[-6000:]}", file=sys.stderr)
            if running:
                # What a kill leaves behind is a Postgres; the next start would stop it, and so does this one.
                self._sweep()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sweep(self):
        try:
            self.start()
            self.stop()
        except Exception as error:  # The first error is the one to tell.
            print(f"could not clean up: {error}", file=sys.stderr)

    def start(self):
        begun = time.monotonic()
        log = open(self.folder / "up.log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "up"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        while time.monotonic() - begun < READY_S_MAX:
            if self.process.poll() is not None:
                raise SystemExit(f"handsel up ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=5):
                    print(f"handsel up was ready after {time.monotonic() - begun:.1f} s")
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"handsel up was not ready after {READY_S_MAX} s")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=STOP_S_MAX)
        if status != 0:
            raise SystemExit(f"handsel up ended with {status} after SIGTERM")

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=STOP_S_MAX)

    def call(self, *words):
        """A sub-command that must succeed."""
        begun = time.monotonic()
        subprocess.run(
            [self.binary, *words], env=self.environment, stdin=subprocess.DEVNULL, check=True, timeout=CALL_S_MAX
        )
        print(f"handsel {' '.join(words)}: {time.monotonic() - begun:.1f} s", flush=True)

    def stored(self, context):
        """How many events the store of a context has."""
        said = subprocess.run(
            [self.binary, "status"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
            timeout=CALL_S_MAX, text=True,
        ).stdout
        return next(int(row[1]) for row in map(str.split, said.splitlines()) if len(row) == 4 and row[0] == context)

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Handsel-Caller": "ci;roles=operator"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")
            raise SystemExit(f"GET {path} was answered {refused.code}: {said}") from None

    def pages(self, path):
        """All rows of a list, page by page."""
        joint = "&" if "?" in path else "?"
        rows, cursor = [], ""
        while True:
            page = self.get(f"{path}{joint}limit=100{cursor}")
            rows += page["data"]
            if not page["has_more"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"
