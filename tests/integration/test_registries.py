"""Images to registries and back: the same contract for Debian's docker-registry, where it is installed, and for the
strict one of these tests; then what only the strict one can be made to do."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from intellyhub_functions.testing.certificates import make_certificate
from intellyhub_knative.images import store as store_module
from intellyhub_knative.images.blob import blob_of
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.errors import (
    BuildCancelled,
    ContentDamaged,
    CredentialsUnusable,
    RegistryRefused,
    RegistryUnreachable,
)
from intellyhub_knative.images.image import Image
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.registry import client, session
from intellyhub_knative.images.registry.access import Access, Credentials, read_access
from intellyhub_knative.images.registry.client import Repository
from intellyhub_knative.images.registry.session import Session
from intellyhub_knative.images.sbom import MEDIA_TYPE, make_sbom
from intellyhub_knative.images.source import open_base, this_platform
from intellyhub_knative.images.store import Store, make_layer
from intellyhub_knative.images.tree import Entry
from tests.integration.registries.debian import PROGRAM, debian_registry
from tests.integration.registries.strict import PASSWORD, REFRESH, USER, StrictRegistry, docker_config

KINDS = ["strict", pytest.param("debian", marks=pytest.mark.skipif(PROGRAM is None, reason="no docker-registry here"))]
WHO = Credentials(username=USER, password=PASSWORD)


def an_image(text=b"hello", more=(), **fields):
    layers = tuple(make_layer([Entry(path="a", content=each)], created_by="test") for each in (b"base", *more, text))
    system, architecture = this_platform().split("/")
    return Image(
        config={"os": system, "architecture": architecture, "config": {"Env": ["A=b"]}}, layers=layers, **fields
    )


@contextmanager
def started(kind, folder, auth="none", tls=None):
    if kind == "debian":
        with debian_registry(folder / "registry", auth, tls) as registry:
            yield registry
    else:
        with StrictRegistry(auth, tls) as registry:
            yield registry


@pytest.fixture(autouse=True)
def _impatience(monkeypatch):
    for module in (session, client, store_module):
        monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def store(tmp_path):
    return Store(folder=tmp_path / "store")


def entered(registry):
    return Session(registry.host, Access(credentials={registry.host: WHO}))


def content_of(image):
    return [layer.blob.read() for layer in image.layers]


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
def test_an_image_comes_back_as_it_was_pushed(kind, auth, tmp_path, store):
    image = an_image(sbom=make_sbom("x", [{"name": "a", "version": "1"}]))
    with started(kind, tmp_path, auth) as registry:
        access = read_access({"DOCKER_CONFIG": str(docker_config(tmp_path / "docker", registry.host))})
        name = push(image, parse(f"{registry.host}/team/flow:1"), access=access)
        assert name == f"{registry.host}/team/flow@{image.digest}"
        for text in (f"{registry.host}/team/flow:1", name):
            found = open_base(text, store=store, access=access)
            assert content_of(found) == content_of(image)
            assert found.environment == {"A": "b"}
            assert [layer.diff_id for layer in found.layers] == [layer.diff_id for layer in image.layers]
        assert push(image, parse(f"{registry.host}/team/flow:2"), access=access) == name


def test_layers_that_another_repository_has_are_mounted_and_never_fetched(kind, tmp_path, store):
    with started(kind, tmp_path, "bearer") as registry:
        access = Access(credentials={registry.host: WHO})
        push(an_image(), parse(f"{registry.host}/engine:1"), access=access)
        base = open_base(f"{registry.host}/engine:1", store=store, access=access)
        said: list[str] = []
        flow = Image(config=base.config, layers=(*base.layers, *an_image(b"flow").layers[1:]))
        push(flow, parse(f"{registry.host}/tenant/flow"), access=access, watch=Watch(progress=said.append))
        assert sum(line.endswith("mounted") for line in said) == 2
        assert sum(line.endswith("sent") for line in said) == 2  # its own layer and its configuration
        assert not any(store.path(layer.blob.digest).exists() for layer in base.layers)
        assert content_of(open_base(f"{registry.host}/tenant/flow@{flow.digest}", store=store, access=access)) == (
            content_of(flow)
        )


def test_a_bill_of_materials_is_found_from_its_image(kind, tmp_path):
    image = an_image(sbom=make_sbom("x", [{"name": "a", "version": "1"}]))
    with started(kind, tmp_path) as registry:
        for tag in ("1", "2"):
            push(image, parse(f"{registry.host}/flow:{tag}"))
        with Session(registry.host, Access()) as opened:
            repository = Repository(opened, "flow")
            if kind == "strict":
                answer = opened.ask("GET", f"/v2/flow/referrers/{image.digest}", scopes=frozenset())
                (row,) = json.loads(answer.body)["manifests"]
            else:
                (row,) = json.loads(repository.manifest(image.digest.replace(":", "-")).read())["manifests"]
                assert row["artifactType"] == MEDIA_TYPE
            artifact = json.loads(repository.manifest(row["digest"]).read())
            (layer,) = artifact["layers"]
            assert artifact["subject"]["digest"] == image.digest
            assert repository.blob(MEDIA_TYPE, layer["digest"], layer["size"]).read() == image.sbom


def test_a_large_layer_goes_in_pieces(kind, tmp_path):
    blob = blob_of(bytes(range(256)) * 1000, "application/octet-stream")
    with started(kind, tmp_path, "basic") as registry, entered(registry) as opened:
        repository = Repository(opened, "a/b", piece_bytes=100_000)
        assert repository.push_blob(blob) == "sent"
        assert repository.push_blob(blob) == "there"
        assert repository.blob(blob.media_type, blob.digest, blob.size).read() == blob.read()


def test_an_encrypted_registry_is_believed_only_with_its_authority(kind, tmp_path):
    certificate = make_certificate(tmp_path)
    with started(kind, tmp_path, "basic", certificate) as registry:
        stranger = Access(credentials={registry.host: WHO}, encrypted=frozenset((registry.host,)))
        trusted = replace(stranger, ca_file=str(certificate.certificate))
        assert push(an_image(), parse(f"{registry.host}/flow:1"), access=trusted)
        with pytest.raises(RegistryUnreachable, match="certificate"):
            push(an_image(), parse(f"{registry.host}/flow:1"), access=stranger)


def test_a_registry_keeps_its_name_wherever_it_is_reached(kind, tmp_path, store):
    image = an_image(sbom=make_sbom("x", [{"name": "a", "version": "1"}]))
    with started(kind, tmp_path, "bearer") as registry:
        given = {"DOCKER_CONFIG": str(docker_config(tmp_path / "docker", "localhost:30500"))}
        access = read_access({**given, "INTELLYHUB_REGISTRY_HOSTS": f"localhost:30500={registry.host}"})
        push(image, parse("localhost:30500/engine:1"), access=access)
        base = open_base("localhost:30500/engine:1", store=store, access=access)
        said: list[str] = []
        flow = Image(config=base.config, layers=(*base.layers, *an_image(b"flow").layers[1:]))
        name = push(flow, parse("localhost:30500/flows/a:1"), access=access, watch=Watch(progress=said.append))
        assert name == f"localhost:30500/flows/a@{flow.digest}"
        assert sum(line.endswith("mounted") for line in said) == 2
        assert content_of(open_base(name, store=store, access=access)) == content_of(flow)


def test_a_registry_that_is_away_is_named_with_the_place_where_it_was_looked_for():
    access = Access(hosts={"localhost:30500": "127.0.0.1:1"})
    with pytest.raises(RegistryUnreachable, match=r"localhost:30500 \(at 127\.0\.0\.1:1\) cannot be reached"):
        push(an_image(), parse("localhost:30500/flow:1"), access=access)


def test_wrong_credentials_are_refused_with_a_remedy(kind, tmp_path):
    for auth in ("basic", "bearer"):
        with started(kind, tmp_path / auth, auth) as registry:
            for credentials in ({}, {registry.host: Credentials(username=USER, password="wrong")}):
                with pytest.raises(RegistryRefused, match=r"credentials right") as caught:
                    push(an_image(), parse(f"{registry.host}/flow:1"), access=Access(credentials=credentials))
                assert caught.value.status == 401
                assert "wrong" not in str(caught.value)


def test_an_image_that_is_not_there_is_said_to_be_missing(kind, tmp_path, store):
    with started(kind, tmp_path) as registry, pytest.raises(RegistryRefused, match=r"404 MANIFEST_UNKNOWN"):
        open_base(f"{registry.host}/nobody/here:1", store=store)


# What only the strict registry does


def test_a_download_that_breaks_off_is_begun_anew(store):
    with StrictRegistry() as registry:
        image = an_image()
        push(image, parse(f"{registry.host}/flow:1"))
        registry.cuts = 2
        assert content_of(open_base(f"{registry.host}/flow:1", store=store)) == content_of(image)
        assert registry.cuts == 0


def test_a_registry_says_how_large_pieces_must_be():
    blob = blob_of(bytes(300_000), "application/octet-stream")
    with StrictRegistry() as registry, Session(registry.host, Access()) as opened:
        registry.least_piece = 200_000
        Repository(opened, "flow", piece_bytes=1000).push_blob(blob)
        assert registry.count("PATCH") == 2


def test_a_refresh_token_is_as_good_as_a_password():
    with StrictRegistry("bearer") as registry:
        access = Access(credentials={registry.host: Credentials(identity_token=REFRESH)})
        assert push(an_image(), parse(f"{registry.host}/flow:1"), access=access)


def test_an_upload_that_breaks_off_is_begun_anew():
    with StrictRegistry() as registry:
        registry.fail("PUT", "/blobs/uploads/", "close")
        registry.fail("PUT", "/blobs/uploads/", 503)
        image = an_image()
        push(image, parse(f"{registry.host}/flow:1"))
        assert len(registry.manifests) == 2
        assert registry.count("POST", "/blobs/uploads/") == len(image.layers) + 1 + 2


@pytest.mark.parametrize("failure", [429, 500, 502, 503, "close"])
def test_what_may_pass_is_tried_again(failure):
    with StrictRegistry() as registry:
        registry.fail("HEAD", "/blobs/", failure)
        registry.fail("PUT", "/manifests/", failure)
        assert push(an_image(), parse(f"{registry.host}/flow:1"))


def test_a_refusal_is_not_tried_again():
    with StrictRegistry() as registry:
        registry.fail("PUT", "/manifests/", 403)
        with pytest.raises(RegistryRefused, match="403 UNAVAILABLE come again"):
            push(an_image(), parse(f"{registry.host}/flow:1"))
        assert registry.count("PUT", "/manifests/") == 1


def test_a_token_that_has_expired_is_fetched_anew():
    with StrictRegistry("bearer") as registry, entered(registry) as opened:
        repository = Repository(opened, "flow")
        repository.push_blob(blob_of(b"one", "text/plain"))
        registry.tokens.clear()
        assert repository.push_blob(blob_of(b"two", "text/plain")) == "sent"


def test_a_mount_that_is_denied_becomes_an_upload(store):
    with StrictRegistry() as registry:
        push(an_image(), parse(f"{registry.host}/engine:1"))
        base = open_base(f"{registry.host}/engine:1", store=store)
        for failure in (403, 404):
            registry.fail("POST", "from=engine", failure)
        push(base, parse(f"{registry.host}/flow:1"))
        assert {name for name, _ in registry.blobs} == {"engine", "flow"}


def test_credentials_do_not_go_to_where_a_registry_sends_us(store):
    with StrictRegistry("basic") as registry:
        access = Access(credentials={registry.host: WHO})
        image = an_image()
        push(image, parse(f"{registry.host}/flow:1"), access=access)
        registry.redirects_to = f"http://localhost:{registry.host.partition(':')[2]}"
        assert content_of(open_base(f"{registry.host}/flow:1", store=store, access=access)) == content_of(image)
        assert registry.strangers
        assert set(registry.strangers) == {None}


def test_damaged_content_is_noticed_and_not_kept(store):
    with StrictRegistry() as registry:
        image = an_image()
        push(image, parse(f"{registry.host}/flow:1"))
        digest = image.layers[0].blob.digest
        registry.blobs["flow", digest] = b"x" * image.layers[0].blob.size
        base = open_base(f"{registry.host}/flow:1", store=store)
        with pytest.raises(ContentDamaged, match=digest):
            base.layers[0].blob.read()
        assert not store.path(digest).exists()


def test_what_a_digest_names_is_not_asked_for_twice(store):
    with StrictRegistry() as registry:
        image = an_image()
        name = push(image, parse(f"{registry.host}/flow:1"))
        content_of(open_base(name, store=store))
        registry.log.clear()
        assert content_of(open_base(name, store=store)) == content_of(image)
        assert registry.log == []


def test_a_push_stops_when_it_is_no_longer_wanted():
    stop = threading.Event()
    with StrictRegistry() as registry:
        registry.fail("PUT", "/manifests/", 503)
        with pytest.raises(BuildCancelled):
            push(
                an_image(),
                parse(f"{registry.host}/flow:1"),
                watch=Watch(progress=lambda _: stop.set(), cancelled=stop.is_set),
            )
        assert registry.manifests == {}


def test_a_registry_that_is_not_there_is_named():
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1 cannot be reached"):
        push(an_image(), parse("127.0.0.1:1/flow:1"), watch=Watch(cancelled=lambda: False))


def test_no_program_is_asked_for_credentials(tmp_path):
    (tmp_path / "config.json").write_text('{"credHelpers": {"127.0.0.1:1": "evil"}, "auths": {}}')
    access = read_access({"DOCKER_CONFIG": str(tmp_path)})
    with pytest.raises(CredentialsUnusable, match=r"127\.0\.0\.1:1 to a program .* under auths"):
        push(an_image(), parse("127.0.0.1:1/flow:1"), access=access)


def test_tokens_of_an_encrypted_registry_are_not_fetched_over_a_plain_connection(tmp_path):
    certificate = make_certificate(tmp_path)
    with StrictRegistry("bearer", certificate) as registry:
        registry.scheme = "http"
        access = Access(
            credentials={registry.host: WHO},
            encrypted=frozenset((registry.host,)),
            ca_file=str(certificate.certificate),
        )
        with pytest.raises(RegistryRefused, match="not encrypted"):
            push(an_image(), parse(f"{registry.host}/flow:1"), access=access)
        assert registry.count("GET", "/token") == 0
