"""Places of the state for the benchmarks: files, and databases of a PostgreSQL server that lives as long as the measurement."""

import os
import subprocess
import time
from pathlib import Path

import measure

PACKAGE = Path("/usr/lib/postgresql")
ROLE = "ad_connector"
TICKS = os.sysconf("SC_CLK_TCK")


class Files:
    """SQLite files in a folder."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def url(self, name):
        """STATE_URL of a new state."""
        return f"sqlite:{self.place}/{name}.db"

    def mib(self, name):
        """Size of the file with what SQLite keeps beside it."""
        return sum(part.stat().st_size for part in self.place.glob(f"{name}.db*")) / (1 << 20)

    def cpu(self):
        """Seconds of the processors that the database took so far: here it is part of the program."""
        return 0

    def free(self, name):
        """Waits until nobody holds a connection: the system takes the lock from a process that dies."""


class Databases:
    """Databases of a server with the settings of the package: its commits wait for the disk (fsync), 128 MiB of buffers."""

    def __init__(self, place):
        self.place = place / "postgres"
        self.port = measure.free_port()
        versions = [version for version in PACKAGE.iterdir() if (version / "bin/initdb").exists()]
        self.programs = max(versions, key=lambda version: int(version.name)) / "bin"

    def __enter__(self):
        # The folders above are closed to the user whom the server runs as.
        self.place.parent.chmod(0o755)
        self.place.mkdir()
        self.place.chmod(0o777)
        self.run("initdb", "-D", self.place / "data", "-U", ROLE, "--auth=trust", "--no-instructions")
        settings = f"-p {self.port} -k {self.place} -c listen_addresses="
        self.run("pg_ctl", "start", "-w", "-D", self.place / "data", "-l", self.place / "log", "-o", settings)
        self.postmaster = int((self.place / "data/postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.place / "data")

    def run(self, program, *arguments):
        """A program of the package, which root may not run."""
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*user, self.programs / program, *arguments], cwd=self.place, check=True,
                       env=os.environ | {"LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def ask(self, database, statement):
        """The answer to a statement, without decoration."""
        command = [self.programs / "psql", "-XqAt", "-h", self.place, "-p", str(self.port), "-U", ROLE, "-d", database, "-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def url(self, name):
        """STATE_URL of a new state."""
        self.ask("postgres", f"CREATE DATABASE {name}")
        return f"postgres://{ROLE}@{str(self.place).replace('/', '%2F')}:{self.port}/{name}"

    def mib(self, name):
        """Size of the database."""
        return int(self.ask(name, f"SELECT pg_database_size('{name}')")) / (1 << 20)

    def cpu(self):
        """Seconds of the processors that the server's processes took so far, those that have ended included."""
        ticks = sum(times(self.postmaster))
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if parent(process.name) == self.postmaster:
                    ticks += sum(times(process.name))
            except OSError:
                # It ended meanwhile, and is in the times of the first process.
                continue
        return ticks / TICKS

    def free(self, name):
        """Waits until nobody holds a connection: the lease of a process that dies lasts for some seconds more."""
        while self.ask(name, "SELECT count(*) FROM lease WHERE expires_at > clock_timestamp()") != "0":
            time.sleep(0.2)


def fields(process):
    """What /proc/PID/stat says behind the name, proc(5)."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def parent(process):
    """The process that started it."""
    return int(fields(process)[1])


def times(process):
    """User and system time in ticks, its own and that of those of its children that have ended."""
    return [int(field) for field in fields(process)[11:15]]


KINDS = {"sqlite": Files, "postgres": Databases}
