"""The way to the private link of the preference centre, which is a page of the digest app."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import forms, limits, services
from subscriptions.tasks import wake_sender

from . import common


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@common.in_like_time
def preferences_link(request: HttpRequest) -> HttpResponse:
    """Asks for an address and mails its owner a link; the same answer for every address."""
    if request.method != "POST":
        return _ask(request, forms.AddressForm())
    form = forms.AddressForm(request.POST)
    if limits.client_has_had_enough(request):
        return _ask(request, form, status=429, is_too_many=True)
    if not form.is_valid():
        return _ask(request, form, status=400)
    email = form.cleaned_data["email"]
    if not form.is_trapped:
        if limits.domain_has_had_enough(request, email):
            return _ask(request, form, status=429, is_too_many=True)
        services.request_link(email)
        wake_sender()
    return render(request, "web/subscriptions/link_sent.html")


def _ask(
    request: HttpRequest, form: forms.AddressForm, *, status: int = 200, is_too_many: bool = False
) -> HttpResponse:
    context = {"form": form, "is_too_many": is_too_many}
    response = render(request, "web/subscriptions/preferences_link.html", context, status=status)
    if is_too_many:
        response["Retry-After"] = "900"
    return response
