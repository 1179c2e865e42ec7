"""Which flow a pod belongs to: only what the cluster has signed counts, and only for whom it was meant."""

import asyncio
import base64
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.manifests.names import service_account_user
from intellyhub_knative.platform import pod_tokens
from intellyhub_knative.platform.key_sets import PAUSE_SECONDS, KeySet, KeysUnavailable, key_set_at, read_keys
from intellyhub_knative.platform.pod_tokens import PodTokens, TokenRefused, make_pod_tokens
from tests.unit.knative.platform.pods import ISSUER, Cluster, make_deployment

OURS, OTHER = make_deployment("a", "1"), make_deployment("b", "2")
BOTH = (OURS, OTHER)


@pytest.fixture(scope="module")
def signer():
    return Cluster()


@pytest.fixture
def cluster(signer):
    made = Cluster.__new__(Cluster)
    made.__dict__ = {"keys": dict(signer.keys), "asked": 0, "is_away": False}
    return made


class Moment:
    """A clock that stands until told."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Moment()


@pytest.fixture
def tokens(cluster, clock):
    return PodTokens(issuer=ISSUER, keys=KeySet(cluster.key_set, clock=clock))


def test_a_pod_is_known_by_the_account_of_its_flow(tokens, cluster):
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    assert tokens.recognise(cluster.pod_token(OTHER), BOTH) is OTHER
    assert tokens.recognise(cluster.token(service_account_user(OURS, listener=True)), BOTH) is OURS
    assert asyncio.run(tokens.recognise_async(cluster.pod_token(OURS), BOTH)) is OURS


def test_what_it_was_opened_with_ends_with_the_token(tokens, cluster):
    assert tokens.read(cluster.pod_token(OURS, lasts=600)).expires_at == pytest.approx(time.time() + 600, abs=5)


def test_an_account_of_no_flow_is_nobody(tokens, cluster):
    namespace = service_account_user(OURS).rpartition(":")[0]
    assert tokens.recognise(cluster.token(f"{namespace}:default"), BOTH) is None
    assert tokens.recognise(cluster.pod_token(OURS), [OTHER]) is None
    other_namespace = service_account_user(OTHER).split(":")[2]
    name = service_account_user(OURS).split(":")[3]
    assert tokens.recognise(cluster.token(f"system:serviceaccount:{other_namespace}:{name}"), BOTH) is None


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"lasts": -3600}, id="expired"),
        pytest.param({"aud": ["https://kubernetes.default.svc"]}, id="meant for the API server"),
        pytest.param({"aud": None}, id="meant for nobody"),
        pytest.param({"iss": "https://another.example"}, id="of another cluster"),
        pytest.param({"exp": None}, id="without an end"),
        pytest.param({"exp": True}, id="with no moment as its end"),
        pytest.param({"nbf": 2**40}, id="not valid yet"),
    ],
)
def test_a_token_that_is_not_for_us_now_is_refused(tokens, cluster, claims):
    token = cluster.pod_token(OURS, **claims)
    with pytest.raises(TokenRefused) as refused:
        tokens.read(token)
    assert token not in str(refused.value)
    assert tokens.recognise(token, BOTH) is None


@pytest.mark.parametrize("user", ["alice", "system:node:one", "system:serviceaccount:a", "system:serviceaccount:a:b:c"])
def test_only_service_accounts_are_pods(tokens, cluster, user):
    with pytest.raises(TokenRefused):
        tokens.read(cluster.token(user))


def test_clocks_may_differ_a_little(tokens, cluster):
    assert tokens.recognise(cluster.pod_token(OURS, lasts=-10), BOTH) is OURS
    assert tokens.recognise(cluster.pod_token(OURS, nbf=int(time.time()) + 10), BOTH) is OURS


def test_a_token_signed_by_somebody_else_is_refused(tokens):
    with pytest.raises(TokenRefused):
        tokens.read(Cluster().pod_token(OURS))


def forged(header, claims, key=b""):
    """A token made by hand, signed with HMAC."""

    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")

    signed = part(header) + b"." + part(claims)
    signature = base64.urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=") if key else b""
    return (signed + b"." + signature).decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
def test_no_signature_and_one_made_with_the_public_key_are_refused(tokens, cluster, algorithm):
    claims = jwt.decode(cluster.pod_token(OURS), options={"verify_signature": False})
    key = cluster.public_pem() if algorithm == "HS256" else b""
    assert tokens.recognise(forged({"alg": algorithm, "kid": "rsa-1", "typ": "JWT"}, claims, key), BOTH) is None


def test_a_key_is_not_used_with_another_algorithm(tokens, cluster):
    cluster.add("ec-1")
    claims = jwt.decode(cluster.pod_token(OURS), options={"verify_signature": False})
    token = jwt.encode(claims, cluster.keys["ec-1"][1], algorithm="ES256", headers={"kid": "rsa-1"})
    assert tokens.recognise(token, BOTH) is None


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "ey.ey.ey", "\x00", "é.é.é", pytest.param(".".join(["A" * 4000] * 3), id="long parts")]
)
def test_rubbish_is_refused(tokens, token):
    assert tokens.recognise(token, BOTH) is None


def test_elliptic_keys_sign_as_well(tokens, cluster):
    cluster.add("ec-1")
    assert tokens.recognise(cluster.pod_token(OURS, key_id="ec-1"), BOTH) is OURS


def test_a_new_key_is_fetched_when_it_is_first_seen(tokens, cluster, clock):
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    cluster.add("ec-2")
    clock.seconds += PAUSE_SECONDS + 1
    assert tokens.recognise(cluster.pod_token(OURS, key_id="ec-2"), BOTH) is OURS
    assert cluster.asked == 2


def test_made_up_keys_do_not_make_us_ask_again_and_again(tokens, cluster):
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    for number in range(50):
        assert tokens.recognise(cluster.pod_token(OURS, headers={"kid": f"made-up-{number}"}), BOTH) is None
    assert cluster.asked == 1


def test_a_key_that_was_taken_back_is_unknown_after_a_while(tokens, cluster, clock):
    cluster.add("ec-1")
    token = cluster.pod_token(OURS, key_id="ec-1")
    assert tokens.recognise(token, BOTH) is OURS
    del cluster.keys["ec-1"]
    clock.seconds += 301
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    assert tokens.recognise(token, BOTH) is None


def test_known_keys_go_on_while_the_cluster_is_away(tokens, cluster, clock):
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    cluster.is_away = True
    clock.seconds += 100_000
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS


def test_without_any_key_nobody_can_be_judged(tokens, cluster, clock):
    cluster.is_away = True
    with pytest.raises(KeysUnavailable):
        tokens.recognise(cluster.pod_token(OURS), BOTH)
    cluster.is_away = False
    clock.seconds += PAUSE_SECONDS + 1
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS


def test_shared_secrets_and_keys_for_encryption_are_left_out_of_a_set(cluster):
    document = json.loads(cluster.key_set())
    good = document["keys"][0]
    document["keys"] += [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"},
        {**good, "kid": "for-encryption", "use": "enc"},
        {"kty": "RSA", "kid": "damaged", "n": "!", "e": "AQAB"},
    ]
    assert set(read_keys(json.dumps(document).encode())) == {"rsa-1"}


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 1}', b" " * 300_000])
def test_what_is_no_key_set_leaves_the_keys_as_they_are(tokens, cluster, clock, monkeypatch, document):
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    monkeypatch.setattr(tokens._keys, "_fetch", lambda: document)
    clock.seconds += 301
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS


def test_keys_are_read_from_a_file(tmp_path, cluster):
    (tmp_path / "keys.json").write_bytes(cluster.key_set())
    tokens = PodTokens(issuer=ISSUER, keys=key_set_at(str(tmp_path / "keys.json")))
    assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    with pytest.raises(InputInvalid):
        key_set_at("ftp://example.org/keys")


class Pages(ThreadingHTTPServer):
    """An API server as far as its keys go."""

    document = b""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: list[str | None] = []


class Page(BaseHTTPRequestHandler):
    """The page of keys, for those who show a token."""

    server: Pages

    def do_GET(self):
        self.server.asked.append(self.headers.get("Authorization"))
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/keys")
        else:
            self.send_response(200 if self.headers.get("Authorization") == "Bearer own-token" else 403)
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, *_):
        pass


@pytest.fixture
def page(cluster):
    with Pages() as server:
        server.document = cluster.key_set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "shown", "is_known"), [("keys", "own-token", 1), ("keys", "x", 0), ("elsewhere", "x", 0)]
)
def test_keys_are_fetched_from_an_address_with_the_pods_own_token(tmp_path, cluster, page, path, shown, is_known):
    (tmp_path / "token").write_text(f"{shown}\n")
    keys = key_set_at(f"http://127.0.0.1:{page.server_port}/{path}", bearer=tmp_path / "token")
    tokens = PodTokens(issuer=ISSUER, keys=keys)
    if is_known:
        assert tokens.recognise(cluster.pod_token(OURS), BOTH) is OURS
    else:
        with pytest.raises(KeysUnavailable):
            tokens.recognise(cluster.pod_token(OURS), BOTH)
    assert page.asked == [f"Bearer {shown}"]


def test_outside_of_clusters_there_are_no_pods():
    assert make_pod_tokens({}) is None


def test_a_pod_learns_from_its_own_token_who_signs(tmp_path, monkeypatch, cluster):
    monkeypatch.setattr(pod_tokens, "OWN", tmp_path)
    with pytest.raises(InputInvalid, match="INTELLYHUB_TOKEN_ISSUER"):
        make_pod_tokens({"INTELLYHUB_TARGET": "knative"})
    (tmp_path / "token").write_text(cluster.token("system:serviceaccount:intellyhub:journal", aud=["api"]))
    (tmp_path / "keys.json").write_bytes(cluster.key_set())
    made = make_pod_tokens({"INTELLYHUB_TARGET": "knative", "INTELLYHUB_TOKEN_JWKS": str(tmp_path / "keys.json")})
    assert made is not None
    assert made.recognise(cluster.pod_token(OURS), BOTH) is OURS
