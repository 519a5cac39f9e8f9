"""A Postgres of the gate's own with a few databases, from the binaries that the program has fetched."""

import glob
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from up import free_ports

READY_S_MAX = 60
STOP_S_MAX = 15
NOBODY = 65534


def binaries():
    """Where an earlier start of the program has put them."""
    if "HANDSEL_POSTGRES_BIN" in os.environ:
        return pathlib.Path(os.environ["HANDSEL_POSTGRES_BIN"])
    usual = pathlib.Path.home() / ".cache" if os.getuid() else pathlib.Path("/var/cache")
    usual = pathlib.Path(os.environ.get("XDG_CACHE_HOME", usual)) if os.getuid() else usual
    cache = os.environ.get("HANDSEL_CACHE_DIR", usual / "handsel")
    found = sorted(glob.glob(f"{cache}/postgres-*/bin"))
    if not found:
        raise SystemExit(f"no Postgres lies in {cache}: start the program once before")
    return pathlib.Path(found[-1])


class Postgres:
    """Everybody on this machine may log in: it holds nothing of anybody and goes with the run."""

    def __init__(self, databases):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="handsel-ci-postgres-"))
        self.data = self.folder / "data"
        # Postgres refuses to be root.
        self.as_whom = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        if self.as_whom:
            os.chown(self.folder, NOBODY, NOBODY)
        (self.port,) = free_ports(1)
        self.databases = databases
        self.process = None

    def __enter__(self):
        self._run("initdb", "-D", self.data, "-U", "handsel", "--auth=trust", "--encoding=UTF8", "--no-sync")
        made = "".join(f"create database {name}\n" for name in self.databases)
        self._run("postgres", "--single", "-D", self.data, "postgres", said=made)
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
        log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [binaries() / "postgres", "-D", self.data, *(word for setting in settings for word in ("-c", setting))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self.as_whom,
        )
        log.close()
        begun = time.monotonic()
        while time.monotonic() - begun < READY_S_MAX and self.process.poll() is None:
            lines = (self.data / "postmaster.pid").read_text().splitlines() if (self.data / "postmaster.pid").exists() else []
            if len(lines) > 7 and lines[7].strip() == "ready":
                return self
            time.sleep(0.05)
        said = (self.folder / "log").read_text(errors="replace")
        self.__exit__()
        raise SystemExit(f"Postgres did not start:\n{said[-2000:]}")

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(2)
            try:
                self.process.wait(timeout=STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        return f"postgres://handsel@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def _run(self, program, *words, said=""):
        done = subprocess.run(
            [binaries() / program, *words],
            input=said.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", timeout=READY_S_MAX,
            **self.as_whom,
        )
        if done.returncode != 0:
            raise SystemExit(f"{program} failed:\n{done.stdout.decode(errors='replace')}")
