"""The Graph API for one page: posts, photos, comments, insights, and what it refuses.

Written from https://developers.facebook.com/docs/graph-api/reference/page/feed, /page/photos, /object/comments,
/insights, and /docs/graph-api/guides/error-handling.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import threading
import time
from typing import Any

from intellyhub_functions.testing.forms import SentFile, read_arguments
from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["GraphApi"]

SOONEST_SECONDS = 600
LATEST_SECONDS = 30 * 86400
METRICS = {"page_post_engagements": 12, "post_impressions": 340, "post_reactions_by_type_total": {"like": 3}}
HIDDEN = ("access_token", "appsecret_proof")


class GraphFault(Exception):
    """A call that Facebook refuses."""

    def __init__(self, code: int, message: str, status: int = 400, **more: Any) -> None:
        self.status = status
        self.told = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A", **more}
        super().__init__(message)


class GraphApi(LocalServer):
    """Any page. Tokens that begin with "bad" are refused; `objects` holds what was made, by its id."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, app_secret: str = "") -> None:
        super().__init__(host, port)
        self.app_secret = app_secret
        self.objects: dict[str, dict[str, Any]] = {}
        self.failures: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        """Status, headers and error given instead to the next calls, first one first."""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What was published or scheduled, the oldest first."""
        return [found for found in self.objects.values() if found["kind"] == "post"]

    def answer(self, call: Call) -> Answer:
        arguments, files = read_arguments(call)
        if self.failures:
            status, headers, error = self.failures.pop(0)
            return Answer.of_json({"error": error}, status, headers)
        try:
            with self._lock:
                return Answer.of_json(self._answer(call, arguments, files))
        except GraphFault as fault:
            return Answer.of_json({"error": fault.told}, fault.status)

    def _answer(self, call: Call, arguments: dict[str, Any], files: dict[str, SentFile]) -> dict[str, Any]:
        self._authenticate(arguments)
        found = re.fullmatch(r"/v(\d+)\.\d/([\w.-]+)(?:/(\w+))?/?", call.path.partition("?")[0])
        if found is None:
            raise GraphFault(2500, "Unknown path components: " + call.path.partition("?")[0])
        if int(found[1]) < 20:
            raise GraphFault(2635, f"You are calling a deprecated version of the Graph API (v{found[1]})")
        target, edge = found[2], found[3]
        given = {name: value for name, value in arguments.items() if name not in HIDDEN}
        if call.method == "POST" and edge in ("feed", "photos", "comments"):
            return {"feed": self._post, "photos": self._photo, "comments": self._comment}[edge](target, given, files)
        if call.method == "GET" and edge in ("comments", "posts", "scheduled_posts"):
            return self._list(target, edge, given)
        if call.method == "GET" and edge == "insights":
            return self._insights(given)
        return self._change(call.method, target, given)

    def _authenticate(self, arguments: dict[str, Any]) -> None:
        token = arguments.get("access_token", "")
        if not token:
            raise GraphFault(104, "An access token is required to request this resource.", 400)
        if token.startswith("bad"):
            raise GraphFault(190, "Error validating access token: Session has expired", 401, error_subcode=463)
        proof = hmac.new(self.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        if self.app_secret and not hmac.compare_digest(proof, arguments.get("appsecret_proof", "")):
            raise GraphFault(100, "API calls from the server require an appsecret_proof argument")

    def _post(self, page: str, given: dict[str, Any], files: dict[str, SentFile]) -> dict[str, Any]:
        attached = [json.loads(value)["media_fbid"] for name, value in given.items() if name.startswith("attached_")]
        if not given.get("message") and not given.get("link") and not attached:
            raise GraphFault(100, "Missing message or attachment.")
        for number in attached:
            if self.objects.get(number, {}).get("kind") != "photo":
                raise GraphFault(100, f"Invalid parameter: media_fbid {number}")
        check_time(given)
        return {"id": self._keep(page, "post", {**given, "photos": attached})}

    def _photo(self, page: str, given: dict[str, Any], files: dict[str, SentFile]) -> dict[str, Any]:
        if ("source" in files) == ("url" in given):
            raise GraphFault(324, "Missing or invalid image file")
        check_time(given)
        content = files["source"].content if "source" in files else given["url"].encode()
        number = self._keep(page, "photo", {"content": content}).rpartition("_")[2]
        self.objects[number] = self.objects.pop(f"{page}_{number}")
        if given.get("published") == "false" and "scheduled_publish_time" not in given:
            return {"id": number}
        return {"id": number, "post_id": self._keep(page, "post", {**given, "photos": [number]})}

    def _comment(self, target: str, given: dict[str, Any], files: dict[str, SentFile]) -> dict[str, Any]:
        self._find(target)
        if not given.get("message") and not given.get("attachment_url"):
            raise GraphFault(100, "Missing message or attachment.")
        return {"id": self._keep(target, "comment", {**given, "on": target})}

    def _list(self, target: str, edge: str, given: dict[str, Any]) -> dict[str, Any]:
        if edge == "comments":
            self._find(target)
            rows = [found for found in self.objects.values() if found.get("on") == target]
        else:
            later = edge == "scheduled_posts"
            rows = [found for found in self.posts if ("scheduled_publish_time" in found) == later][::-1]
        begin, limit = int(given.get("after") or 0), int(given.get("limit", 25))
        shown = [{"id": row["id"], "message": row.get("message", "")} for row in rows[begin : begin + limit]]
        paging: dict[str, Any] = {"cursors": {"before": str(begin), "after": str(begin + limit)}}
        if begin + limit < len(rows):
            paging["next"] = "https://graph.facebook.com/elsewhere"
        return {"data": shown, "paging": paging}

    def _insights(self, given: dict[str, Any]) -> dict[str, Any]:
        unknown = set(given["metric"].split(",")) - METRICS.keys()
        if unknown:
            raise GraphFault(100, "(#100) The value must be a valid insights metric")
        period = given.get("period", "day")
        values = {name: [{"value": 0, "end_time": "a"}, {"value": METRICS[name], "end_time": "b"}] for name in METRICS}
        names = given["metric"].split(",")
        return {"data": [{"name": name, "period": period, "values": values[name]} for name in names]}

    def _change(self, method: str, target: str, given: dict[str, Any]) -> dict[str, Any]:
        found = self._find(target)
        if method == "DELETE":
            del self.objects[target]
            return {"success": True}
        if method == "POST":
            check_time(given)
            found.update(given)
            return {"success": True}
        return {"id": target, "message": found.get("message")}

    def _find(self, target: str) -> dict[str, Any]:
        if target not in self.objects:
            message = f"Unsupported request. Object with ID '{target}' does not exist, or lacks permissions"
            raise GraphFault(100, message, error_subcode=33)
        return self.objects[target]

    def _keep(self, owner: str, kind: str, content: dict[str, Any]) -> str:
        identity = f"{owner.partition('_')[0]}_{next(self._numbers)}"
        self.objects[identity] = {"id": identity, "kind": kind, **content}
        return identity


def check_time(given: dict[str, Any]) -> None:
    """A post that is scheduled is not published, and appears in 10 minutes to 30 days."""
    if "scheduled_publish_time" not in given:
        return
    ahead = int(given["scheduled_publish_time"]) - time.time()
    if given.get("published") != "false" or not SOONEST_SECONDS <= ahead <= LATEST_SECONDS:
        raise GraphFault(100, "(#100) The specified scheduled publish time is invalid.")
