"""What the benchmarks share: building, starting the lab, measuring a program from outside, and telling the result."""

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CONNECTOR = RELEASE / "ad-connector"
# What the default mapping table reads of users and of groups, and what every object is known by.
ATTRIBUTES = ["objectGUID", "objectSid", "name", "mail", "displayName", "whenCreated", "pwdLastSet", "description", "groupType"]
OBJECTS = "(|(&(objectCategory=person)(objectClass=user))(objectCategory=group))"
UUID = "8c2d7e1a-3b4f-4c5d-9e6f-0a1b2c3d4e5f"


def build():
    """The product and the lab as they are shipped: optimised."""
    subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "ad-connector", "--package", "lab", "--bins"],
                   cwd=ROOT, check=True)


def measured(command, environment=None, output=subprocess.DEVNULL, expected=(0,)):
    """Runs a program to its end. Seconds of the clock and of the processors, and the peak of its memory in MiB."""
    with tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expected:
            errors.seek(0)
            raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{errors.read().decode()[-4000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "user": usage.ru_utime, "system": usage.ru_stime,
            "mib": usage.ru_maxrss / 1024}


def killed(command, environment, when):
    """Runs a program, and kills it as soon as `when` says so."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    while not when():
        assert process.poll() is None, "it ended by itself"
        time.sleep(0.02)
    process.kill()
    process.wait()


class Program:
    """A server of the lab, until the end of a `with`. Commands go to its standard input."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([RELEASE / name, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def line(self):
        """The next line that it prints."""
        return self.process.stdout.readline()

    def ask(self, command):
        """Gives a command and waits for its answer."""
        print(command, file=self.process.stdin, flush=True)
        return self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def environment(**variables):
    """That of the product and nothing else: what stands around must not change what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "QUALYS_CLIENT_ID": "lab-client",
        "QUALYS_CLIENT_SECRET": "lab-client-secret",
        "QUALYS_CONNECTOR_UUID": UUID,
        "HTTP_LISTEN": "off",
    } | variables


def last_run(environment, before=0):
    """The newest run of the history, or one of those before."""
    told = subprocess.run([CONNECTOR, "runs", "--json"], env=environment, check=True, capture_output=True, text=True)
    return json.loads(told.stdout.splitlines()[before])


def uuid(number):
    """A connector UUID for each."""
    return f"8c2d7e1a-3b4f-4c5d-9e6f-{number:012x}"


def write_connections(place, count):
    """The file of so many connections to one directory, for a program whose working directory is `place`."""
    folder = place / "config"
    folder.mkdir()
    text = '[[connection]]\nname = "corp"\n' + "".join(
        f'[[connection.profile]]\nname = "p{number}"\nqualys_connector_uuid = "{uuid(number)}"\n'
        for number in range(count))
    (folder / "connections.toml").write_text(text)


def free_port():
    """One that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def median(rounds, what):
    """Of several rounds."""
    return statistics.median(one[what] for one in rounds)


def machine():
    """One line: where the numbers come from."""
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}"


def folder():
    """An empty one; the state file is written where tests write, not in memory."""
    place = ROOT / "target" / "benches"
    place.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=place))


def remove(place):
    """With everything in it."""
    shutil.rmtree(place, ignore_errors=True)


def table(head, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def picture(title, bars):
    """Bars with their names and values, as SVG that can be read on a light and on a dark page."""
    longest = max(value for _, value in bars)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {40 + 34 * len(bars)}" font-family="sans-serif" font-size="14">',
             f'<title>{title}</title>', f'<text x="8" y="22" fill="#808080">{title}</text>']
    for number, (name, value) in enumerate(bars):
        top = 34 + 34 * number
        lines += [f'<text x="250" y="{top + 17}" text-anchor="end" fill="#808080">{name}</text>',
                  f'<rect x="260" y="{top}" width="{max(2, 390 * value / longest):.0f}" height="24" fill="#2f7dd1"/>',
                  f'<text x="{268 + 390 * value / longest:.0f}" y="{top + 17}" fill="#808080">{value:.2f}</text>']
    return "\n".join([*lines, "</svg>", ""])
