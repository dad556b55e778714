"""Creates a certificate authority of the stack's own and the broker's certificate, as PEM files."""

from pathlib import Path

from common import run

_NEW_KEY = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365")


def create(folder: Path) -> None:
    """Writes `ca.pem` (for clients) and `broker.pem` (key and chain, for the broker), once."""
    if (folder / "broker.pem").exists():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    log = folder / "openssl.log"
    authority = ("-subj", "/CN=answer-gateway stack CA", "-keyout", "ca.key", "-out", "ca.pem")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    run([*_NEW_KEY, *authority, *usage], cwd=folder, log=log)
    broker = ("-subj", "/CN=localhost", "-keyout", "broker.key", "-out", "broker.crt")
    names = ("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    run([*_NEW_KEY, *broker, "-CA", "ca.pem", "-CAkey", "ca.key", *names], cwd=folder, log=log)
    fresh = folder / "broker.pem.new"
    fresh.write_text("".join((folder / name).read_text() for name in ("broker.key", "broker.crt", "ca.pem")))
    fresh.replace(folder / "broker.pem")
