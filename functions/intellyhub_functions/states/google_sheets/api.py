"""The few methods of the Sheets API that the state needs. https://developers.google.com/sheets/api/reference/rest."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.states.google_sheets.credentials import find_token

__all__ = ["Sheets", "open_sheets"]

DEFAULT_URL = "https://sheets.googleapis.com"
MAX_ANSWER_BYTES = 32 * 1024 * 1024


def open_sheets(parameters: Mapping[str, Any], step: Step) -> Sheets:
    """The spreadsheet that the parameters name, with their account. Raises StepFailed's kinds."""
    spreadsheet = spreadsheet_of(text_of(parameters.get("spreadsheet_id")).strip())
    base_url = text_of(parameters.get("base_url") or step.scope.get("GOOGLE_SHEETS_BASE_URL") or DEFAULT_URL)
    return Sheets(
        base_url=f"{base_url.rstrip('/')}/v4/spreadsheets/{quote(spreadsheet, safe='')}",
        token=find_token(parameters, step),
        timeout_seconds=float(parameters.get("timeout", 30)),
        deadline_seconds=step.timeout_seconds,
        cancelled=step.cancelled,
    )


def spreadsheet_of(written: str) -> str:
    """The id in what people copy: the id itself, or the page's address."""
    match = re.search(r"/spreadsheets/d/([\w-]+)", written)
    found = match[1] if match else written
    if not found:
        raise PermanentError("spreadsheet_id is missing; it stands in the spreadsheet's address")
    return found


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Sheets:
    """One spreadsheet."""

    base_url: str
    token: str
    timeout_seconds: float
    deadline_seconds: float | None
    cancelled: threading.Event

    def read(self, place: str) -> Mapping[str, Any]:
        """`{range, values}`."""
        return self._call("GET", f"/values/{quote(place, safe='')}")

    def write(self, place: str, rows: list[list[Any]], entered: bool) -> Mapping[str, Any]:
        """`{updatedRange, updatedRows, updatedColumns, updatedCells}`."""
        return self._call("PUT", f"/values/{quote(place, safe='')}", option_of(entered), {"values": rows})

    def append(self, place: str, rows: list[list[Any]], entered: bool) -> Mapping[str, Any]:
        """`{tableRange, updates}`; new rows are inserted, so that nothing below the table is overwritten."""
        query = {**option_of(entered), "insertDataOption": "INSERT_ROWS"}
        return self._call("POST", f"/values/{quote(place, safe='')}:append", query, {"values": rows})

    def clear(self, place: str) -> Mapping[str, Any]:
        """`{clearedRange}`."""
        return self._call("POST", f"/values/{quote(place, safe='')}:clear", body={})

    def add_sheet(self, title: str) -> Mapping[str, Any]:
        """The new sheet's `{sheetId, title}`; of the one that has the title already, where there is one."""
        made = {"requests": [{"addSheet": {"properties": {"title": title}}}]}
        try:
            replies = self._call("POST", ":batchUpdate", body=made).get("replies")
            return dict(replies[0]["addSheet"]["properties"]) if replies else {}
        except Refused as refusal:
            found = self._find_sheet(title) if refusal.status == 400 else None
            if found is None:
                raise
            return found

    def _find_sheet(self, title: str) -> Mapping[str, Any] | None:
        sheets = self._call("GET", "", {"fields": "sheets.properties(sheetId,title)"}).get("sheets") or []
        found = (sheet.get("properties") or {} for sheet in sheets)
        return next((facts for facts in found if facts.get("title") == title), None)

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Mapping[str, Any]:
        response = send(
            Request(
                method=method,
                url=f"{self.base_url}{path}{f'?{urlencode(query)}' if query else ''}",
                headers={"authorization": f"Bearer {self.token}", "content-type": "application/json"},
                body=None if body is None else json.dumps(body).encode(),
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.deadline_seconds,
                cancelled=self.cancelled,
                called="Google Sheets",
                max_redirects=0,
                max_body_bytes=MAX_ANSWER_BYTES,
            )
        )
        return read_answer(response)


class Refused(PermanentError):
    """Google refused a call for good."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


def option_of(entered: bool) -> dict[str, str]:
    return {"valueInputOption": "USER_ENTERED" if entered else "RAW"}


def read_answer(response: Response) -> Mapping[str, Any]:
    """The answer's object, or the error it tells of (https://cloud.google.com/apis/design/errors)."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if response.status < 300 and isinstance(answer, dict):
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    said = text_of(error.get("message") if isinstance(error, dict) else "an answer that is not Google's")[:500]
    message = f"Google Sheets answered {response.status}: {said}"
    if response.status == 429 or response.status >= 500:
        raise RetryableError(message, retry_after_seconds=retry_after(response))
    hints = {403: "; share the spreadsheet with the service account", 404: "; the spreadsheet_id is wrong"}
    raise Refused(message + hints.get(response.status, ""), response.status)
