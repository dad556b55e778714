"""A certificate authority of the stack's own and the broker's certificate, as PEM files."""

from pathlib import Path

from common import run

_DAYS = "365"


def create(folder: Path) -> None:
    """Writes `ca.pem` (for clients) and `broker.pem` (key and chain, for the broker), once."""
    if (folder / "broker.pem").exists():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    log = folder / "openssl.log"
    new_key = ["-newkey", "rsa:2048", "-nodes", "-days", _DAYS]
    run(
        ["openssl", "req", "-x509", *new_key, "-subj", "/CN=answer-gateway stack CA",
         "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
         "-keyout", "ca.key", "-out", "ca.pem"],
        cwd=folder, log=log,
    )  # fmt: skip
    run(
        ["openssl", "req", "-x509", *new_key, "-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", "broker.key", "-out", "broker.crt"],
        cwd=folder, log=log,
    )  # fmt: skip
    parts = [(folder / name).read_text() for name in ("broker.key", "broker.crt", "ca.pem")]
    fresh = folder / "broker.pem.new"
    fresh.write_text("".join(parts))
    fresh.replace(folder / "broker.pem")
