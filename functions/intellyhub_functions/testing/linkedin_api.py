"""LinkedIn's API for one member: posts, images, comments, and what it refuses.

Written from https://learn.microsoft.com/linkedin/marketing/community-management/shares/ (posts-api, images-api,
comments-api, little-text-format) and /linkedin/shared/api-guide/concepts/error-handling.
"""

from __future__ import annotations

import itertools
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["LinkedInApi"]

POST_FIELDS = ("author", "commentary", "visibility", "distribution", "lifecycleState")
UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[|{}@\[\]()<>*_~]")


class LinkedInApi(LocalServer):
    """Tokens that begin with "bad" are refused. `posts`, `comments` and `images` hold what was made, by their urns."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.posts: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, dict[str, Any]] = {}
        self.images: dict[str, bytes] = {}
        self.failures: list[Answer] = []
        """Given instead to the next calls, first one first."""
        self._numbers = itertools.count(1)

    def answer(self, call: Call) -> Answer:
        parts = urlsplit(call.path)
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or token.startswith("bad"):
            return refuse(401, "INVALID_ACCESS_TOKEN", "Invalid access token")
        if self.failures:
            return self.failures.pop(0)
        if parts.path == "/v2/userinfo":
            return Answer.of_json(
                {"sub": "aDa_1", "name": "Ada Rossi", "given_name": "Ada", "email": "ada@example.org"}
            )
        if call.method == "PUT" and parts.path.startswith("/upload/"):
            self.images[unquote(parts.path.removeprefix("/upload/"))] = call.body
            return Answer(status=201)
        if not re.fullmatch(r"20\d{4}", call.headers.get("linkedin-version", "")):
            return refuse(400, "VERSION_MISSING", "A version must be present")
        if call.headers["linkedin-version"] < "202500":
            return refuse(426, "NONEXISTENT_VERSION", "Requested version is not active")
        if call.headers.get("x-restli-protocol-version") != "2.0.0":
            return refuse(400, "MISSING", "X-RestLi-Protocol-Version must be 2.0.0")
        return self._answer(call, parts.path, parts.query)

    def _answer(self, call: Call, path: str, query: str) -> Answer:
        if (call.method, path) == ("POST", "/rest/posts"):
            return self._post(call.json())
        if (call.method, path, query) == ("POST", "/rest/images", "action=initializeUpload"):
            urn = f"urn:li:image:{next(self._numbers)}"
            self.images[urn] = b""
            value = {"uploadUrlExpiresAt": 1, "uploadUrl": f"{self.url}/upload/{urn}", "image": urn}
            return Answer.of_json({"value": value}) if call.json()["initializeUploadRequest"]["owner"] else refuse(400)
        commented = re.fullmatch(r"/rest/socialActions/([^/]+)/comments", path)
        if call.method == "POST" and commented:
            return self._comment(unquote(commented[1]), call.json())
        if call.method == "DELETE" and path.startswith("/rest/posts/"):
            if call.headers.get("x-restli-method") != "DELETE":
                return refuse(400, "MISSING", "X-RestLi-Method must be DELETE")
            self.posts.pop(unquote(path.removeprefix("/rest/posts/")), None)
            return Answer(status=204)
        return refuse(404, "RESOURCE_NOT_FOUND", "No virtual resource found")

    def _post(self, post: dict[str, Any]) -> Answer:
        missing = [name for name in POST_FIELDS if name not in post]
        if missing or not post["author"].startswith("urn:li:"):
            return refuse(400, "MISSING_FIELD", f"{missing} is required but not found")
        before = next((urn for urn, kept in self.posts.items() if kept["commentary"] == post["commentary"]), None)
        if before is not None:
            return refuse(422, "DUPLICATE_POST", f"Duplicate post is detected: {before} is a duplicate")
        cut = UNESCAPED.search(post["commentary"])
        media = post.get("content", {})
        wanted = [media["media"]] if "media" in media else media.get("multiImage", {}).get("images", [])
        if any(not self.images.get(image["id"]) for image in wanted):
            return refuse(400, "INVALID_MEDIA", "The image is not available")
        if "article" in media and not media["article"].get("title"):
            return refuse(400, "MISSING_FIELD", "title is required but not found")
        urn = f"urn:li:share:{next(self._numbers)}"
        shown = post["commentary"][: cut.start()] if cut else post["commentary"]  # silently, as LinkedIn does
        self.posts[urn] = {**post, "shown": re.sub(r"\\(.)", r"\1", shown)}
        return Answer(status=201, headers={"x-restli-id": urn})

    def _comment(self, target: str, comment: dict[str, Any]) -> Answer:
        if target not in self.posts or comment["object"] != target:
            return refuse(404, "RESOURCE_NOT_FOUND", "The post does not exist")
        number = f"urn:li:comment:({target},{next(self._numbers)})"
        self.comments[number] = comment
        return Answer.of_json({"id": number}, 201, {"x-restli-id": number})


def refuse(status: int, code: str = "ERROR", message: str = "refused") -> Answer:
    return Answer.of_json({"status": status, "code": code, "message": message}, status)
