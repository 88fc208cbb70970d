"""The files of examples/server/deploy, held against the program, nginx and systemd.

OPSCONDUCTOR_BIN names the program.
"""

import datetime
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "server" / "deploy"
PROGRAM = os.environ["OPSCONDUCTOR_BIN"]
NAME = "ops.example.com"
PASSWORD = "a password of some length"
# Long enough for a loaded machine; nothing that works waits that long.
PATIENCE = 60


def opsconductor(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)


def commands() -> dict[str, list[str]]:
    """Each command line of the program that a file here has, with its place."""
    found = {}
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        if "command" in service:
            found[f"compose.yaml {name}"] = service["command"]
    for unit in DEPLOY.glob("*.service"):
        line = re.search(r"^ExecStart=/usr/local/bin/opsconductor (.+)$", unit.read_text(), re.MULTILINE)
        found[unit.name] = shlex.split(line[1])
    for number, line in enumerate((DEPLOY / "README.md").read_text().splitlines(), 1):
        for command in re.findall(r"(?:compose run [^|]*?\bserver|[;`] ?opsconductor|^opsconductor) ([^;`&|]+)", line):
            found[f"README.md:{number}"] = shlex.split(command)
    return found


def test_every_command_and_flag_is_one_of_the_program():
    found = commands()
    assert {words[0] for words in found.values()} >= {"serve", "worker", "migrate", "user", "key", "workers"}
    for place, words in found.items():
        names = [word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        depth = 2 if names[0] in ("user", "key") else 1
        said = opsconductor(*names[:depth], "--help")
        assert said.returncode == 0, f"{place}: no command {names[:depth]}"
        for flag in (word for word in words if word.startswith("--")):
            assert re.search(rf"(?<![\w-]){flag}(?![\w-])", said.stdout), f"{place}: {names[:depth]} has no {flag}"


def test_the_image_is_built_from_what_is_there_and_runs_as_nobody_special():
    text = (DEPLOY / "Dockerfile").read_text()
    rust = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert f"FROM rust:{rust}-" in text, "the image is built with the Rust that the workspace names"
    build = re.search(r"cargo build --release --locked --package (\S+) --features (\S+)", text)
    manifest = (ROOT / "examples" / "server" / "Cargo.toml").read_text()
    assert f'name = "{build[1]}"' in manifest and re.search(rf"^{build[2]} = ", manifest, re.MULTILINE)
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users == ["opsconductor"] and text.index("\nUSER ") < text.index("\nENTRYPOINT ")
    assert not re.search(r"^(ENV|ARG)\b.*(KEY|PASSWORD|TOKEN|SECRET)", text, re.MULTILINE | re.IGNORECASE)
    # What the build leaves out must not be a member of the workspace, and what it takes must be there.
    taken = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in taken), taken
    members = subprocess.run(
        [os.environ.get("CARGO", "cargo"), "metadata", "--no-deps", "--locked", "--format-version", "1"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    for package in json.loads(members.stdout)["packages"]:
        top = Path(package["manifest_path"]).relative_to(ROOT).parts[0]
        assert top in taken, f"{package['name']} is left out of the image's build"


def test_the_composition_keeps_its_secrets_and_gives_time_to_stop():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert services["db"]["image"].startswith("postgres:16")
    for name in ("server", "worker"):
        service = services[name]
        assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
        assert service["environment"]["PGPASSWORD"].startswith("${DB_PASSWORD:?")
        assert "PGPASSWORD" not in json.dumps(service["command"])
        drain = re.search(r"--drain.*?default: (\d+)", opsconductor(service["command"][0], "--help").stdout, re.DOTALL)
        assert int(service["stop_grace_period"].removesuffix("s")) > int(drain[1])
        for volume in service["volumes"]:
            assert volume.split(":")[0] in compose["volumes"]
        build = DEPLOY / service["build"]["context"]
        assert (build / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert all(port.startswith("127.0.0.1:") for port in services["server"]["ports"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine")
@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_a_unit_is_one_that_systemd_takes_and_finds_little_to_fear_in(unit, tmp_path):
    text = (DEPLOY / unit).read_text().replace("/usr/local/bin/opsconductor", PROGRAM)
    path = tmp_path / unit
    path.write_text(text)
    said = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=PATIENCE)
    # It looks at what the unit wants too; what is said of other units is not ours.
    ours = [line for line in said.stderr.splitlines() if unit in line or str(path) in line]
    assert not ours, said.stderr
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(path)],
        capture_output=True, text=True, timeout=PATIENCE,
    )
    assert said.returncode == 0, said.stdout
    drain = re.search(r"--drain.*?default: (\d+)", opsconductor("serve", "--help").stdout, re.DOTALL)
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1]) > int(drain[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on a store of its own, with an admin. Gives its port."""
    folder = tmp_path_factory.mktemp("server")
    store, key = f"sqlite:{folder / 'ops.db'}", str(folder / "key")
    assert opsconductor("key", "generate", "--out", key).returncode == 0
    assert opsconductor("migrate", "--store", store).returncode == 0
    added = opsconductor(
        "user", "add", "ada", "--email", "ada@example.com", "--role", "admin", "--store", store, input=PASSWORD + "\n"
    )
    assert added.returncode == 0, added.stderr
    command = [PROGRAM, "serve", "--no-worker", "--listen", "127.0.0.1:0", "--store", store, "--key", key]
    log = folder / "log"
    with log.open("w") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield int(until(lambda: re.search(r"serving on http://127\.0\.0\.1:(\d+)/", log.read_text()), log)[1])
    finally:
        child.terminate()
        child.wait(PATIENCE)


def until(look, log: Path):
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def test_the_container_health_check_tells_a_server_from_none(server):
    check = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["server"]["healthcheck"]["test"]
    assert check[0] == "CMD"

    def healthy(port: int) -> bool:
        words = [word.replace("$$", "$").replace("/3000", f"/{port}") for word in check[1:]]
        return subprocess.run(words, capture_output=True, timeout=PATIENCE).returncode == 0

    assert healthy(server)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert not healthy(closed.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, private


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture()
def site(server, tmp_path):
    """nginx with our site in front of the server. Gives a function that opens a connection to it."""
    cert, key = certificate(tmp_path)
    tls, plain = free_port(), free_port()
    text = (DEPLOY / "nginx.conf").read_text()
    for ours, here in [
        ("server 127.0.0.1:3000;", f"server 127.0.0.1:{server};"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("    listen [::]:80;\n", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("/etc/ssl/certs/ops.example.com.pem", str(cert)),
        ("/etc/ssl/private/ops.example.com.key", str(key)),
    ]:
        assert ours in text, f"nginx.conf no longer has {ours!r}"
        text = text.replace(ours, here)
    folders = "".join(
        f"{kind}_temp_path {tmp_path / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path / 'pid'};\nerror_log {tmp_path / 'log'};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{folders}{text}\n}}\n"
    )
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    said = subprocess.run(
        [nginx, "-p", str(tmp_path), "-e", str(tmp_path / "log"), "-t", "-c", str(config)],
        capture_output=True, text=True, timeout=PATIENCE,
    )
    assert said.returncode == 0 and "[warn]" not in said.stderr, said.stderr
    child = subprocess.Popen(
        [nginx, "-p", str(tmp_path), "-e", str(tmp_path / "log"), "-c", str(config), "-g", "daemon off;"]
    )
    trust = ssl.create_default_context(cafile=str(cert))

    def connect(timeout: float = PATIENCE) -> http.client.HTTPConnection:
        raw = socket.create_connection(("127.0.0.1", tls), timeout)
        connection = http.client.HTTPConnection(NAME, timeout=timeout)
        connection.sock = trust.wrap_socket(raw, server_hostname=NAME)
        return connection

    def listens() -> bool:
        try:
            connect().close()
            return True
        except OSError:
            return False

    try:
        until(listens, tmp_path / "log")
        yield connect, plain
    finally:
        child.terminate()
        child.wait(PATIENCE)


def ask(connection, method: str, path: str, body=None, **headers):
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer, json.loads(answer.read() or b"null")


def test_people_reach_the_server_through_the_site(site):
    connect, plain = site
    connection = connect()
    answer, said = ask(connection, "POST", "/api/login", {"username": "ada", "password": PASSWORD})
    assert answer.status == 200, said
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    token = said["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer, said = ask(connection, "GET", "/api/users", **bearer)
    assert (answer.status, [user["username"] for user in said["users"]]) == (200, ["ada"])

    # A stream begins at once, although nothing has happened yet: nothing holds back its head.
    stream = connect()
    stream.request("GET", "/api/events", headers=bearer)
    answer = stream.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")

    away = http.client.HTTPConnection("127.0.0.1", plain, timeout=PATIENCE)
    away.request("GET", "/api/users", headers={"Host": NAME})
    answer = away.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}/api/users")


def test_the_site_refuses_a_flood_of_guesses_and_what_is_too_large(site):
    connect, _ = site
    connection = connect()
    codes = []
    for number in range(40):
        wrong = {"username": f"nobody-{number}", "password": "wrong password"}
        connection.request("POST", "/api/login", json.dumps(wrong), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        codes.append(answer.status)
        if answer.headers.get("Connection") == "close":
            connection = connect()
    assert codes[0] == 401 and codes.count(429) >= 10, codes
    connection = connect()
    connection.request("POST", "/api/jobs", b"x" * (3 << 20), {"Content-Type": "application/json"})
    assert connection.getresponse().status == 413
