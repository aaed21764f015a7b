"""Public pages: kept for a minute, compressed, and "not modified" for who has them already. At most
`MOST_KEPT` of them are kept, whatever strangers ask for."""

import gzip
import hashlib
import re
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import http_date, parse_http_date_safe
from django.utils.translation import get_language
from redis.exceptions import RedisError

from digest.papers import search

Answer = Callable[[HttpRequest], HttpResponseBase]
View = Callable[..., HttpResponseBase]

KEPT_SECONDS = 60
MOST_KEPT = 8_192
"""Pages, of all languages together, and as many notes on when they changed. Two addresses that come to
the same place take turns in it."""
_SEEN_SECONDS = 3_600
"""From when the page was made last, so that one that is asked for each hour is never forgotten."""
_MOST_LETTERS = 400
"""Of an address with its query; longer ones are answered, and not kept."""
_STAMP = re.compile(rb'name="stamp" value="[^"]*"')
"""Says when a sign-up form was printed, and so makes no page another one."""
_VARY = ("Accept-Encoding", "Accept-Language")
_PAGE = "[1-9][0-9]{0,3}"
_CANONICAL = {
    "page": _PAGE,
    "p": _PAGE,
    "all": "1",
    "topic": "[-a-zA-Z0-9_]{0,60}",
    "year": "([0-9]{4})?",
    "order": "|".join(("", *search.Order)),
}
"""What our own links and forms say; a page for anything else is answered, and not kept."""


class _Kept(NamedTuple):
    key: str
    body: bytes
    """Compressed, so that a page that is kept costs no compressing either."""
    headers: dict[str, str]
    etag: str
    seen_at: int
    """When it changed last, by its own word or as a page with this ETag was first seen; in seconds
    since 1970."""


def public(*parameters: str, max_age: int = KEPT_SECONDS) -> Callable[[View], View]:
    """A view of a page that is the same for everybody who reads this language.

    Afterwards its answer to GET and HEAD is kept for a minute under its path and those of
    `parameters` that the query has, if each has a value of `_CANONICAL`; others must change nothing.
    Errors, answers that set a cookie and those with a `Cache-Control` of their own go out as they
    are. Where the cache is away every page is made anew. Browsers are told to keep it for `max_age`
    seconds.
    """

    def kept(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in ("GET", "HEAD"):
                return view(request, *args, **kwargs)
            key, page = _find(_key(request, parameters))
            if page is None:
                response = view(request, *args, **kwargs)
                if not isinstance(response, HttpResponse) or not _is_for_all(response):
                    return response
                page = _keep(key, response)
            return _answer(request, page, max_age)

        return answer

    return kept


def middleware(answer: Answer) -> Answer:
    """No cookie chooses a language, which caches between could not know, and `Accept-Encoding` says
    "gzip" to who takes it and nothing to others."""

    def plainly(request: HttpRequest) -> HttpResponseBase:
        request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)
        request.META["HTTP_ACCEPT_ENCODING"] = "gzip" if _takes_gzip(request) else ""
        return answer(request)

    return plainly


def _takes_gzip(request: HttpRequest) -> bool:
    """RFC 9110, 12.5.3: a weight of 0 is a refusal."""
    for coding in request.META.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = "".join(coding.split()).partition(";q=")
        if name == "gzip":
            return not weight or bool(weight.strip("0."))
    return False


def _key(request: HttpRequest, parameters: tuple[str, ...]) -> str:
    """ "" for what is not kept."""
    query = [(name, request.GET[name]) for name in parameters if name in request.GET]
    if not all(re.fullmatch(_CANONICAL.get(name, ".*"), value, re.DOTALL) for name, value in query):
        return ""
    address = repr((settings.SITE_URL, get_language(), request.path, query))
    if len(address) > _MOST_LETTERS:
        return ""
    return hashlib.sha256(address.encode("utf-8", "backslashreplace")).hexdigest()


def _place(key: str) -> str:
    return str(int(key, 16) % MOST_KEPT)


def _is_for_all(response: HttpResponse) -> bool:
    is_marked = response.cookies or "Cache-Control" in response or "Content-Encoding" in response
    return response.status_code == 200 and not is_marked  # noqa: PLR2004


def _find(key: str) -> tuple[str, Any]:
    """The page that is kept under the key; "" for the key where the cache is away, so that nobody
    waits for it twice."""
    try:
        page = caches["pages"].get(_place(key)) if key else None
    except (RedisError, OSError):
        return "", None
    return key, page if page and page.key == key else None


def _keep(key: str, response: HttpResponse) -> _Kept:
    etag = f'W/"{hashlib.sha256(_STAMP.sub(b"", response.content)).hexdigest()[:32]}"'
    # No time in the header of the file, so that equal pages are equal.
    body = gzip.compress(response.content, compresslevel=6, mtime=0)
    said = parse_http_date_safe(response.get("Last-Modified", ""))
    page = _Kept(key, body, dict(response.items()), etag, said or int(time.time()))
    if not key:
        return page
    cache, place = caches["pages"], _place(key)
    try:
        if not said:
            known, seen_at = cache.get(f"{place}:seen") or ("", 0)
            page = page._replace(seen_at=seen_at if known == etag else page.seen_at)
            cache.set(f"{place}:seen", (etag, page.seen_at), _SEEN_SECONDS)
        cache.set(place, page, KEPT_SECONDS)
    except (RedisError, OSError):
        return page
    return page


def _answer(request: HttpRequest, page: _Kept, max_age: int) -> HttpResponseBase:
    is_compressed = _takes_gzip(request)
    response = HttpResponse(
        page.body if is_compressed else gzip.decompress(page.body), headers=page.headers
    )
    if is_compressed:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = page.etag
    response["Last-Modified"] = http_date(page.seen_at)
    response["Cache-Control"] = f"public, max-age={max_age}"
    patch_vary_headers(response, _VARY)
    return get_conditional_response(request, page.etag, page.seen_at, response) or response
