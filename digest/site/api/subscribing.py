"""The one operation that writes: asking for the digest at an address."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from ninja import Router, Status
from ninja.decorators import decorate_view

from subscriptions import addresses, limits, services
from subscriptions.errors import AddressError
from subscriptions.tasks import wake_sender
from subscriptions.views import common

from . import problems
from .schemas import Asked, Problem, SignUp

router = Router()

API_TEXT = "Asked for through the API by a program: POST /api/v1/subscribe"
"""What the consent record says: no page and no button of ours was there. Changed words need a new
version."""
API_TEXT_VERSION = "api-1"


@router.post(
    "/subscribe",
    response={
        202: Asked,
        400: Problem,
        411: Problem,
        413: Problem,
        415: Problem,
        422: Problem,
    },
    summary="Ask for the digest",
)
@decorate_view(common.in_like_time)
def subscribe(request: HttpRequest, wish: SignUp) -> Any:
    """A mail to the address asks its owner to confirm; before that it gets nothing else. The answer
    is the same for every address, known or unknown."""
    if seconds := limits.seconds_until_client(request):
        return problems.too_many(request, seconds=seconds)
    try:
        email = addresses.canonical(wish.email)
    except AddressError as error:
        return problems.invalid(request, [{"pointer": "#/email", "detail": str(error)}])
    if not limits.mailbox_has_had_enough(request, email):
        # Only now, or programs would use up what honest people at this mail domain have.
        if seconds := limits.seconds_until_sign_up(request, email):
            return problems.too_many(request, seconds=seconds)
        services.subscribe(
            email,
            topics=wish.topics,
            timezone=wish.timezone,
            language=get_language() or "",
            evidence=_evidence(request),
        )
        wake_sender()
    detail = _("If this address can get mail from us, it has got one with a link to confirm.")
    return Status(HTTPStatus.ACCEPTED.value, {"detail": detail})


def _evidence(request: HttpRequest) -> Any:
    told = common.evidence(request, API_TEXT)
    return replace(told, page=request.path, text_version=API_TEXT_VERSION)
