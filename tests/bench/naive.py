"""The loop that most newsletter programs are: for each reader a template, premailer, and a call.

`python -m tests.bench.naive` prints how many readers a second it comes to, with the settings of the
installation that it runs in.
"""

import os
import time

READERS = 60


def readers_per_second() -> float:
    from django.core.mail import EmailMultiAlternatives  # noqa: PLC0415  after the settings

    from digest.delivery.esp import providers  # noqa: PLC0415
    from digest.delivery.mails import content, rendering  # noqa: PLC0415
    from digest.editions import candidates, choosing  # noqa: PLC0415
    from digest.models import Delivery, Edition  # noqa: PLC0415
    from subscriptions import selectors  # noqa: PLC0415
    from subscriptions.models import Subscriber  # noqa: PLC0415

    edition = Edition.objects.get(frequency="daily")
    connection = providers.connection("mailgun")
    started = time.perf_counter()
    for subscriber in Subscriber.objects.order_by("-pk")[:READERS]:
        selection = selectors.selection_of(subscriber)
        places = {place.paper_id: place for place in edition.places.select_related("paper")}
        cards = choosing.select(selection, candidates.of(edition))
        papers = [content.paper_content(places[card.paper_id]) for card in cards]
        rendered = rendering.render(
            content.edition_content(edition), papers,
            site_url="https://papers.example.org", postal_address="12 Sample Street",
        )  # fmt: skip
        reader = content.readers_of(
            selectors.addressees([subscriber.pk]), edition_id=edition.pk, now=edition.closed_at
        )[0]
        body = rendering.compose(rendered, [card[:3] for card in cards])
        html, text = body.filled(rendering.values_of(reader))
        message = EmailMultiAlternatives(
            body.subject, text, to=[reader.email], connection=connection,
            headers={"List-Unsubscribe": f"<https://papers.example.org/u/{reader.unsubscribe}/>"},
        )  # fmt: skip
        message.attach_alternative(html, "text/html")
        message.send()
        Delivery.objects.filter(edition=edition, subscriber=subscriber).update(state="sent")
    return READERS / (time.perf_counter() - started)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(readers_per_second())
