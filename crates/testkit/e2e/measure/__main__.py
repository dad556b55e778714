"""Measures what a gateway costs, or keeps one busy for observation.

Measured are a start among many answers, a million foreign answers, and a thousand resumptions a second.

`scripts/measure` runs it on the optimised binary.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from harness import canaries, v2_frames
from harness.answerer import Answerer, answer_manually
from harness.gateway import Gateway
from harness.polling import eventually
from harness.v2_client import SUBPROTOCOL
from measure.bench import Bench, cpu_seconds, resident_mib
from measure.busy_gateway import run_busy_gateway


def measure_index(bench: Bench, count: int) -> None:
    """Measures a start among many recent answers, then as many foreign answers while the gateway runs."""
    written = bench.write_foreign_answers(count)
    print(f"{count} answers of 1 KiB written in {written:.1f} s")
    gateway = bench.start_gateway()
    line = eventually(
        lambda: re.search(r'"answers from before.*?"records":(\d+),"took":([0-9.]+)', gateway.log.read_text()),
        "the past is indexed",
        timeout=90,
    )
    print(
        f"indexed at the start: {line[1]} answers in {float(line[2]):.2f} s; {resident_mib(gateway):.0f} MiB resident"
    )
    before, used = cpu_seconds(gateway), resident_mib(gateway)
    bench.write_foreign_answers(count)
    gateway.wait_metric("answer_gateway_answers_total", count, outcome="foreign", timeout=120)
    spent = (cpu_seconds(gateway) - before) / count * 1e6
    print(f"{count} foreign answers while it runs: {spent:.2f} µs CPU each, librdkafka included")
    print(f"resident {used:.0f} MiB before, {resident_mib(gateway):.0f} MiB after")
    size = gateway.metrics().value("answer_gateway_recent_records_size_bytes", kind="index")
    records = gateway.metrics().value("answer_gateway_recent_records", kind="records")
    print(f"index: {records:.0f} records, {size / records:.1f} bytes each")


async def _connect(gateway: Gateway) -> ClientConnection:
    url = f"ws://127.0.0.1:{gateway.port}/ws"
    return await connect(url, subprotocols=[SUBPROTOCOL], proxy=None, compression=None, ping_interval=None)


async def _ask(gateway: Gateway, number: int) -> tuple[ClientConnection, str, str]:
    client = await _connect(gateway)
    await client.send(v2_frames.encode({"type": "start"}))
    v2_frames.decode(await client.recv())
    text = canaries.question(str(number))
    await client.send(v2_frames.encode({"type": "ask", "id": "q", "content": text}))
    return client, v2_frames.decode(await client.recv())["resume_token"], text


async def _resume(client: ClientConnection, token: str, text: str, wait: float) -> float:
    await asyncio.sleep(wait)
    began = time.monotonic()
    await client.send(v2_frames.encode({"type": "start", "resume_token": token, "last_seq": 0}))
    hello = v2_frames.decode(await client.recv())
    assert hello["resumed"], hello
    answer = v2_frames.decode(await client.recv())
    assert answer["data"] == canaries.answer_to(text)
    return time.monotonic() - began


def measure_resumption(bench: Bench, count: int, rate: int) -> None:
    """Measures the resumption of all sessions of a killed replica at another one within seconds."""
    first, second = bench.start_gateway(), bench.start_gateway()
    answerer = Answerer(bench.access, bench.topics, answer_manually)

    async def everybody() -> list[float]:
        asked = []
        for start in range(0, count, 200):
            numbers = range(start, min(start + 200, count))
            asked += await asyncio.gather(*(_ask(first, number) for number in numbers))
        first.crash()
        by_text = await asyncio.to_thread(_answer_all, answerer, [text for _, _, text in asked])
        assert by_text == count
        sockets = []
        for start in range(0, count, 200):
            sockets += await asyncio.gather(*(_connect(second) for _ in range(start, min(start + 200, count))))
        back = (
            _resume(socket, token, text, number / rate)
            for number, (socket, (_, token, text)) in enumerate(zip(sockets, asked, strict=True))
        )
        return await asyncio.gather(*back)

    with answerer.running():
        took = sorted(asyncio.run(everybody()))
    p99 = took[int(len(took) * 0.99)]
    print(f"{count} sessions resumed at {rate}/s: p50 {statistics.median(took) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")


def _answer_all(answerer: Answerer, asked: list[str]) -> int:
    wanted = set(asked)
    questions = eventually(
        lambda: len(found := [one for one in answerer.questions if one.text in wanted]) == len(wanted) and found,
        "every question is read",
        timeout=60,
    )
    for question in questions:
        answerer.write_record({"session_id": question.wire_id, "resposta": canaries.answer_to(question.text)})
    answerer.flush()
    return len(questions)


def main() -> int:
    """Runs the measurement that is named."""
    parser = argparse.ArgumentParser(prog="scripts/measure", description=__doc__)
    parser.add_argument("what", choices=("index", "resume", "busy"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--rate", type=int, default=1_000, help="resumptions a second")
    parser.add_argument("--seconds", type=float, default=180, help="how long a gateway is busy")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="answer-gateway-measure-") as folder:
        bench = Bench(Path(folder))
        try:
            if wanted.what == "index":
                measure_index(bench, wanted.count or 600_000)
            elif wanted.what == "busy":
                run_busy_gateway(bench, wanted.seconds)
            else:
                measure_resumption(bench, wanted.count or 3_000, wanted.rate)
        finally:
            bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
