"""Neo4j's HTTP APIs, as their pages describe them, on loopback, with answers that the test prepares.

https://neo4j.com/docs/query-api/current/query/ and https://neo4j.com/docs/http-api/current/query/
"""

from __future__ import annotations

import base64
from typing import Any

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["Neo4jApi", "make_node"]


def make_node(**properties: Any) -> dict[str, Any]:
    """A node as the Query API gives it."""
    return {"elementId": "4:ff04df25-ff2b-4b55-98f8-6888297b025e:0", "labels": ["Person"], "properties": properties}


class Neo4jApi(LocalServer):
    """`rows` answers each query: (fields, values). Without `query_api` it is as old as Neo4j 4."""

    def __init__(self, *, query_api: bool = True) -> None:
        super().__init__()
        self.query_api = query_api
        self.rows: tuple[list[str], list[list[Any]]] = (["connected"], [[1]])
        self.queries: list[dict[str, Any]] = []
        self.error: tuple[int, str] | None = None

    def answer(self, call: Call) -> Answer:
        """What the server answers."""
        wanted = "Basic " + base64.b64encode(b"neo4j:verysecret").decode()
        if call.headers.get("authorization") != wanted:
            words = "Invalid credential."
            return Answer.of_json(
                {"errors": [{"code": "Neo.ClientError.Security.Unauthorized", "message": words}]}, 401
            )
        is_new = call.path == "/db/neo4j/query/v2"
        if (is_new and not self.query_api) or call.path not in ("/db/neo4j/query/v2", "/db/neo4j/tx/commit"):
            return Answer(status=404)
        self.queries.append(call.json() if is_new else call.json()["statements"][0])
        if self.error is not None:
            status, code = self.error
            return Answer.of_json(
                {"errors": [{"code": code, "message": "no"}], "results": []}, status if is_new else 200
            )
        fields, values = self.rows
        if is_new:
            return Answer.of_json({"data": {"fields": fields, "values": values}, "bookmarks": ["FB:1"]}, 202)
        plain = [[cell["properties"] if isinstance(cell, dict) else cell for cell in row] for row in values]
        data = [{"row": row, "meta": [None] * len(row)} for row in plain]
        return Answer.of_json({"results": [{"columns": fields, "data": data}], "errors": []})
