import itertools
from django.utils import timezone
from subscriptions import addresses, services
from subscriptions.models import *
from subscriptions.records import Selection

_n = itertools.count(1)


def make_topic(slug="theory", **f):
    return Topic.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def make_subscriber(email=None, topics=(), **f):
    email = email or f"reader{next(_n)}@example.org"
    sel = Selection(topics=tuple(t.slug for t in topics), length=f.get("length", 8))
    d = dict(
        email=email,
        address_hash=addresses.hash_of(email),
        state="active",
        confirmed_at=timezone.now(),
        next_digest_at=timezone.now(),
        selection_key=sel.key,
    )
    s = Subscriber.objects.create(**d | f)
    for t in topics:
        Subscription.objects.create(subscriber=s, topic=t)
    return s
