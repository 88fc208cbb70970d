"""A Kerberos realm of its own, and a host in it that MIT's GSSAPI answers for.

What the WinRM client does with Kerberos is proved here by code that is neither ours nor the library's under the client:
MIT's key distribution centre gives the tickets, MIT's GSSAPI accepts them and opens what is sealed. Behind it stands any
WinRM endpoint that takes Basic without TLS, to which opened messages are handed on.

The program prints one line of JSON when all of it listens. A line on standard input asks for the counters; its end ends
everything. Nothing outside one temporary directory is read or written, and only loopback is listened on.
"""

import argparse
import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import gssapi
from gssapi import raw

REALM = "SIM.EXAMPLE"
SERVICE = "HTTP/web-1.sim.example"
MASTER_PASSWORD = "a master password that protects nothing"

BOUNDARY = b"--Encrypted Boundary"
SEALED_TYPE = (
    'multipart/encrypted;protocol="application/HTTP-Kerberos-session-encrypted";boundary="Encrypted Boundary"'
)
HEAD = BOUNDARY + (
    b"\r\n\tContent-Type: application/HTTP-Kerberos-session-encrypted"
    b"\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
)
MIDDLE = b"\r\n" + BOUNDARY + b"\r\n\tContent-Type: application/octet-stream\r\n"
END = BOUNDARY + b"--\r\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Realm:
    """A database, a key distribution centre that serves it, and the keys of one service."""

    def __init__(self, directory, users):
        self.directory = directory
        self.port = free_port()
        self.keytab = directory / "service.keytab"
        self.environment = {
            **os.environ,
            "KRB5_CONFIG": str(directory / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(directory / "kdc.conf"),
            "KRB5_KTNAME": str(self.keytab),
            "KRB5RCACHEDIR": str(directory),
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
        }
        (directory / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" dns_canonicalize_hostname = false\n rdns = false\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n",
            encoding="ascii",
        )
        (directory / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {directory}/principal\n  key_stash_file = {directory}/stash\n"
            f"  acl_file = {directory}/acl\n }}\n[logging]\n kdc = FILE:{directory}/kdc.log\n",
            encoding="ascii",
        )
        self.run(["kdb5_util", "create", "-s", "-r", REALM, "-P", MASTER_PASSWORD])
        self.administer("addpol -maxfailure 3 -failurecountinterval 10m -lockoutduration 10m people")
        for name, password in users.items():
            self.administer(f'addprinc -policy people +requires_preauth -pw "{password}" {name}')
        self.administer(f"addprinc -randkey {SERVICE}")
        self.administer(f"ktadd -k {self.keytab} {SERVICE}")

    def run(self, command):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def administer(self, query):
        return self.run(["kadmin.local", "-r", REALM, "-q", query])

    def failed_logons(self, name):
        """How many wrong passwords the centre has counted against a user since the last right one."""
        for line in self.administer(f"getprinc {name}").splitlines():
            if line.startswith("Failed password attempts:"):
                return int(line.rsplit(":", 1)[1])
        raise RuntimeError(f"there is no count for {name}")

    @contextlib.contextmanager
    def serving(self):
        process = subprocess.Popen(
            ["krb5kdc", "-n", "-P", str(self.directory / "kdc.pid")],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 10
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the key distribution centre does not listen")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


class Counters:
    def __init__(self):
        self.lock = threading.Lock()
        self.seen = {"logons": 0, "refused": 0, "sealed": 0, "plain": 0}
        self.users = set()

    def up(self, name):
        with self.lock:
            self.seen[name] += 1


class Front(http.server.BaseHTTPRequestHandler):
    """One connection. A logon belongs to it, as on Windows."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    timeout = 120
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.security = None
        self.backend = http.client.HTTPConnection(*self.server.backend, timeout=120)

    def finish(self):
        self.backend.close()
        super().finish()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/wsman":
            return self.answer(404)
        authorization = self.headers.get("Authorization")
        if authorization:
            return self.log_on(authorization, body)
        if self.security is None:
            return self.unauthorized()
        sealed = self.headers.get("Content-Type") == SEALED_TYPE
        if self.server.binding is None and not sealed:
            self.server.counters.up("plain")
            return self.answer(500)
        return self.sealed(body) if sealed else self.hand_on(body)

    def log_on(self, authorization, body):
        scheme, _, token = authorization.partition(" ")
        if body and self.server.binding is None:
            self.server.counters.up("plain")
        binding = self.server.binding
        try:
            if scheme != "Kerberos":
                raise ValueError("another scheme")
            security = gssapi.SecurityContext(
                creds=self.server.credentials,
                usage="accept",
                channel_bindings=raw.ChannelBindings(application_data=binding) if binding else None,
            )
            answer = security.step(base64.b64decode(token))
            flags = raw.RequirementFlag
            wanted = flags.confidentiality | flags.integrity | flags.mutual_authentication
            if not security.complete or security.actual_flags & wanted != wanted:
                raise ValueError("less than a sealed, mutual logon in one step")
        except Exception as error:  # Whatever is wrong with a token, the answer is the same.
            print(f"refused: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.server.counters.up("refused")
            return self.unauthorized()
        self.security = security
        self.server.counters.up("logons")
        self.server.counters.users.add(str(security.initiator_name))
        return self.answer(200, headers=[("WWW-Authenticate", "Kerberos " + base64.b64encode(answer).decode())])

    def sealed(self, body):
        envelope = self.open(body)
        if envelope is None:
            self.security = None
            return self.answer(400)
        self.server.counters.up("sealed")
        status, answer = self.ask(envelope)
        if not answer:
            return self.answer(status)
        return self.answer(status, self.seal(answer), [("Content-Type", SEALED_TYPE)])

    def hand_on(self, body):
        status, answer = self.ask(body)
        return self.answer(status, answer, [("Content-Type", "application/soap+xml;charset=UTF-8")])

    def open(self, frame):
        """Takes a frame apart, byte for byte as it must be."""
        if not frame.startswith(HEAD) or not frame.endswith(END):
            return None
        length, found, rest = frame[len(HEAD) : -len(END)].partition(MIDDLE)
        if not found or len(rest) < 4:
            return None
        size = int.from_bytes(rest[:4], "little")
        header, data = rest[4 : 4 + size], rest[4 + size :]
        if len(header) != size or len(data) != int(length):
            return None
        types = raw.IOVBufferType
        iov = raw.IOV((types.header, False, header), (types.data, False, data), types.padding, std_layout=False)
        try:
            result = raw.unwrap_iov(self.security, iov)
        except gssapi.exceptions.GSSError as error:
            print(f"not opened: {error}", file=sys.stderr, flush=True)
            return None
        return iov[1].value if result.encrypted else None

    def seal(self, envelope):
        types = raw.IOVBufferType
        iov = raw.IOV(types.header, envelope, types.padding, std_layout=False)
        raw.wrap_iov(self.security, iov, confidential=True)
        header, data = iov[0].value, iov[1].value
        if iov[2].value:
            raise RuntimeError("a sealed message has padding")
        size = len(header).to_bytes(4, "little")
        return HEAD + str(len(envelope)).encode() + MIDDLE + size + header + data + END

    def ask(self, envelope):
        headers = {
            "Content-Type": "application/soap+xml;charset=UTF-8",
            "Authorization": self.server.authorization,
        }
        self.backend.request("POST", "/wsman", envelope, headers)
        response = self.backend.getresponse()
        return response.status, response.read()

    def unauthorized(self):
        return self.answer(401, headers=[("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "Kerberos")])

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing of a request belongs on the terminal."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, arguments, counters, credentials, binding=None):
        super().__init__(("127.0.0.1", 0), Front)
        host, port = arguments.backend.rsplit(":", 1)
        self.backend = (host, int(port))
        pair = f"{arguments.backend_user}:{os.environ['BACKEND_PASSWORD']}"
        self.authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self.counters, self.credentials, self.binding = counters, credentials, binding

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """A client that goes away is no error; anything else shows in what the client gets."""


def tls_server(arguments, counters, credentials, binding):
    """The same over TLS, bound to the channel by a certificate's hash."""
    server = Server(arguments, counters, credentials, binding)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.private_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", required=True, help="host:port of the WinRM endpoint behind")
    parser.add_argument("--backend-user", required=True, help="its user; the password is BACKEND_PASSWORD")
    parser.add_argument("--certificate", required=True, help="the certificate for HTTPS, PEM")
    parser.add_argument("--private-key", required=True, help="its key, PEM")
    arguments = parser.parse_args()
    users = json.loads(os.environ["REALM_USERS"])
    directory = pathlib.Path(tempfile.mkdtemp(prefix="realm-"))
    try:
        realm = Realm(directory, users)
        # GSSAPI reads these when it is first used.
        os.environ.update(realm.environment)
        counters = Counters()
        credentials = gssapi.Credentials(usage="accept")
        with realm.serving():
            plain = Server(arguments, counters, credentials).start()
            pem = pathlib.Path(arguments.certificate).read_text(encoding="ascii")
            # GSSAPI checks a binding that the client announces, and lets a logon pass that is bound to nothing.
            binding = b"tls-server-end-point:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
            tls = tls_server(arguments, counters, credentials, binding).start()
            say({"realm": REALM, "service": SERVICE, "kdc": realm.port, "http": plain, "https": tls})
            for _ in sys.stdin:
                failed = {name: realm.failed_logons(name) for name in users}
                say({**counters.seen, "users": sorted(counters.users), "failed": failed})
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def say(what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
