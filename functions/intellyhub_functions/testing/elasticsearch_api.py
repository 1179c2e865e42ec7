"""Elasticsearch's document and search APIs, as their reference describes them, on loopback.

https://www.elastic.co/docs/api/doc/elasticsearch/group/endpoint-document
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["ElasticsearchApi"]


class ElasticsearchApi(LocalServer):
    """Indices by name, each with its documents by id. `failures` are answered first."""

    def __init__(self) -> None:
        super().__init__()
        self.indices: dict[str, dict[str, Any]] = {}
        self.failures: list[Answer] = []

    def answer(self, call: Call) -> Answer:
        """What the server answers."""
        if self.failures:
            return self.failures.pop(0)
        if call.headers.get("authorization") not in (None, "ApiKey right"):
            return refuse(401, "security_exception", "unable to authenticate")
        index, _, rest = urlsplit(call.path).path.strip("/").partition("/")
        verb, _, identity = rest.partition("/")
        name, key = unquote(index), unquote(identity)
        documents = self.indices.setdefault(name, {}) if verb != "_search" else self.indices.get(name)
        if documents is None:
            return refuse(404, "index_not_found_exception", f"no such index [{name}]")
        facts = {"_index": name, "_id": key}
        if verb == "_search":
            return search(documents, name, call.json())
        if verb == "_create" and key in documents:
            return refuse(409, "version_conflict_engine_exception", f"[{key}]: version conflict")
        if verb in ("_create", "_doc") and call.method == "PUT":
            result = "updated" if key in documents else "created"
            documents[key] = call.json()
            return Answer.of_json({**facts, "_version": 1, "result": result}, 201 if result == "created" else 200)
        if verb == "_update":
            documents[key] = {**documents.get(key, {}), **call.json()["doc"]}
            return Answer.of_json({**facts, "result": "updated"})
        if call.method == "DELETE":
            found = documents.pop(key, None) is not None
            return Answer.of_json({**facts, "result": "deleted" if found else "not_found"}, 200 if found else 404)
        if key not in documents:
            return Answer.of_json({**facts, "found": False}, 404)
        return Answer.of_json({**facts, "found": True, "_source": documents[key]})


def search(documents: dict[str, Any], index: str, body: Any) -> Answer:
    """Finds by words in the whole document; any other query finds all."""
    words = str(body.get("query", {}).get("simple_query_string", {}).get("query", "")).lower().split()
    found = [key for key, value in documents.items() if all(word in json.dumps(value).lower() for word in words)]
    hits = [{"_index": index, "_id": key, "_score": 1.0, "_source": documents[key]} for key in found]
    total = {"value": len(found), "relation": "eq"}
    return Answer.of_json({"took": 1, "timed_out": False, "hits": {"total": total, "hits": hits[: body["size"]]}})


def refuse(status: int, kind: str, reason: str) -> Answer:
    return Answer.of_json({"error": {"type": kind, "reason": reason}, "status": status}, status)
