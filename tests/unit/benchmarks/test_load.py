"""The load generator against a small server."""

import socket
import threading
from contextlib import contextmanager

from tests.benchmarks.load import exchange, make_request, parse_head, run_load


@contextmanager
def answering(*answers):
    """A server that gives each answer once per connection and then closes it; yields its port and its request count."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection):
            with connection:
                for answer in answers:
                    request = connection.recv(65536)
                    if not request:
                        return
                    asked.append(request)
                    connection.sendall(answer)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


def test_a_head_tells_status_length_and_whether_the_connection_stays():
    assert parse_head(b"HTTP/1.1 204 No Content\r\nServer: x") == (204, 0, True)
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close") == (200, 12, False)


def test_a_request_says_how_long_it_is():
    head, _, body = make_request(b'{"a": 1}').partition(b"\r\n\r\n")
    assert b"Content-Length: 8" in head.split(b"\r\n")
    assert body == b'{"a": 1}'


def test_one_exchange_gives_status_and_body():
    with answering(GOOD) as (port, _):
        assert exchange(port, make_request(b"{}")) == (200, b"ok")


def test_the_number_of_requests_is_bounded_whatever_the_number_of_clients():
    with answering(*[GOOD] * 20) as (port, asked):
        counted = run_load(port, 3, 20, make_request(b"{}"))
    assert (len(asked), counted["failed"]) == (20, 0)


def test_failures_are_counted_and_the_first_is_kept():
    with answering(GOOD, BAD, GOOD) as (port, _):
        counted = run_load(port, 1, 3, make_request(b"{}"))
    assert (counted["failed"], counted["first_failure"]) == (1, "503 busy")


def test_a_broken_connection_counts_as_a_failure_and_is_opened_anew():
    with answering(GOOD) as (port, asked):
        counted = run_load(port, 1, 3, make_request(b"{}"))
    assert counted["failed"] == 1
    assert len(asked) == 2


def test_each_request_has_a_number_of_its_own_where_there_is_place_for_one():
    with answering(*[GOOD] * 10) as (port, asked):
        run_load(port, 2, 6, make_request(b'{"id": "@@@@@@@@"}', ce_id="@@@@@@@@"))
    numbers = sorted(request.partition(b"ce-id: ")[2][:8] for request in asked)
    assert numbers == [b"%08d" % number for number in range(6)]
    assert all(request.count(request.partition(b"ce-id: ")[2][:8]) == 2 for request in asked)


def test_the_median_of_one_request_is_told():
    with answering(*[GOOD] * 5) as (port, _):
        assert float(str(run_load(port, 1, 5, make_request(b"{}"))["p50_ms"])) > 0
