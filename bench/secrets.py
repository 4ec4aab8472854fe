"""What looking for secrets costs, and what it finds beside other tools.

`python -m bench.secrets` prints two tables: the time of a scan by bytes and credentials
(ratios of one run on one machine), and a corpus with planted secrets as tollproof,
plain detect-secrets and, where it is installed, gitleaks see it.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.figures import Row, interleaved, median_ratio, program, wall
from tollproof.record import read_journal
from tollproof.redaction import Credential, Redactor
from tollproof.secrecy.known import Known, anywhere
from tollproof.secrecy.patterns import find_patterns

LETTERS = string.ascii_letters + string.digits
FORMAT = r"^sk_live_[A-Za-z0-9]{42}$"


def keys(count: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return [
        "sk_live_" + "".join(chance.choice(LETTERS) for _ in range(42))
        for _ in range(count)
    ]


def redactor_of(values: list[str]) -> Redactor:
    redactor = Redactor()
    for number, value in enumerate(values):
        redactor.add(
            Credential(label=f"key {number}", value=value, public_prefix="sk_live_")
        )
    return redactor


def one_line(size: int) -> bytes:
    """Return JSON on one line, with escapes, of about that many bytes."""
    chance = random.Random(2)
    item = {
        "id": "".join(chance.choice(LETTERS) for _ in range(24)),
        "text": 'words that say "nothing" & more\n',
        "score": 0.25,
    }
    one = json.dumps(item)
    return ("[" + ",".join([one] * (size // (len(one) + 1))) + "]").encode()


def cost() -> None:
    print("bytes      credentials  CPU seconds")
    for size in (100_000, 1_000_000, 4_000_000):
        data = one_line(size)
        for count in (1, 10, 100):
            known = Known(redactor=redactor_of(keys(count)), format=anywhere(FORMAT))
            started = time.process_time()
            known.find(data, "line")
            print(f"{len(data):<10} {count:<12} {time.process_time() - started:.3f}")


def measure() -> Iterator[Row]:
    """Yield how the scan's CPU time grows, and what it costs beside its bar.

    The bar of a megabyte on one line is a second of CPU for ten credentials.
    """
    known = Known(redactor=redactor_of(keys(10)), format=anywhere(FORMAT))

    def seconds(data: bytes) -> float:
        started = time.process_time()
        known.find(data, "line")
        return time.process_time() - started

    small, large = one_line(500_000), one_line(2_000_000)
    once, fourfold = interleaved(5, lambda: seconds(small), lambda: seconds(large))
    growth = median_ratio(fourfold, once) / 4
    yield Row(
        name="secret scan, linear",
        ratio=growth,
        bar=1.3,
        note="4 times the bytes, divided by 4",
    )
    million = statistics.median(seconds(one_line(1_000_000)) for _ in range(5))
    yield Row(
        name="secret scan, 1 MB line",
        ratio=million,
        bar=1.0,
        note="CPU seconds for 10 credentials",
    )
    yield from measure_sweep()


def measure_sweep() -> Iterator[Row]:
    """Yield what looking through every answer costs, as a share of a gate's wall time.

    All that was recorded of a gate is looked through once more, for many credentials:
    the run's own, and those that it made up.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        command = [program("tollproof"), "gate", "--output", str(folder)]
        seconds = wall(command)
        exchanges = list(read_journal(folder))
    redactor = redactor_of(keys(500))
    started = time.perf_counter()
    for exchange in exchanges:
        if exchange.response is not None:
            redactor.redact_headers(exchange.response.headers)
            redactor.scrub(exchange.response.body, "body")
    swept = time.perf_counter() - started
    yield Row(
        name="secret sweep of a gate",
        ratio=swept / seconds,
        bar=0.1,
        note=f"{len(exchanges)} exchanges, {swept:.2f} of {seconds:.1f} s",
    )


# -- a corpus --------------------------------------------------------------------------

Corpus = tuple[dict[str, str], set[str]]


