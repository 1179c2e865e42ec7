"""What is done through the official API: posts, comments, deletions, who the token belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.uploads import read_upload
from intellyhub_functions.states.linkedin.api import (
    LinkedIn,
    LinkedInRefused,
    make_linkedin,
    path_of,
    read_object,
)

__all__ = ["comment", "delete", "escape", "post", "profile"]

RESERVED = re.compile(r"[\\|{}@\[\]()<>*_~]|#(?!\w)")
"""A hashtag stays one. https://learn.microsoft.com/linkedin/marketing/community-management/shares/little-text-format"""
URN = re.compile(r"urn:li:[a-zA-Z]+:[\w.,():-]+")
MAX_CHARACTERS = 3000
MAX_IMAGES = 20
MAX_IMAGE_BYTES = 10 * 1024 * 1024


def escape(text: str) -> str:
    """A text whose marks LinkedIn shows as they are; unescaped ones cut a post short without a word."""
    return RESERVED.sub(lambda found: f"\\{found[0]}", text)


def post(parameters: Mapping[str, Any], step: Step) -> Record:
    """Publish a text, a link or images in the name of `author`."""
    text = text_of(parameters.get("message"))
    if len(text) > MAX_CHARACTERS:
        raise PermanentError(f"message has {len(text)} characters; LinkedIn takes {MAX_CHARACTERS}")
    api = make_linkedin(parameters, step)
    images = images_of(parameters)
    if not text.strip() and not images and not parameters.get("link"):
        raise PermanentError("there is nothing to publish: give a message, a link or an image")
    uploads = [find_image(image, step) for image in images]
    author = find_author(parameters, api)
    content = make_article(parameters) if not uploads else make_images(uploads, author, parameters, api)
    body = {
        "author": author,
        "commentary": escape(text),
        "visibility": parameters.get("visibility") or "PUBLIC",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": bool(parameters.get("disable_reshare")),
        **content,
    }
    number = publish(body, api, step)
    url = f"https://www.linkedin.com/feed/update/{number}/"
    return Record(success=True, post_id=number, url=url, author=author, message="post published")


def publish(body: Mapping[str, Any], api: LinkedIn, step: Step) -> str:
    """The new post's urn. A repeated attempt that LinkedIn takes for a duplicate is the post that was made before."""
    try:
        response = api.call("POST", "/rest/posts", body)
    except LinkedInRefused as refusal:
        before = URN.search(str(refusal)) if refusal.code == "DUPLICATE_POST" and step.attempt > 1 else None
        if before is None:
            raise
        return before[0]
    number = response.headers.get("x-restli-id") or response.headers.get("x-linkedin-id")
    if not number:
        raise PermanentError("LinkedIn's answer to the post has no id")
    return number


def images_of(parameters: Mapping[str, Any]) -> list[Any]:
    written = parameters.get("image")
    images = list(written) if isinstance(written, list | tuple) else [written]
    given = [image for image in images if image not in (None, "", b"")]
    if len(given) > MAX_IMAGES:
        raise PermanentError(f"a post has at most {MAX_IMAGES} images")
    return given


def find_image(written: Any, step: Step) -> Any:
    upload = read_upload(written, step.workspace, what="image", limit=MAX_IMAGE_BYTES, unnamed="image.jpg")
    if upload is None:
        raise PermanentError(f"image {text_of(written)!r} is no file of the workspace")
    return upload


def find_author(parameters: Mapping[str, Any], api: LinkedIn) -> str:
    """Who publishes: the urn that is written, `organization:1` for short, else the person whose token it is."""
    written = text_of(parameters.get("author")).strip()
    urn = written if written.startswith("urn:") or not written else f"urn:li:{written}"
    if not urn:
        return f"urn:li:person:{who(api)['sub']}"
    if not re.fullmatch(r"urn:li:(person|organization|organizationBrand):[\w-]+", urn):
        raise PermanentError(f"author is {written[:100]!r}; write urn:li:person:… or urn:li:organization:…")
    return urn


def who(api: LinkedIn) -> Mapping[str, Any]:
    """Who the token belongs to.

    https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2
    """
    told = read_object(api.call("GET", "/v2/userinfo"))
    if not re.fullmatch(r"[\w-]{1,100}", text_of(told.get("sub"))):
        raise PermanentError("LinkedIn does not tell whose token it is; name the author")
    return told


def make_article(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The link that a post shows; LinkedIn reads no title from it by itself."""
    link = text_of(parameters.get("link")).strip()
    if not link:
        return {}
    told = {"source": link, "title": text_of(parameters.get("link_title")).strip() or link}
    description = text_of(parameters.get("link_description")).strip()
    return {"content": {"article": told | ({"description": description} if description else {})}}


def make_images(uploads: list[Any], author: str, parameters: Mapping[str, Any], api: LinkedIn) -> dict[str, Any]:
    """Upload the images; the part of the post that shows them."""
    text = text_of(parameters.get("alt_text")).strip()
    shown = [{"id": put_image(upload, author, api), **({"altText": text} if text else {})} for upload in uploads]
    return {"content": {"media": shown[0]} if len(shown) == 1 else {"multiImage": {"images": shown}}}


def put_image(upload: Any, author: str, api: LinkedIn) -> str:
    """The urn of an uploaded image.

    https://learn.microsoft.com/linkedin/marketing/community-management/shares/images-api
    """
    asked = {"initializeUploadRequest": {"owner": author}}
    told = read_object(api.call("POST", "/rest/images?action=initializeUpload", asked)).get("value")
    found = told if isinstance(told, Mapping) else {}
    url, image = text_of(found.get("uploadUrl")), text_of(found.get("image"))
    if not url or not image:
        raise RetryableError("LinkedIn's answer to the upload names no address")
    api.upload(url, upload)
    return image


def urn_of(parameters: Mapping[str, Any]) -> str:
    urn = text_of(parameters.get("post_id")).strip()
    if not URN.fullmatch(urn):
        raise PermanentError("post_id is missing or no urn such as urn:li:share:1")
    return urn


def delete(parameters: Mapping[str, Any], step: Step) -> Record:
    """Delete a post; LinkedIn answers alike where it is gone already."""
    urn = urn_of(parameters)
    make_linkedin(parameters, step).call("DELETE", f"/rest/posts/{path_of(urn)}", kind="DELETE")
    return Record(success=True, post_id=urn, message="post deleted")


def comment(parameters: Mapping[str, Any], step: Step) -> Record:
    """Comment on a post. https://learn.microsoft.com/linkedin/marketing/community-management/shares/comments-api."""
    urn, text = urn_of(parameters), text_of(parameters.get("message"))
    if not text.strip():
        raise PermanentError("message is empty; a comment needs one")
    api = make_linkedin(parameters, step)
    body = {"actor": find_author(parameters, api), "object": urn, "message": {"text": text}}
    response = api.call("POST", f"/rest/socialActions/{path_of(urn)}/comments", body)
    number = response.headers.get("x-restli-id") or text_of(read_object(response).get("id"))
    return Record(success=True, comment_id=number, post_id=urn, message="comment made")


def profile(parameters: Mapping[str, Any], step: Step) -> Record:
    """Whose token it is."""
    told = who(make_linkedin(parameters, step))
    names = ("name", "given_name", "family_name", "email", "picture", "locale")
    return Record(success=True, author=f"urn:li:person:{told['sub']}", **{name: told.get(name) for name in names})
