"""Rust source as text: comments and literals blanked out, so that braces and words can be counted."""

import re

_TOKEN = re.compile(
    r"""
      //[^\n]*                                  # line comment
    | /\*                                       # block comment, nests
    | b?r(?P<hashes>\#*)"                       # raw string
    | b?"(?:\\.|[^"\\])*"                       # string
    | b?'(?:\\[^\n]{1,10}?|[^\\'\n])'           # character, but not a lifetime
    """,
    re.VERBOSE | re.DOTALL,
)
_FUNCTION = re.compile(r"^[ \t]*(?:(?:pub(?:\([^)]*\))?|async|const|unsafe|extern) +)*fn +(\w+)", re.MULTILINE)
_TEST_MODULE = re.compile(r"^#\[cfg\((?:all\()?test\b", re.MULTILINE)


def without_comments_and_literals(source: str) -> str:
    """The same text with the same lines, every comment and literal blanked."""
    out: list[str] = []
    position = 0
    while found := _TOKEN.search(source, position):
        end = found.end()
        if found.group().startswith("/*"):
            end = _end_of_block_comment(source, found.start())
        elif found.group("hashes") is not None:
            closing = source.find('"' + found.group("hashes"), found.end())
            end = len(source) if closing < 0 else closing + 1 + len(found.group("hashes"))
        out.append(source[position : found.start()])
        out.append(re.sub(r"[^\n]", " ", source[found.start() : end]))
        position = end
    out.append(source[position:])
    return "".join(out)


def functions(blanked: str) -> list[tuple[str, int, int]]:
    """Name, first line and number of lines of every function with a body."""
    found = []
    for match in _FUNCTION.finditer(blanked):
        body = re.compile(r"[{;]").search(blanked, match.end())
        if body is None or body.group() == ";":
            continue
        end = _end_of_block(blanked, body.start())
        first = blanked.count("\n", 0, match.end()) + 1
        found.append((match.group(1), first, blanked.count("\n", 0, end) + 2 - first))
    return found


def lines_without_trailing_tests(source: str) -> int:
    """The lines of a file up to its own test module, if that is the last thing in it."""
    modules = list(_TEST_MODULE.finditer(source))
    if not modules:
        return source.count("\n")
    last = modules[-1]
    blanked = without_comments_and_literals(source)
    opening = blanked.find("{", last.end())
    is_trailing = opening >= 0 and not blanked[_end_of_block(blanked, opening) + 1 :].strip()
    return source.count("\n", 0, last.start()) if is_trailing else source.count("\n")


def _end_of_block(blanked: str, opening: int) -> int:
    depth = 0
    for brace in re.finditer(r"[{}]", blanked[opening:]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return opening + brace.start()
    return len(blanked) - 1


def _end_of_block_comment(source: str, start: int) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", source[start:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return len(source)