def corpus(own: str) -> Corpus:
    """Return files by name, and the names of those with a secret in them."""
    aws = "AKIA" + "Q3EGTV5XN2LKJ7WD"
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    private = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + "x7Kq" * 16
    planted = {
        "plain.log": f"GET / Authorization: Bearer {own}\n",
        "base64.log": f"basic {base64.b64encode(own.encode()).decode()}\n",
        "hex.txt": f"trace={own.encode().hex()}\n",
        "percent.log": "GET /?k=" + "".join(f"%{ord(c):02X}" for c in own) + "\n",
        "json_escaped.json": json.dumps({"k": own}).replace("s", "\\u0073"),
        "other_key.py": f'KEY = "{keys(1, seed=9)[0]}"\n',
        "aws.py": f'AWS = "{aws}"\n',
        "aws_hidden.py": f'AWS = "{aws}"  # pragma: allowlist secret gitleaks:allow\n',
        "github.yml": f"token: {token}\n",
        "private.pem": private + "\n",
        "long_line.js": "var a=1;" * 20_000 + f'var k="{own}";',
        "password.py": 'DB_PASSWORD = "Tr0ub4dor-and-3x"\n',
        "url.env": f"DATABASE=postgres://app:{'s3cr' + 'et9x'}@db.example/app\n",
    }
    harmless = {
        "uuid.json": json.dumps({"id": "5f0c9b1e-3f5d-4f57-9c55-1d6f1a2b3c4d"}),
        "sha.lock": f"sha256:{'9f86d081884c7d65' * 4}\n",
        "integrity.json": json.dumps({"integrity": "sha512-" + "aB3dE6gH9jK2mN5p" * 5}),
        "placeholder.py": f'KEY = "sk_live_{"x" * 42}"\n',
        "environ.py": 'password = os.environ["PASSWORD"]\n',
        "masked.json": json.dumps({"masked": "sk_live_************" + own[-4:]}),
        "prose.md": "Send your key as a bearer token; no password is sent.\n",
        "image.svg": '<svg><path d="' + "M10.5 20.25L30.75 40" * 40 + '"/></svg>',
    }
    return planted | harmless, set(planted)


def ours(folder: Path, own: str) -> set[str]:
    known = Known(redactor=redactor_of([own]), format=anywhere(FORMAT))
    found = set()
    for path in folder.iterdir():
        data = path.read_bytes()
        text = data.decode("utf-8", "replace")
        if known.find(data, path.name) or find_patterns(text, path.name):
            found.add(path.name)
    return found


def plain_detect_secrets(folder: Path, own: str) -> set[str]:
    argv = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "-n", "."]
    done = subprocess.run(argv, cwd=folder, capture_output=True, check=True)
    return set(json.loads(done.stdout)["results"])


def gitleaks(folder: Path, own: str) -> set[str]:
    program = shutil.which("gitleaks") or ""
    report = folder.parent / "gitleaks.json"
    argv = [program, "dir", "--no-banner", "-f", "json", "-r", str(report), "."]
    subprocess.run(argv, cwd=folder, capture_output=True, check=False)
    return {Path(item["File"]).name for item in json.loads(report.read_text())}


def compare() -> None:
    own = keys(1)[0]
    files, secret = corpus(own)
    scanners: Mapping[str, Callable[[Path, str], set[str]]] = {
        "tollproof": ours,
        "detect-secrets": plain_detect_secrets,
        **({"gitleaks": gitleaks} if shutil.which("gitleaks") else {}),
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "corpus"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        print(
            f"\nscanner         found of {len(secret)}  false alarms of "
            f"{len(files) - len(secret)}  missed"
        )
        for name, scan in scanners.items():
            found = scan(folder, own)
            missed = sorted(secret - found)
            false = sorted(found - secret)
            print(
                f"{name:<15} {len(secret & found):<12} {len(false)} "
                f"{false or ''}  {missed}"
            )


if __name__ == "__main__":
    cost()
    compare()
