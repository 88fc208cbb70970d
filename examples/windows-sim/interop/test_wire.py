"""What goes over the wire around the messages: status codes, headers, and what is refused."""

import base64

import pytest
import requests
import spnego
from conftest import PASSWORD, USER
from requests_ntlm import HttpNtlmAuth
from spnego._context import GSSMech
from spnego._spnego import NegState, NegTokenInit, NegTokenResp, pack_mech_type_list, unpack_token

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


class Handshake:
    """One handshake by hand, on one connection."""

    def __init__(self, session, url):
        self.session, self.url = session, url

    def __call__(self, token):
        """Sends a token: the status, and the token that came back."""
        header = {"Authorization": "Negotiate " + base64.b64encode(token).decode()}
        answer = self.session.post(self.url, headers=header)
        _, _, back = answer.headers.get("WWW-Authenticate", "").partition(" ")
        return answer.status_code, unpack_token(base64.b64decode(back)) if back else None


@pytest.mark.parametrize("sign", [True, False])
def test_ntlm_behind_kerberos_in_the_list_wants_a_signature_over_the_list(session, url, sign):
    handshake = Handshake(session, url)
    mechanisms = [GSSMech.kerberos.value, GSSMech.ntlm.value]
    ntlm = spnego.client(USER, PASSWORD, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)

    status, token = handshake(NegTokenInit(mechanisms, mech_token=b"a token for Kerberos").pack())
    assert (status, token.neg_state) == (401, NegState.request_mic)
    assert token.supported_mech == GSSMech.ntlm.value
    status, token = handshake(NegTokenResp(response_token=ntlm.step()).pack())
    assert (status, token.neg_state) == (401, NegState.accept_incomplete)
    authenticate = ntlm.step(token.response_token)
    mic = ntlm.sign(pack_mech_type_list(mechanisms)) if sign else None
    status, token = handshake(NegTokenResp(response_token=authenticate, mech_list_mic=mic).pack())
    if sign:
        assert (status, token.neg_state) == (200, NegState.accept_complete)
        ntlm.verify(pack_mech_type_list(mechanisms), token.mech_list_mic)
        assert session.post(url).status_code == 200
    else:
        assert (status, token) == (401, None)
        assert session.post(url).status_code == 401


def test_a_message_integrity_code_that_was_tampered_with_is_refused(session, url):
    handshake = Handshake(session, url)
    client = spnego.client(USER, PASSWORD, protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate)
    _, token = handshake(client.step())
    answer = unpack_token(client.step(token.pack()))
    changed = bytearray(answer.response_token)
    changed[72] ^= 1
    status, token = handshake(NegTokenResp(response_token=bytes(changed), mech_list_mic=answer.mech_list_mic).pack())
    assert (status, token) == (401, None)


def test_authentication_belongs_to_the_connection(session, url):
    session.auth = HttpNtlmAuth(USER, PASSWORD)
    assert session.post(url).status_code == 200
    session.auth = None
    assert session.post(url).status_code == 200
    with requests.Session() as other:
        other.trust_env = False
        assert other.post(url).status_code == 401
