"""Starts the programs that take part in a benchmark, each pinned to its core, and stops them again."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time


class StartFailed(Exception):
    pass


class Server:
    """A running program with an address. `pid` is the process whose CPU time and memory count."""

    def __init__(self, name, command, cpu, log, ready="listening on "):
        self.name = name
        self.log = log
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=open(log, "ab"),
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
        self.pid = self.process.pid
        self.url = None
        if ready:
            self.url = self._wait_for(ready)
            # Nothing more is read from it; a full pipe must not stop the program.
            threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def _wait_for(self, ready):
        timer = threading.Timer(30, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                text = line.decode(errors="replace").strip()
                if text.startswith(ready):
                    return text[len(ready):]
        finally:
            timer.cancel()
        tail = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
        raise StartFailed(f"{self.name} did not start: {' '.join(self.process.args)}\n{tail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Bench:
    """Where the programs are and where their files go."""

    def __init__(self, binary, build_dir, work_dir, cores, before=None):
        self.binary = binary
        self.before = before  # the program of another version, to be measured beside this one
        self.work_dir = pathlib.Path(work_dir).resolve()
        self.load_cpu, self.server_cpu = cores
        self.build_dir = pathlib.Path(build_dir)
        self.mock_program = self.find("mock_upstream")
        self.load_program = self.find("bench_load")
        self.nginx_program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
        if self.work_dir.exists():
            shutil.rmtree(self.work_dir)
        self.work_dir.mkdir(parents=True)

    def find(self, name):
        for place in (self.build_dir / "bench" / name, self.build_dir / name):
            if place.exists():
                return place
        raise StartFailed(f"{name} is not built: cmake --build {self.build_dir} --target bench_programs")

    def clean_up(self):
        shutil.rmtree(self.work_dir, ignore_errors=True)

    def mock(self):
        return Server("mock_upstream", [str(self.mock_program)], self.load_cpu, self.work_dir / "mock.log")

    def nginx(self, mock):
        return Nginx(self.nginx_program, mock, self.server_cpu, self.work_dir)

    def tertulia(self, mock, store, checkpoints=True, before=False):
        """`store`: "memory" or "sqlite"; the database is new each time and on the disk of the build folder."""
        name = f"{store}-before" if before else store
        config = self.work_dir / f"{name}.toml"
        config.write_text(TERTULIA_CONFIG.format(mock=mock.url) + ("" if checkpoints else NO_CHECKPOINTS))
        where = "memory:"
        if store == "sqlite":
            folder = self.work_dir / f"db-{name}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            where = f"sqlite:{folder / 'bench.db'}"
        command = [str(self.before if before else self.binary), "serve", "--listen", "127.0.0.1:0", "--store", where, "--workers", "1",
                   "--log-level", "warn", "--config", str(config)]
        return Server(f"tertulia ({name})", command, self.server_cpu, self.work_dir / f"tertulia-{name}.log")


class Nginx(Server):
    """One worker as a pass-through proxy: /v1/ with nginx's buffering, /sse/ without it, so that events go on at once."""

    def __init__(self, program, mock, cpu, work_dir):
        folder = work_dir / "nginx"
        folder.mkdir(exist_ok=True)
        port = free_port()
        config = folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(NGINX_CONFIG.format(user=user, folder=folder, port=port, mock=mock.url[len("http://"):]))
        super().__init__("nginx", [program, "-c", str(config), "-p", str(folder)], cpu, work_dir / "nginx.log", None)
        self.url = f"http://127.0.0.1:{port}"
        wait_for_port(port, self)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if len(children) != 1:
            raise StartFailed(f"nginx has {len(children)} workers")
        self.pid = int(children[0])

    def stop(self):
        # The worker would outlive a killed master.
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, server):
    for _ in range(200):
        if server.process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    tail = pathlib.Path(server.log).read_text(errors="replace")[-2000:]
    raise StartFailed(f"{server.name} did not start\n{tail}")


TERTULIA_CONFIG = """\
model = "asked/json"

[[providers]]
name = "asked"
kind = "openai-chat"
base_url = "{mock}/v1"
api_key = "none"
stream = "as_asked"

[[providers]]
name = "always"
kind = "openai-chat"
base_url = "{mock}/v1"
api_key = "none"
stream = "always"
"""

NO_CHECKPOINTS = """
[checkpoints]
interval_ms = 0
"""

NGINX_CONFIG = """\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 40000;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{
    worker_connections 20000;
    multi_accept on;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 600;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    upstream mock {{
        server {mock};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 600;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        client_body_buffer_size 64k;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_read_timeout 600;
        location /v1/ {{
            proxy_pass http://mock;
        }}
        location /sse/ {{
            proxy_buffering off;
            proxy_pass http://mock/v1/;
        }}
    }}
}}
"""
