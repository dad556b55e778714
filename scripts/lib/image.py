"""The image without an engine: its files linted, and its last stage made by hand in a root of its own."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cache
import tools
from common import REPOSITORY, Failure, free_port, run

_IMAGE = REPOSITORY / "deploy" / "image"
DEBIAN = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_USER = "65532:65532"
_PATIENCE = 60.0


def check(binary: Path) -> str:
    """All of it. Returns what was seen."""
    lint()
    check_unit(binary)
    if os.geteuid() != 0:
        return "not started in a root of its own: only root can enter one"
    return start_in_bare_root(binary)


def lint() -> None:
    """The Dockerfile by hadolint; what it copies exists."""
    run([tools.lint_programs() / "hadolint", REPOSITORY / "Dockerfile"])
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    missing = [name for name in copied if not (REPOSITORY / name).exists()]
    if missing:
        raise Failure(f"Dockerfile copies what is not there: {', '.join(missing)}")
    let_in = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().split() if line.startswith("!")}
    left_out = sorted(name for name in _compiled_in() if name not in let_in)
    if left_out:
        raise Failure(f".dockerignore leaves out what the binary is compiled from: {', '.join(left_out)}")


def _compiled_in() -> set[str]:
    """The top-level names of what the sources include from outside crates/."""
    names = set()
    for source in (REPOSITORY / "crates").glob("*/src/**/*.rs"):
        for path in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
            included = (source.parent / path).resolve().relative_to(REPOSITORY)
            names.add(included.parts[0])
    return names - {"crates"}


def packages(name: str) -> list[str]:
    """The packages of `deploy/image/packages-to-…`."""
    lines = (_IMAGE / name).read_text().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def bare_root(name: str) -> Path:
    """A root with the packages of `deploy/image/packages-to-…`, and nothing else; made once."""
    wanted = packages(name)

    def build(folder: Path) -> None:
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(wanted)}", DEBIAN, folder / "root"]
        run([*command, _MIRROR], log=folder / "install.log", hint="Is Debian's mirror reachable?")

    return cache.install(_root_name(name), build, "takes about 2 min") / "root"


def start_in_bare_root(binary: Path) -> str:
    """Starts the demo of that binary as the image's user, in the image's root; asks it; ends it. Returns what was
    seen."""
    with tempfile.TemporaryDirectory(prefix="answer-gateway-image-") as scratch:
        root = Path(scratch) / "root"
        shutil.copytree(bare_root("packages-to-run"), root, symlinks=True, ignore=_devices)
        shutil.copy2(binary, root / "usr" / "bin" / "answer-gateway")
        root.parent.chmod(0o755)
        with _running(root) as (port, settings):
            seen = _inside(root, settings, "health")
            answer = _inside(root, settings, "ask", "--url", f"ws://127.0.0.1:{port}", "Which topics are there?")
    return f"{json.loads(seen)['status']}; asked, and answered with {len(answer)} characters; ended in order"


@contextlib.contextmanager
def _running(root: Path) -> Iterator[tuple[int, dict[str, str]]]:
    port, admin = free_port(), free_port()
    settings = {"PATH": "/usr/bin:/bin", "PORT": str(port), "GATEWAY__ADMIN__PORT": str(admin)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(_chroot(root, "demo"), env=settings, stdout=log, stderr=log)
        try:
            _await_ready(root, settings, process)
            yield port, settings
            process.terminate()
            code = process.wait(_PATIENCE)
        except (Failure, subprocess.TimeoutExpired) as problem:
            process.kill()
            log.seek(0)
            raise Failure(f"{problem}\n{log.read().decode(errors='replace')[-2000:]}") from problem
        finally:
            process.kill()
            process.wait()
    if code != 0:
        raise Failure(f"it ended with {code}")


def _await_ready(root: Path, settings: dict[str, str], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE
    while subprocess.run(_chroot(root, "health"), env=settings, capture_output=True, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure("it does not become ready")
        time.sleep(0.2)


def _inside(root: Path, settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(_chroot(root, *arguments), env=settings, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"`answer-gateway {arguments[0]}` ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _chroot(root: Path, *arguments: str) -> Sequence[str]:
    return ["/usr/sbin/chroot", f"--userspec={_USER}", str(root), "/usr/bin/answer-gateway", *arguments]


def _devices(folder: str, names: list[str]) -> list[str]:
    """Nothing of /dev is needed but what a process expects of every root."""
    return [name for name in names if folder.endswith("/dev")]


def _root_name(name: str) -> str:
    wanted = (_IMAGE / name).read_bytes()
    return f"root-{DEBIAN}-{hashlib.sha256(wanted).hexdigest()[:12]}"


def check_unit(binary: Path) -> None:
    """The unit file, as systemd reads it and as far as it shuts the service in."""
    unit = REPOSITORY / "deploy" / "systemd" / "answer-gateway.service"
    with tempfile.TemporaryDirectory(prefix="answer-gateway-unit-") as folder:
        copy = Path(folder) / unit.name
        copy.write_text(unit.read_text().replace("/usr/bin/answer-gateway", str(binary.resolve())))
        run(["systemd-analyze", "verify", "--man=no", copy])
        # 0 is shut in, 100 open; it has to reach the network and nothing else.
        run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", copy],
            log=Path(folder) / "security.log",
        )
