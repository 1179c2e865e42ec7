"""Messages as they come: in any encoding, cut off, badly nested, or none at all."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.sources.email.files import safe_name, unique
from intellyhub_functions.sources.email.filters import accepts, read_filter
from intellyhub_functions.sources.email.message import address_of, read_headers, read_letter
from intellyhub_functions.sources.email.texts import decode_body, decode_words, text_of_html


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?q?Gi=C3=A0_fatto?=", "Già fatto"),
        (b"=?iso-8859-1?q?caf=E9?= =?utf-8?b?w6A=?=", "caféà"),
        (b"=?utf-8?b?broken", "=?utf-8?b?broken"),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"=?x-unknown?q?caf=C3=A9?=", "café"),
        (b"=?punycode?q?a=2D?=", "a-"),
        ("già".encode(), "già"),
        (b"gi\xe0", "già"),
        (b"folded\r\n over lines\r\n", "folded over lines"),
        (b"", ""),
    ],
)
def test_a_header_is_decoded_whatever_it_says_that_it_is(raw, text):
    assert decode_words(raw) == text


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"gi\xe0", "iso-8859-1", "già"),
        ("già".encode(), None, "già"),
        (b"gi\xe0", None, "già"),
        (b"gi\xe0", "utf-8", "già"),
        ("già".encode(), "us-ascii", "già"),
        (b"x\x00y", "utf-8", "xy"),
        (b"abc", "zip", "abc"),
        (b"abc", "idna", "abc"),
        (b"abc", "../../etc", "abc"),
        ("日本".encode("shift_jis"), "shift_jis", "日本"),
    ],
)
def test_a_body_is_decoded_whatever_it_says_that_it_is(raw, charset, text):
    assert decode_body(raw, charset) == text


def test_html_is_read_for_its_words():
    html = "<style>p{}</style><p>Hello&nbsp;<b>Ada</b>,</p><script>alert(1)</script><div>two<br>three</div>"
    assert text_of_html(html) == "Hello Ada,\ntwo\nthree"
    letter = read_letter(b"Content-Type: text/html\r\n\r\n" + html.encode())
    assert (letter.text, letter.html) == ("Hello Ada,\ntwo\nthree", html)


def test_the_plain_text_of_two_is_the_body_and_the_html_is_kept():
    raw = (
        b"Content-Type: multipart/alternative; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--B\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--B--\r\n"
    )
    letter = read_letter(raw)
    assert (letter.text.strip(), letter.html.strip(), letter.files) == ("plain", "<b>rich</b>", ())


def test_a_message_within_a_message_is_a_file():
    inner = b"Subject: inner\r\n\r\nhello"
    raw = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    [file] = read_letter(raw + b"\r\n--B--").files
    assert (file.kind, b"Subject: inner" in file.content) == ("message/rfc822", True)


def test_what_is_not_encoded_as_it_says_comes_as_it_is():
    head = b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert read_letter(head + b"!!!").files[0].content is not None


def test_a_name_in_an_encoding_that_is_none_is_no_name():
    head = b"Content-Type: text/plain; name*=unknown-charset''%FF%FE\r\n\r\nx"
    assert read_letter(head).text in ("x", "")


def test_a_message_of_very_many_parts_is_read_in_part_and_in_time():
    begun = time.monotonic()
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(100))
    read_letter(deep + b"\r\nend")
    wide = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\nContent-Type: x/y\r\n\r\nz\r\n" * 5000
    assert len(read_letter(wide).files) <= 500
    assert time.monotonic() - begun < 20  # it takes a fifth of a second; without the bound, for ever


@given(st.binary(max_size=400))
def test_whatever_the_bytes_something_comes_out(raw):
    letter = read_letter(raw)
    assert isinstance(letter.text, str)
    letter.text.encode()  # it can be stored: no half of a character
    letter.headers["subject"].encode()
    read_headers(raw)


@pytest.mark.parametrize(
    ("written", "address"),
    [("Ada <ada@example.org>", "ada@example.org"), ("ada@example.org", "ada@example.org"), ("", ""), ("<>", "")],
)
def test_the_bare_address_of_a_header(written, address):
    assert address_of(written) == address


@pytest.mark.parametrize(
    ("written", "kind", "name"),
    [
        ("report.pdf", "application/pdf", "report.pdf"),
        ("../../etc/passwd", "text/plain", "passwd"),
        ("C:\\Windows\\evil.exe", "x/y", "evil.exe"),
        ("a\x00b\nc.txt", "text/plain", "abc.txt"),
        (".bashrc", "text/plain", "bashrc"),
        ("..", "text/plain", "attachment"),
        ("", "message/rfc822", "message.eml"),
        ("é" * 300 + ".pdf", "application/pdf", "é" * 58 + ".pdf"),
    ],
)
def test_a_name_is_one_for_a_file_system(written, kind, name):
    assert safe_name(written, kind) == name


@given(st.text(max_size=300))
def test_no_name_leads_anywhere(written):
    name = safe_name(written, "x/y")
    assert name
    assert "/" not in name
    assert name not in (".", "..")
    assert len(name.encode()) <= 120


def test_files_of_one_name_are_numbered():
    taken: set[str] = set()
    assert [unique(name, taken) for name in ("a.pdf", "A.PDF", "a.pdf", "b")] == ["a.pdf", "A-2.PDF", "a-3.pdf", "b"]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("subject:lead", {"subject": ("lead",)}),
        ("subject:New Lead from:boss@x.com", {"subject": ("new lead",), "from": ("boss@x.com",)}),
        ('subject:"a b", sender:c', {"subject": ("a b",), "from": ("c",)}),
        ("invoice", {"subject": ("invoice",)}),
        ({"subject": ["a", "b"], "to": "c"}, {"subject": ("a", "b"), "to": ("c",)}),
        (None, {}),
    ],
)
def test_a_filter_is_read_as_people_write_it(written, wanted):
    assert read_filter(written) == wanted


def test_a_filter_wants_one_text_of_every_header_that_it_names():
    wanted = read_filter({"subject": ["invoice", "receipt"], "from": "Shop"})
    assert accepts(wanted, {"subject": "Your RECEIPT", "from": "The shop <a@b.c>"})
    assert not accepts(wanted, {"subject": "Your receipt", "from": "Ada"})
    assert not accepts(wanted, {"subject": "Hello", "from": "The shop"})


def test_a_filter_that_can_never_match_is_refused():
    with pytest.raises(PermanentError, match="'subjct'"):
        read_filter("subjct:lead")
