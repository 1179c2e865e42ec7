"""The `mcp_neo4j` state: one Cypher query over Neo4j's HTTP APIs, its records as records.

The Query API (https://neo4j.com/docs/query-api/current/query/) is asked; a server that is too old for it is asked over
the transactional API (https://neo4j.com/docs/http-api/current/query/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.databases.placeholders import refuse_placeholders
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send

__all__ = ["perform"]

WHOLE = re.compile(r"\{\s*([A-Za-z_]\w*)\s*\}")
PORTS = {"http": 7474, "https": 7473}
SECURE_SCHEMES = ("bolt+s", "bolt+ssc", "neo4j+s", "neo4j+ssc", "https")
HOSTED = ".databases.neo4j.io"
"""Neo4j's own cloud listens where every web server does."""


def perform(parameters: Mapping[str, Any], step: Step) -> list[Record]:
    """Run the query; a record per row. Nodes and relationships are records of their properties."""
    server, user = find_server(parameters, step)
    query = find_query(text_of(parameters.get("query") or "RETURN 1 AS connected"), step)
    body = {"statement": query, "parameters": dict(parameters.get("parameters") or {})}
    database = quote(text_of(parameters.get("database") or "neo4j"), safe="")
    response = post(f"{server}/db/{database}/query/v2", body, user, parameters, step)
    if response.status in (404, 405):
        response = post(f"{server}/db/{database}/tx/commit", {"statements": [body]}, user, parameters, step)
    return read_records(response)


def find_query(written: str, step: Step) -> str:
    """The query; a text that is one placeholder and nothing else is that variable. Values are written `$name`."""
    whole = WHOLE.fullmatch(written.strip())
    if whole and whole[1] in step.scope:
        return text_of(step.scope[whole[1]])
    refuse_placeholders(written, step.scope, language="Cypher", sign="$")
    return written


def find_server(parameters: Mapping[str, Any], step: Step) -> tuple[str, str]:
    """The server's HTTP address and the authorization: the state's, else the injected service's."""

    def setting(key: str, *names: str) -> str:
        found = (parameters.get(key), *(step.scope.get(name) for name in names))
        return text_of(next((value for value in found if value not in (None, "")), None)).strip()

    written = setting("neo4j_url", "NEO4J_HTTP_URL", "NEO4J_URL", "NEO4J_BOLT_URL", "NEO4J_URI")
    if not written:
        raise PermanentError(
            "neo4j_url is missing; set it, or the variable NEO4J_HTTP_URL, or register a neo4j service"
        )
    from urllib3 import make_headers

    username = setting("username", "NEO4J_USERNAME", "NEO4J_USER") or "neo4j"
    password = setting("password", "NEO4J_PASSWORD")
    return http_address(written), make_headers(basic_auth=f"{username}:{password}")["authorization"] if password else ""


def http_address(written: str) -> str:
    """Where the HTTP server of an address stands: for a driver's (`bolt://…`, `neo4j+s://…`) on the same host."""
    try:
        parts = urlsplit(written)
        host, scheme = parts.hostname, parts.scheme
    except ValueError:
        host, scheme = None, ""
    if not host or not scheme.startswith(("http", "bolt", "neo4j")):
        raise PermanentError("neo4j_url is not an address of Neo4j, such as bolt://host:7687 or https://host:7473")
    if scheme in PORTS:
        return written.rstrip("/")
    plain = "https" if scheme in SECURE_SCHEMES else "http"
    shown = f"[{host}]" if ":" in host else host
    return f"{plain}://{shown}" if host.endswith(HOSTED) else f"{plain}://{shown}:{PORTS[plain]}"


def post(url: str, body: Any, authorization: str, parameters: Mapping[str, Any], step: Step) -> Response:
    """Send one query."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    return send(
        Request(
            method="POST",
            url=url,
            headers=headers | ({"authorization": authorization} if authorization else {}),
            body=json.dumps(body, default=text_of).encode(),
            timeout_seconds=float(parameters.get("timeout", 30)),
            deadline_seconds=step.timeout_seconds,
            cancelled=step.cancelled,
            max_redirects=0,
        )
    )


def read_records(response: Response) -> list[Record]:
    """The rows of an answer of either API, or the error it tells of."""
    try:
        answer = json.loads(response.body)
        errors = answer.get("errors") or []
        if errors:
            raise failure_of(errors[0], response)
        if response.status < 300:
            return rows_of(answer)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
        if response.status < 300:
            raise PermanentError("the answer is not Neo4j's") from fault
    raise failure_of({}, response)


def rows_of(answer: Mapping[str, Any]) -> list[Record]:
    """A wrong shape raises what it raises; the caller says so."""
    if "data" in answer:
        fields, rows = answer["data"]["fields"], answer["data"]["values"]
    else:
        result = answer["results"][0]
        fields, rows = result["columns"], [entry["row"] for entry in result["data"]]
    return [Record(zip(map(str, fields), map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> Any:
    """A node or relationship as the record of its properties, also in lists and maps."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        is_entity = "elementId" in value and isinstance(value.get("properties"), dict)
        return Record((name, plain(item)) for name, item in (value["properties"] if is_entity else value).items())
    return value


def failure_of(error: Mapping[str, Any], response: Response) -> PermanentError | RetryableError:
    """Neo4j's codes say whether it may pass: https://neo4j.com/docs/status-codes/current/errors/all-errors/."""
    code, said = text_of(error.get("code")), text_of(error.get("message"))[:1000]
    message = f"Neo4j answered {response.status}: {said or 'no reason given'}{f' ({code})' if code else ''}"
    if ".TransientError." in code or response.status in (429, 502, 503, 504):
        return RetryableError(message, retry_after_seconds=retry_after(response))
    return PermanentError(message)
