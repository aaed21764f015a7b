"""What a reader wants more and less of: to look at, and to take back."""

from django.http import HttpRequest, HttpResponse

from digest.editions import taste as learned
from digest.models import Opinion
from digest.site import presenting, taste
from subscriptions.models import Subscriber

from .opening import readers_page, show


@readers_page("GET", "HEAD", "POST")
def opinions(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """The papers that the reader spoke about, newest word first, then those that they opened; POST
    `remove` takes one back, `forget` all of them and what was learned."""
    mine = Opinion.objects.filter(subscriber=subscriber)
    removed = False
    if (number := request.POST.get("remove", "")).isdecimal() and len(number) < 19:  # noqa: PLR2004
        gone = mine.filter(pk=int(number))
        learned.outdate(gone)
        removed = bool(gone.delete()[0])
    if removed:
        taste.wake(subscriber.pk)
    is_forgotten = request.method == "POST" and "forget" in request.POST
    if is_forgotten:
        learned.forget(subscriber.pk, with_opinions=True)
    page = presenting.page_of(mine.loudest().select_related("paper"), request.GET.get("page"))
    return show(
        request,
        "opinions",
        subscriber,
        page=page,
        removed=removed,
        is_forgotten=is_forgotten,
        token=token,
    )
