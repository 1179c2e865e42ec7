"""Which servers a postgres listener may connect to, and with what."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import socket
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.sources.postgres.address import read_address
from intellyhub_functions.sources.postgres.postgres import listen
from intellyhub_functions.testing.surroundings import make_context


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://a@b/c", "not a PostgreSQL address"),
        ("postgresql:///shop", "names no host"),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/shop", "names no host"),
        ("postgresql://127.0.0.1/shop?host=/var/run/postgresql", "host cannot be used here"),
        ("postgresql://127.0.0.1/shop?service=x&passfile=/x", "passfile, service cannot be used"),
        ("postgresql://169.254.169.254/shop", "may not connect"),
        ("postgresql://127.0.0.1:none/shop", "not a PostgreSQL address"),
        ("", "url is missing"),
    ],
)
def test_addresses_that_lead_to_the_platform_s_own_are_refused(tmp_path, url, words):
    with pytest.raises(PermanentError, match=words):
        next(listen({"url": url}, make_context(tmp_path)))


def test_nothing_of_the_platform_s_account_gets_into_a_connection(monkeypatch):
    parameters = read_address("postgresql://me:p%40ss@127.0.0.1:5433/shop?sslmode=require")
    assert parameters["password"] == "p@ss"
    assert (parameters["hostaddr"], parameters["port"], parameters["sslmode"]) == ("127.0.0.1", "5433", "require")
    assert (parameters["sslcertmode"], parameters["gssencmode"]) == ("disable", "disable")
    assert not Path(parameters["passfile"]).exists()


def test_a_host_that_is_not_known_may_be_known_later(monkeypatch):
    def find_nothing(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "not now")

    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    with pytest.raises(RetryableError, match="cannot be resolved"):
        read_address("postgresql://db.example.org/shop")
