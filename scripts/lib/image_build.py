"""The image's build without an engine: the first stage of the Dockerfile, in a root of its own."""

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

import cache
import image
from common import REPOSITORY, Failure, output_of, run, say

_MINUTES = 5
# Where things are inside. The compiler and its libraries are the machine's, as the base image has its own.
_INSIDE = {
    "PATH": "/compiler/bin:/usr/bin:/bin",
    "CARGO_HOME": "/cargo",
    "CARGO_TARGET_DIR": "/target",
    "CARGO_NET_OFFLINE": "true",
    "HOME": "/",
}


def build(folder: Path) -> Path:
    """Runs deploy/image/build on what the engine would be sent, with Debian's packages to build and no others. Returns
    the binary, below the folder as it lies in the image."""
    if os.geteuid() != 0:
        raise Failure("the build takes root: only root can enter a root of its own")
    run(["cargo", "fetch", "--locked"], hint="Is crates.io reachable?")
    compiler = output_of(["rustc", "--print", "sysroot"])
    if compiler is None:
        raise Failure("rustc does not say where it is installed")
    # What was compiled there before stays, as in the engine's cache.
    target = cache.root() / "image-target"
    made = folder / "image"
    for needed in (target, made):
        needed.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="answer-gateway-source-") as name:
        source = Path(name)
        files = _send(source)
        say(f"  compiling {files} files of the image's source in a bare {image.DEBIAN} (about {_MINUTES} min, once)")
        mounts = {
            "source": source,
            "compiler": Path(compiler),
            "cargo": Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo"),
            "target": target,
            "image": made,
        }
        run(_inside(image.bare_root("packages-to-build"), mounts), limit=3600)
    return made / "usr" / "bin" / "answer-gateway"


def _inside(root: Path, mounts: dict[str, Path]) -> list[str | Path]:
    """The command that builds there. Its mounts are its own, and gone when it ends."""
    binds = [f'mkdir -p "$0/{name}" && mount --bind "{path}" "$0/{name}"' for name, path in mounts.items()]
    binds.append('mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev"')
    # Nothing of this machine's environment gets in.
    told = " ".join(f"{name}={value}" for name, value in _INSIDE.items())
    build = f'exec /usr/sbin/chroot "$0" /usr/bin/env --ignore-environment {told} /source/deploy/image/build /image'
    script = " && ".join([*binds, build])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, root]


def _send(folder: Path) -> int:
    """Copies what .dockerignore lets the engine see. Returns the number of files."""
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    listed = output_of(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    if listed is None:
        raise Failure("git does not list the files of this tree; the build is made from a checkout")
    names = [name for name in listed.split("\0") if name and _is_sent(PurePosixPath(name), rules)]
    for name in names:
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return len(names)


def _is_sent(file: PurePosixPath, rules: list[str]) -> bool:
    """The last rule that fits a file or a folder above it decides."""
    above = [file, *file.parents]
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        if pattern == "*" or any(one.match(pattern) if "**/" in rule else str(one) == pattern for one in above):
            sent = rule.startswith("!")
    return sent
