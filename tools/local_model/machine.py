"""What the local model asks of the machine, looked at before anything is downloaded."""

import pathlib
import platform
import shutil
from dataclasses import dataclass

RUNTIME_DISK_BYTES = 200_000_000  # the virtual environment with the runtime


@dataclass(frozen=True)
class Machine:
    """Facts about this machine; sizes in bytes."""

    architecture: str
    has_avx2: bool
    memory_free: int
    disk_free: int


def look_at(folder: pathlib.Path) -> Machine:
    """The machine this runs on; `folder` is where the files would go (it need not exist yet)."""
    there = folder
    while not there.exists():
        there = there.parent
    return Machine(
        architecture=platform.machine(),
        has_avx2=" avx2 " in _read("/proc/cpuinfo").replace("\n", " "),
        memory_free=_memory_free(),
        disk_free=shutil.disk_usage(there).free,
    )


def problems(machine: Machine, memory_bytes: int, disk_bytes: int) -> list[str]:
    """Every reason why the local model cannot run here, in words for people; empty if it can."""
    found = []
    if machine.architecture not in ("x86_64", "aarch64"):
        found.append(f"the model runtime is built for x86-64 and aarch64, and this machine is {machine.architecture}")
    if machine.architecture == "x86_64" and not machine.has_avx2:
        found.append("the model runtime needs a processor with AVX2, and this one has none")
    if machine.memory_free < memory_bytes:
        found.append(f"it needs {gigabytes(memory_bytes)} of free memory, and {gigabytes(machine.memory_free)} are free")
    if machine.disk_free < disk_bytes:
        found.append(f"it needs {gigabytes(disk_bytes)} of free disk, and {gigabytes(machine.disk_free)} are free")
    return found


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _memory_free() -> int:
    """What the kernel could give now, or what the container's limit leaves, whichever is less."""
    free = 0
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return free


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(4 << 20)
    except OSError:
        return ""
