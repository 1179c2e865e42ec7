"""Google's Sheets API and token endpoint, as their reference describes them, on loopback.

https://developers.google.com/sheets/api/reference/rest/v4/spreadsheets.values
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from intellyhub_functions.states.google_sheets.ranges import column_name, column_number
from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["SheetsApi"]

AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whom an assertion is for, wherever it is sent."""
TOKEN = "ya29.a-token"  # noqa: S105 - of the double
ACCOUNT = "flows@example.iam.gserviceaccount.com"
CELL = re.compile(r"([A-Z]*)(\d*)")


class SheetsApi(LocalServer):
    """Spreadsheets by id, each with its sheets by name, each a list of rows. `failures` are answered first."""

    def __init__(self) -> None:
        super().__init__()
        self.spreadsheets: dict[str, dict[str, list[list[Any]]]] = {}
        self.failures: list[Answer] = []
        self.tokens_given = 0
        self._key, self.public_key = make_keys()

    @property
    def account_key(self) -> str:
        """The JSON key of a service account that may use it; its token comes from here too."""
        return json.dumps(
            {
                "type": "service_account",
                "client_email": ACCOUNT,
                "private_key_id": "1",
                "private_key": self._key,
                "token_uri": f"{self.url}/token",
            }
        )

    def answer(self, call: Call) -> Answer:
        """What Google answers."""
        if self.failures:
            return self.failures.pop(0)
        parts = urlsplit(call.path)
        if parts.path == "/token":
            return self._give_token(call)
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return refuse(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")
        match = re.fullmatch(r"/v4/spreadsheets/([^/:]+)(?:/values/([^:]+|.*?))?(:\w+)?", parts.path)
        sheets = self.spreadsheets.get(unquote(match[1])) if match else None
        if match is None or sheets is None:
            return refuse(404, "Requested entity was not found.", "NOT_FOUND")
        place, verb = unquote(match[2] or ""), match[3] or ""
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if verb == ":batchUpdate":
            return add_sheet(sheets, call.json())
        if not place:
            found = [{"properties": {"sheetId": number, "title": name}} for number, name in enumerate(sheets)]
            return Answer.of_json({"sheets": found})
        return self._use_values(sheets, place, verb, query, call)

    def _use_values(
        self, sheets: dict[str, list[list[Any]]], place: str, verb: str, query: dict[str, str], call: Call
    ) -> Answer:
        name, _, cells = place.rpartition("!") if "!" in place else (place, "", "")
        name = name.strip("'").replace("''", "'")
        if name not in sheets:
            return refuse(400, f"Unable to parse range: {place}", "INVALID_ARGUMENT")
        if call.method in ("PUT", "POST") and verb != ":clear" and query.get("valueInputOption") not in OPTIONS:
            return refuse(400, "'valueInputOption' is required but not specified", "INVALID_ARGUMENT")
        area = Area(sheets[name], cells)
        if call.method == "GET":
            found = {"range": f"'{name}'!{area.shown}", "majorDimension": "ROWS"}
            values = area.read()
            return Answer.of_json({**found, "values": values} if values else found)
        if verb == ":clear":
            area.clear()
            return Answer.of_json({"clearedRange": f"'{name}'!{area.shown}"})
        rows = call.json()["values"]
        if verb == ":append":
            area = Area(sheets[name], f"A{len(sheets[name]) + 1}")
        area.write(rows)
        width = max(map(len, rows), default=0)
        written = {
            "updatedRange": f"'{name}'!{area.shown_for(len(rows), width)}",
            "updatedRows": len(rows),
            "updatedColumns": width,
            "updatedCells": sum(map(len, rows)),
        }
        return Answer.of_json({"updates": written} if verb == ":append" else written)

    def _give_token(self, call: Call) -> Answer:
        """Checks the assertion's signature and claims, as Google does."""
        import jwt

        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        try:
            claims = jwt.decode(form["assertion"], self.public_key, algorithms=["RS256"], audience=AUDIENCE)
        except (jwt.InvalidTokenError, KeyError):
            return Answer.of_json({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
        if claims["iss"] != ACCOUNT or "spreadsheets" not in claims["scope"]:
            return Answer.of_json({"error": "invalid_scope"}, 400)
        self.tokens_given += 1
        return Answer.of_json({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})


OPTIONS = ("RAW", "USER_ENTERED")


class Area:
    """A range of one sheet's rows."""

    def __init__(self, rows: list[list[Any]], written: str) -> None:
        self._rows = rows
        first, _, last = written.partition(":")
        begin, end = CELL.fullmatch(first), CELL.fullmatch(last)
        assert begin is not None
        assert end is not None
        self.row = int(begin[2] or 1)
        self.column = column_number(begin[1]) if begin[1] else 1
        single = bool(written) and not last
        self.last_row = int(end[2] or (self.row if single else max(len(rows), 1)))
        width = max(map(len, rows), default=1)
        self.last_column = column_number(end[1]) if end[1] else (self.column if single else max(width, 1))

    @property
    def shown(self) -> str:
        return self.shown_for(self.last_row - self.row + 1, self.last_column - self.column + 1)

    def shown_for(self, rows: int, columns: int) -> str:
        end = f"{column_name(self.column + columns - 1)}{self.row + rows - 1}"
        begin = f"{column_name(self.column)}{self.row}"
        return begin if begin == end else f"{begin}:{end}"

    def read(self) -> list[list[Any]]:
        found = [row[self.column - 1 : self.last_column] for row in self._rows[self.row - 1 : self.last_row]]
        trimmed = [trim([str(cell) if cell is not None else "" for cell in row]) for row in found]
        return trim(trimmed)

    def clear(self) -> None:
        for row in self._rows[self.row - 1 : self.last_row]:
            for column in range(self.column - 1, min(self.last_column, len(row))):
                row[column] = ""

    def write(self, rows: list[list[Any]]) -> None:
        for number, values in enumerate(rows, start=self.row - 1):
            self._rows.extend([] for _ in range(len(self._rows), number + 1))
            row = self._rows[number]
            row.extend("" for _ in range(len(row), self.column - 1 + len(values)))
            row[self.column - 1 : self.column - 1 + len(values)] = values


def trim(values: list[Any]) -> list[Any]:
    """Without what is empty at the end, as Google leaves it out."""
    while values and values[-1] in ("", []):
        values = values[:-1]
    return values


def add_sheet(sheets: dict[str, list[list[Any]]], body: Any) -> Answer:
    title = body["requests"][0]["addSheet"]["properties"]["title"]
    if title in sheets:
        words = f'Invalid requests[0].addSheet: A sheet with the name "{title}" already exists.'
        return refuse(400, words, "INVALID_ARGUMENT")
    sheets[title] = []
    made = {"properties": {"sheetId": len(sheets) - 1, "title": title}}
    return Answer.of_json({"replies": [{"addSheet": made}]})


def refuse(code: int, message: str, status: str) -> Answer:
    return Answer.of_json({"error": {"code": code, "message": message, "status": status}}, code)


def make_keys() -> tuple[str, bytes]:
    """A private key as a service account's file holds it, and its public half."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public
