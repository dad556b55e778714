"""What is checked of the workflows: they run nothing that a person cannot, and nothing others may change."""

import re
from collections.abc import Iterator
from pathlib import Path

from common import REPOSITORY, Failure, run

_FOLDER = REPOSITORY / ".github" / "workflows"


def check(actionlint: Path) -> None:
    """All of it."""
    files = sorted(_FOLDER.glob("*.yaml"))
    run([actionlint, "-no-color", *files])
    problems = [problem for file in files for problem in _problems(file.name, file.read_text())]
    if problems:
        raise Failure("\n".join(problems))


def _problems(name: str, text: str) -> Iterator[str]:
    for used in re.findall(r"^\s*-? ?uses: (.*)$", text, re.MULTILINE):
        if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", used):
            yield f"{name}: `{used}` is not pinned by its commit, with the version behind it"
    if not re.search(r"^permissions:$", text, re.MULTILINE):
        yield f"{name} has no permissions of its own"
    jobs = text[text.index("\njobs:\n") :]
    for job in re.split(r"^  (?=[\w-]+:$)", jobs, flags=re.MULTILINE)[1:]:
        if "timeout-minutes:" not in job:
            yield f"{name}: the job {job.partition(':')[0]} has no timeout-minutes"
    for script in re.findall(r"(?<![\w./-])((?:scripts|\.ci|deploy)/[\w./-]+)", text):
        if not (REPOSITORY / script.rstrip(".")).exists():
            yield f"{name} names {script}, which is not there"
