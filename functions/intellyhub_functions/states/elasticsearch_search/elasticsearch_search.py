"""The `elasticsearch_search` state: one operation on an index. https://www.elastic.co/docs/api/doc/elasticsearch/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send

__all__ = ["perform"]


def perform(parameters: Mapping[str, Any], step: Step) -> Record:
    """Do the operation; gives Elasticsearch's answer as a record, of a search also `documents` and `total`."""
    index = text_of(parameters.get("index")).strip()
    if not index or index.startswith("_"):
        raise PermanentError("index is missing; it is the name of an index")
    return OPERATIONS[parameters["operation"]](Index(index, parameters, step), parameters)


class Index:
    """One index on one server."""

    def __init__(self, name: str, parameters: Mapping[str, Any], step: Step) -> None:
        self._path = f"{find_server(parameters, step)}/{quote(name, safe=',*-')}"
        self._headers = {"content-type": "application/json", **find_authorization(parameters, step)}
        self._timeout = float(parameters.get("timeout", 30))
        self._step = step

    @property
    def own_id(self) -> str:
        """An id that a repetition of the step has too."""
        return hashlib.sha256(f"{self._step.flow}/{self._step.idempotency_key}".encode()).hexdigest()[:20]

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Response:
        """The answer, whatever its status; what may pass is raised as RetryableError."""
        response = send(
            Request(
                method=method,
                url=f"{self._path}{path}{f'?{urlencode(query)}' if query else ''}",
                headers=self._headers,
                body=None if body is None else json.dumps(body, default=text_of).encode(),
                timeout_seconds=self._timeout,
                deadline_seconds=self._step.timeout_seconds,
                cancelled=self._step.cancelled,
                max_redirects=0,
            )
        )
        if response.status == 429 or response.status >= 500:
            raise RetryableError(told(response), retry_after_seconds=retry_after(response))
        return response


def index_document(index: Index, parameters: Mapping[str, Any]) -> Record:
    """Put a document in; one that a repetition finds there is the one that it put in before."""
    document = document_of(parameters)
    given = text_of(parameters.get("id")).strip()
    if given:
        return answer_of(index.call("PUT", f"/_doc/{quote(given, safe='')}", document))
    response = index.call("PUT", f"/_create/{index.own_id}", document)
    if response.status == 409:
        return Record(_id=index.own_id, _index=text_of(parameters["index"]), result="created")
    return answer_of(response)


def search(index: Index, parameters: Mapping[str, Any]) -> Record:
    """Search by text, or by a query in Elasticsearch's language."""
    query = parameters.get("query")
    body: dict[str, Any] = {"size": parameters.get("size", 10)}
    if isinstance(query, Mapping):
        body |= dict(query) if "query" in query or "aggs" in query else {"query": dict(query)}
    elif text_of(query).strip():
        body["query"] = {"simple_query_string": {"query": text_of(query)}}
    answer = answer_of(index.call("POST", "/_search", body))
    found = answer.get("hits") or {}
    hits, total = found.get("hits") or [], found.get("total")
    return Record(
        {
            **answer,
            "documents": [Record({"_id": hit.get("_id"), **(hit.get("_source") or {})}) for hit in hits],
            "total": total.get("value") if isinstance(total, Mapping) else total,
        }
    )


def get(index: Index, parameters: Mapping[str, Any]) -> Record:
    """One document; `found` is false where there is none."""
    response = index.call("GET", f"/_doc/{id_of(parameters)}")
    answer = answer_of(response, absent=True)
    return Record({**answer, "found": bool(answer.get("found")), "document": answer.get("_source")})


def update(index: Index, parameters: Mapping[str, Any]) -> Record:
    """Change fields of a document; it is made where there is none."""
    body = {"doc": document_of(parameters), "doc_as_upsert": True}
    return answer_of(index.call("POST", f"/_update/{id_of(parameters)}", body))


def delete(index: Index, parameters: Mapping[str, Any]) -> Record:
    """Remove a document; one that is not there is gone."""
    return answer_of(index.call("DELETE", f"/_doc/{id_of(parameters)}"), absent=True)


OPERATIONS: Mapping[str, Callable[[Index, Mapping[str, Any]], Record]] = {
    "index": index_document,
    "search": search,
    "get": get,
    "update": update,
    "delete": delete,
}


def document_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    document = parameters.get("document")
    if not isinstance(document, dict):
        raise PermanentError(f"document is missing; {parameters['operation']} needs a record")
    return dict(document)


def id_of(parameters: Mapping[str, Any]) -> str:
    given = text_of(parameters.get("id")).strip()
    if not given:
        raise PermanentError(f"id is missing; {parameters['operation']} needs the document's")
    return quote(given, safe="")


def find_server(parameters: Mapping[str, Any], step: Step) -> str:
    """The server's address: the state's, else the injected service's."""
    found = parameters.get("base_url") or step.scope.get("ELASTICSEARCH_URL")
    if not found:
        raise PermanentError(
            "base_url is missing; set it, or the variable ELASTICSEARCH_URL, or register an elasticsearch service"
        )
    return text_of(found).strip().rstrip("/")


def find_authorization(parameters: Mapping[str, Any], step: Step) -> dict[str, str]:
    """By key, or by user and password; none."""
    key = parameters.get("api_key") or step.scope.get("ELASTICSEARCH_API_KEY")
    if key:
        return {"authorization": f"ApiKey {text_of(key).strip()}"}
    password = parameters.get("password") or step.scope.get("ELASTICSEARCH_PASSWORD")
    if not password:
        return {}
    from urllib3 import make_headers

    user = parameters.get("username") or step.scope.get("ELASTICSEARCH_USER") or "elastic"
    return make_headers(basic_auth=f"{text_of(user)}:{text_of(password)}")


def answer_of(response: Response, *, absent: bool = False) -> Record:
    """The answer's object, or the error it tells of. `absent`: a document that is not there is none."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or (response.status < 300 and not isinstance(answer.get("hits", {}), dict)):
        raise PermanentError(f"the answer ({response.status}) is not Elasticsearch's")
    if response.status < 300 or (absent and response.status == 404 and "error" not in answer):
        return Record(answer)
    raise PermanentError(told(response))


def told(response: Response) -> str:
    """What an error says."""
    try:
        error = json.loads(response.body)["error"]
        said = error.get("reason") if isinstance(error, dict) else error
    except (ValueError, LookupError, TypeError, RecursionError):
        said = None
    return f"Elasticsearch answered {response.status}: {text_of(said or 'no reason given')[:1000]}"
