"""moto's server, which speaks S3 and SQS, in a thread of the tests; and clients that fill it."""

from __future__ import annotations

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["ACCOUNT", "make_client", "moto_server"]

ACCOUNT: Mapping[str, Any] = {"access_key": "AKIDEXAMPLE", "secret_key": "a/secret+key", "region": "eu-south-1"}
"""Parameters of functions that use it; `base_url` is the fixture's."""


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """The server's address, while the context lasts. One per process: its memory is the process's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what moto brings along
        from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def make_client(service: str, base_url: str) -> Any:
    """A plain client of the test's own."""
    from botocore.config import Config

    return make_session().client(service, endpoint_url=base_url, config=Config(s3={"addressing_style": "path"}))


@functools.cache
def make_session() -> Any:
    """One for all clients: it reads AWS's descriptions once."""
    import boto3

    return boto3.Session(
        aws_access_key_id=ACCOUNT["access_key"],
        aws_secret_access_key=ACCOUNT["secret_key"],
        region_name=ACCOUNT["region"],
    )
