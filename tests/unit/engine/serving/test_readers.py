"""How the texts of variables are read."""

import pytest

from intellyhub_engine.serving.readers import host_and_port, postgresql


@pytest.mark.parametrize(
    ("value", "place"),
    [("0.0.0.0:8080", ("0.0.0.0", 8080)), ("[::1]:0", ("::1", 0)), ("gateway.ns.svc:65535", ("gateway.ns.svc", 65535))],
)
def test_a_place_is_a_host_and_a_port(value, place):
    assert host_and_port(value) == place


@pytest.mark.parametrize("value", ["", "8080", ":8080", "host:", "host:65536", "host:-1", "host:٣", "http://host:80"])
def test_what_is_no_place_is_refused(value):
    with pytest.raises(ValueError, match="host with a port"):
        host_and_port(value)


def test_a_database_is_postgresql_and_a_refusal_does_not_tell_its_password():
    assert postgresql("postgresql+psycopg2://u:p@h/d") == postgresql("postgres://u:p@h/d") == "postgresql://u:p@h/d"
    with pytest.raises(ValueError, match="no address") as refused:
        postgresql("mysql://u:secret-word@h/d")
    assert "secret-word" not in str(refused.value)
