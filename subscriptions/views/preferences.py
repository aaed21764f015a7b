"""The way to the private link of the preference centre, which is a page of the digest app."""

from datetime import timedelta
from urllib.parse import quote, unquote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import forms, limits, services
from subscriptions.services.choosing import MOST_KEYWORD_LETTERS
from subscriptions.tasks import wake_sender

from . import common, cookies

KEYWORD_COOKIE = "keyword"
PAGE = "web/subscriptions/preferences_link.html"


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@common.in_like_time
def preferences_link(request: HttpRequest) -> HttpResponse:
    """Asks for an address and mails its owner a link; the same answer for every address."""
    if request.method != "POST":
        keyword = tidy_keyword(request.GET.get("keyword", ""))
        response = _ask(request, forms.AddressForm(), keyword=keyword)
        if keyword:
            # This browser remembers it: no mail may hold what a visitor typed.
            kept, day = quote(keyword), timedelta(days=1)
            cookies.keep(response, KEYWORD_COOKIE, kept, life=day, path="/preferences/")
        return response
    form = forms.AddressForm(request.POST)
    if seconds := limits.seconds_until_client(request):
        return common.too_many(request, PAGE, {"form": form}, seconds=seconds)
    if not form.is_valid():
        return _ask(request, form, status=400)
    email = form.cleaned_data["email"]
    if not form.is_trapped and not limits.mailbox_has_had_enough(request, email):
        if seconds := limits.seconds_until_mail(request, email):
            return common.too_many(request, PAGE, {"form": form}, seconds=seconds)
        # Who never confirmed may be a stranger whom somebody signed up.
        services.request_link(email, asks_pending=not limits.is_strict(request))
        wake_sender()
    return render(request, "web/subscriptions/link_sent.html")


def tidy_keyword(text: str) -> str:
    """What somebody wants to follow, on one line; "" for what no keyword can be."""
    keyword = " ".join(text.split())
    return keyword if keyword.isprintable() and len(keyword) <= MOST_KEYWORD_LETTERS else ""


def remembered_keyword(request: HttpRequest) -> str:
    """What this browser wanted to follow before it had the link; "" for nothing."""
    return tidy_keyword(unquote(request.COOKIES.get(KEYWORD_COOKIE, "")))


def _ask(
    request: HttpRequest, form: forms.AddressForm, *, status: int = 200, keyword: str = ""
) -> HttpResponse:
    return render(request, PAGE, {"form": form, "keyword": keyword}, status=status)
