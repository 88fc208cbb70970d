"""What goes over the wire around the messages: status codes, headers, and what is refused."""

import pytest
import requests
from conftest import PASSWORD, USER
from requests_ntlm import HttpNtlmAuth

IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)
SOAP = {"Content-Type": "application/soap+xml;charset=UTF-8"}


@pytest.fixture
def session():
    """A session that asks no proxy."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def url(host):
    """The address of the service."""
    return f"http://127.0.0.1:{host.http_port}/wsman"


def test_only_post_to_wsman_is_served(session, url):
    assert session.get(url).status_code == 404
    assert session.post(url.replace("/wsman", "/")).status_code == 404


def test_a_stranger_is_asked_to_negotiate(session, url):
    answer = session.post(url)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Negotiate"
    assert answer.headers["Server"] == "Microsoft-HTTPAPI/2.0"


def test_basic_is_offered_over_tls_alone(session, host):
    answer = session.post(f"https://127.0.0.1:{host.https_port}/wsman", verify=host.certificate_file)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Negotiate, Basic realm="WSMAN"'


def test_a_plain_envelope_is_refused_with_an_empty_answer(session, url):
    session.auth = HttpNtlmAuth(USER, PASSWORD)
    answer = session.post(url)
    assert (answer.status_code, answer.content) == (200, b"")
    answer = session.post(url, data=IDENTIFY, headers=SOAP)
    assert (answer.status_code, answer.content) == (500, b"")


def test_a_broken_frame_is_refused(session, url):
    session.auth = HttpNtlmAuth(USER, PASSWORD)
    kind = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
    session.post(url)
    assert session.post(url, data=b"--Encrypted Boundary\r\n", headers={"Content-Type": kind}).status_code == 400


def test_an_envelope_over_the_limit_is_refused(session, host):
    session.auth = HttpNtlmAuth(USER, PASSWORD)
    url = f"https://127.0.0.1:{host.https_port}/wsman"
    session.verify = host.certificate_file
    assert session.post(url).status_code == 200
    answer = session.post(url, data=IDENTIFY + " " * 600_000, headers=SOAP)
    assert answer.status_code == 413


def test_identify_tells_a_stranger_no_version(session, url):
    answer = session.post(url, data=IDENTIFY, headers=SOAP | {"WSMANIDENTIFY": "unauthenticated"})
    assert answer.status_code == 200
    assert "OS: 0.0.0 SP: 0.0 Stack: 3.0" in answer.text
