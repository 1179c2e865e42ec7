"""The `facebook` state: publishes on a page, reads and answers its comments, reads its insights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.uploads import Upload, read_upload
from intellyhub_functions.parameters import is_unfilled
from intellyhub_functions.sources.lists import texts_of
from intellyhub_functions.states.facebook.graph import Graph, make_graph
from intellyhub_functions.states.facebook.schedule import read_time

__all__ = ["perform"]

MAX_PHOTOS = 10
MAX_PHOTO_BYTES = 10 * 1024 * 1024
"""https://developers.facebook.com/docs/graph-api/reference/page/photos"""
PAGE_ENTRIES = 100
COMMENT_FIELDS = "id,message,from,created_time,like_count,comment_count,parent,permalink_url"
POST_FIELDS = "id,message,created_time,scheduled_publish_time,permalink_url,is_published"
OBJECT = re.compile(r"[\w.-]{1,100}")


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do what `action` says. A failure's result is `{success, error, status_code}`."""
    try:
        action = ACTIONS[parameters.get("action") or "post"]
        return action(parameters, make_graph(parameters, step))
    except StepFailed as failure:
        told = failure.result if isinstance(failure.result, Mapping) else {}
        failure.result = Record(**{"status_code": None, **told}, success=False, error=str(failure))
        raise


def named(parameters: Mapping[str, Any], step: Step, *names: str) -> str:
    """The first of these parameters that is given; a page also from the environment. Raises PermanentError."""
    for name in names:
        found = text_of(parameters.get(name)).strip()
        if not found and name == "page_id":
            found = text_of(step.scope.get("FACEBOOK_PAGE_ID")).strip()
        if found and not OBJECT.fullmatch(found):
            unset = ", a variable that is not set" if is_unfilled(found) else ", which is no id"
            raise PermanentError(f"{name} is {found[:100]!r}{unset}")
        if found:
            return found
    raise PermanentError(f"{' or '.join(names)} is missing")


def publish(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """Publish a text, a link or photos on the page, now or later."""
    page = named(parameters, graph.step, "page_id")
    timing = find_timing(parameters)
    fields: dict[str, Any] = {"message": text_of(parameters.get("message")) or None, **timing}
    photos = photos_of(parameters)
    if not photos:
        fields["link"] = text_of(parameters.get("link")).strip() or None
        if fields["message"] is None and fields["link"] is None:
            raise PermanentError("there is nothing to publish: give a message, a link or a photo")
        return told_of(graph.post(f"{page}/feed", fields), timing)
    if len(photos) == 1:
        return told_of(send_photo(photos[0], page, fields, graph), timing)
    hidden = {"published": False, "temporary": True if timing else None}
    numbers = [id_of(send_photo(photo, page, hidden, graph)) for photo in photos]
    attached = {f"attached_media[{place}]": {"media_fbid": number} for place, number in enumerate(numbers)}
    return told_of(graph.post(f"{page}/feed", fields | attached), timing, photo_ids=numbers)


def find_timing(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What says when a post appears; empty: now."""
    written = parameters.get("scheduled_publish_time")
    if written not in (None, ""):
        return {"published": False, "scheduled_publish_time": read_time(written, parameters.get("timezone"))}
    return {"published": False} if parameters.get("published") is False else {}


def photos_of(parameters: Mapping[str, Any]) -> list[Any]:
    """The photos, written as one or as a list."""
    written = parameters.get("photo")
    photos = list(written) if isinstance(written, list | tuple) else [written]
    given = [photo for photo in photos if photo not in (None, "", b"")]
    if len(given) > MAX_PHOTOS:
        raise PermanentError(f"a post has at most {MAX_PHOTOS} photos")
    return given


def send_photo(written: Any, page: str, fields: Mapping[str, Any], graph: Graph) -> Mapping[str, Any]:
    """Send one photo: an address is left to Facebook, a file of the workspace is uploaded."""
    text = "" if isinstance(written, bytes) else text_of(written).strip()
    if text.lower().startswith(("http://", "https://")):
        return graph.post(f"{page}/photos", {**fields, "url": text})
    workspace = graph.step.workspace
    upload = read_upload(written, workspace, what="photo", limit=MAX_PHOTO_BYTES, unnamed="photo.jpg")
    if upload is None:
        raise PermanentError(f"photo {text!r} is neither a file of the workspace nor an address")
    files: dict[str, Upload] = {"source": upload}
    return graph.post(f"{page}/photos", fields, files)


def told_of(answer: Mapping[str, Any], timing: Mapping[str, Any], **more: Any) -> Record:
    """The result of something published; `post_id` is the post's, also where its photo has an id of its own."""
    scheduled = "scheduled_publish_time" in timing
    number = text_of(answer.get("post_id")) or id_of(answer)
    words = "post scheduled" if scheduled else "post published" if not timing else "post made, not published"
    if "post_id" in answer:
        more = {"photo_ids": [id_of(answer)], **more}
    return Record(post_id=number, success=True, message=words, scheduled=scheduled, **more)


def id_of(answer: Mapping[str, Any]) -> str:
    """The id that was given. Raises PermanentError where none was."""
    number = text_of(answer.get("id"))
    if not number:
        raise PermanentError("Facebook's answer has no id")
    return number


def comment(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """Comment on a post, or answer a comment."""
    target = named(parameters, graph.step, "comment_id", "post_id")
    fields = {"message": text_of(parameters.get("message")) or None}
    fields["attachment_url"] = text_of(parameters.get("link")).strip() or None
    if not any(fields.values()):
        raise PermanentError("message is empty; a comment needs one")
    return Record(success=True, comment_id=id_of(graph.post(f"{target}/comments", fields)), message="comment made")


def read_comments(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """The comments of a post, or the answers to a comment."""
    target = named(parameters, graph.step, "comment_id", "post_id")
    found = read_edge(f"{target}/comments", parameters, graph, fields=COMMENT_FIELDS, filter="stream")
    return Record(success=True, comments=found, count=len(found))


def read_posts(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """The posts of the page, the newest first; those to come with `action: scheduled_posts`."""
    page = named(parameters, graph.step, "page_id")
    edge = "scheduled_posts" if parameters.get("action") == "scheduled_posts" else "posts"
    found = read_edge(f"{page}/{edge}", parameters, graph, fields=POST_FIELDS)
    return Record(success=True, posts=found, count=len(found))


def read_edge(path: str, parameters: Mapping[str, Any], graph: Graph, **query: Any) -> list[Any]:
    """The entries of an edge, page by page, up to `limit`."""
    limit = int(parameters.get("limit", 25))
    span = {name: parameters[name] for name in ("since", "until") if parameters.get(name) not in (None, "")}
    found: list[Any] = []
    after: str | None = None
    while len(found) < limit:
        wanted = min(limit - len(found), PAGE_ENTRIES)
        answer = graph.get(path, limit=wanted, after=after, **span, **query)
        entries = answer.get("data")
        found += entries if isinstance(entries, list) else []
        paging = answer.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, Mapping) and paging.get("next") else None
        following = text_of(cursors.get("after")) if isinstance(cursors, Mapping) else ""
        if not entries or not following or following == after:
            break
        after = following
    return found[:limit]


def read_insights(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """Numbers of a post or of the page; `values` has the latest of each metric."""
    target = named(parameters, graph.step, "post_id", "page_id")
    metrics = [name for name in texts_of(parameters.get("metric")) if name]
    if not metrics:
        raise PermanentError("metric is missing; name what to read, such as page_post_engagements")
    names = ("period", "date_preset", "since", "until")
    query = {name: parameters[name] for name in names if parameters.get(name) not in (None, "")}
    rows = graph.get(f"{target}/insights", metric=",".join(metrics), **query).get("data")
    found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    values = {text_of(row.get("name")): latest_of(row.get("values")) for row in found}
    return Record(success=True, data=found, values=values)


def latest_of(values: Any) -> Any:
    """The value of the last period."""
    last = values[-1] if isinstance(values, list) and values else None
    return last.get("value") if isinstance(last, Mapping) else None


def edit(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """Give a post another text, or publish one that waits."""
    target = named(parameters, graph.step, "post_id")
    fields: dict[str, Any] = {"message": text_of(parameters.get("message")) or None, **find_timing(parameters)}
    if parameters.get("published") is True:
        fields["is_published"] = True
    if not any(value is not None for value in fields.values()):
        raise PermanentError("there is nothing to change: give a message or a time")
    graph.post(target, fields)
    return Record(success=True, post_id=target, message="post changed")


def delete(parameters: Mapping[str, Any], graph: Graph) -> Record:
    """Delete a post or a comment."""
    target = named(parameters, graph.step, "comment_id", "post_id")
    graph.delete(target)
    return Record(success=True, post_id=target, message="deleted")


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], Graph], Record]] = {
    "post": publish,
    "photo": publish,
    "comment": comment,
    "comments": read_comments,
    "posts": read_posts,
    "scheduled_posts": read_posts,
    "insights": read_insights,
    "edit": edit,
    "delete": delete,
}
