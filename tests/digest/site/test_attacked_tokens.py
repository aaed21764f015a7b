"""A hundred thousand links that we did not make so: none opens or changes anything, and none is an
error of ours. EMAIL_STANDARDS 5."""

import random
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import pytest
import time_machine
from django.apps import apps
from django.core.cache import cache
from django.test import override_settings
from django.urls import URLPattern, get_resolver, reverse
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import services, tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber
from tests.builders import know_browser, make_subscriber
from tests.digest.builders import make_edition, make_paper

SEED = 20_260_820
MOST = 100_000
THROUGH_THE_SITE = 3_000
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
ARXIV_ID = "2608.12345"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

MAKE = {
    "confirm": tokens.make_confirm,
    "preferences": tokens.make_preferences,
    "erase": tokens.make_erase,
    "opened": tokens.make_opened,
    "known": tokens.make_known,
    "address": tokens.make_address,
    "feed": tokens.make_feed,
    "unsubscribe": lambda reader: tokens.make_unsubscribe(reader.public_id),
    "manage": lambda reader: tokens.make_manage(reader.public_id),
    "digest": lambda reader: tokens.make_digest(reader.public_id, 1),
}
READ = {name: getattr(tokens, f"read_{name}") for name in MAKE}
ROUTES = {
    "site:digest": ("digest", {}),
    "site:opinion": ("digest", {"verdict": "more", "arxiv_id": ARXIV_ID}),
    "site:manage": ("manage", {}),
    "site:send_now": ("preferences", {}),
    "site:preferences": ("preferences", {}),
    "site:preview": ("preferences", {}),
    "site:preview_mail": ("preferences", {"key": "1.1." + "a" * 32}),
    "site:history": ("preferences", {}),
    "site:opinions": ("preferences", {}),
    "site:own_feed": ("feed", {"form": "atom"}),
    "subscriptions:first_topics": ("preferences", {}),
    "subscriptions:confirm": ("confirm", {}),
    "subscriptions:ask_address": ("preferences", {}),
    "subscriptions:address": ("address", {}),
    "subscriptions:unsubscribe": ("unsubscribe", {}),
    "subscriptions:my_data": ("erase", {}),
    "subscriptions:erase": ("erase", {}),
}
"""Each route with a token: its purpose, and what else is in the address."""
FORMS = [
    {},
    {"List-Unsubscribe": "One-Click", "button": "unsubscribe"},
    {"undo": "1"},
    {"save": "1", "topics": "agents", "frequency": "monthly"},
    {"browser": "keep", "resume": "1"},
    {"forget": "1", "remove": "1"},
    {"email": "eve@example.org"},
    {"instead": "weekly"},
    {"topics": ["agents"], "renew": "1"},
]


def fresh(number):
    return Subscriber(
        public_id=UUID(int=number), token_version=3,
        email=f"r{number}@example.org", new_email=f"new{number}@example.org",
    )  # fmt: skip


def raw(token):
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def encoded(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Attacker:
    """Makes tokens out of genuine ones of two readers, the same for the same seed."""

    def __init__(self, readers, seed=SEED):
        self.chance = random.Random(seed)
        self.genuine = {name: [make(reader) for reader in readers] for name, make in MAKE.items()}
        with override_settings(SECRET_KEY="another installation's key"):
            self.foreign = {name: make(readers[0]) for name, make in MAKE.items()}
        # Those of two purposes that were the same would be passed over as genuine.
        assert len({each for found in self.genuine.values() for each in found}) == 2 * len(MAKE)

    def token(self, purpose):
        """One that is not genuine for the purpose."""
        while True:
            made = self.chance.choice(self.WAYS)(self, purpose)
            if made not in self.genuine[purpose]:
                return made

    def _one(self, purpose):
        return self.chance.choice(self.genuine[purpose])

    def letter(self, purpose):
        token = self._one(purpose)
        place = self.chance.randrange(len(token))
        return token[:place] + self.chance.choice(ALPHABET) + token[place + 1 :]

    def strange_letter(self, purpose):
        token, strange = self._one(purpose), "\0 =+/.~%é٣０ａ\u202e\n\r\t;?#\\\ud800🙂"
        place = self.chance.randrange(len(token))
        return (
            token[:place]
            + self.chance.choice(strange)
            + token[place + self.chance.choice((0, 1)) :]
        )

    def shorter(self, purpose):
        token = self._one(purpose)
        return token[: self.chance.randrange(len(token))] or "x"

    def longer(self, purpose):
        more = "".join(self.chance.choices(ALPHABET, k=self.chance.choice((1, 2, 3, 4, 8, 43))))
        token = self._one(purpose)
        return token + more if self.chance.random() < 0.5 else more + token

    def huge(self, purpose):
        return self._one(purpose) * 200

    def case(self, purpose):
        return "".join(
            c.swapcase() if self.chance.random() < 0.3 else c for c in self._one(purpose)
        )

    def other_purpose(self, purpose):
        return self._one(self.chance.choice([name for name in MAKE if name != purpose]))

    def other_reader(self, purpose):
        """What one reader's link says, with the signature of another's."""
        one, two = (raw(each) for each in self.genuine[purpose])
        cut = self.chance.randrange(1, len(one))
        return encoded(one[:cut] + two[cut:])

    def other_claim(self, purpose):
        """A later time, a higher version, another edition or id, by the old signature."""
        data = bytearray(raw(self._one(purpose)))
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return encoded(bytes(data))

    def other_signature(self, purpose):
        data = raw(self._one(purpose))
        return encoded(data[:-16] + self.chance.randbytes(16))

    def other_key(self, purpose):
        return self.foreign[purpose]

    def other_form(self, purpose):
        """The same octets in another form of base64: unused bits, padding, letters passed over."""
        token = self._one(purpose)
        last = ALPHABET.index(token[-1]) ^ 1
        return self.chance.choice([
            token + "=", token + "==", token[:-1] + ALPHABET[last], f"{token[:9]}!{token[9:]}",
            token.replace("-", "+").replace("_", "/") + "=", f" {token}", f"{token}\n",
        ])  # fmt: skip

    def noise(self, purpose):
        return encoded(self.chance.randbytes(self.chance.randrange(1, 80)))

    WAYS = (
        letter, strange_letter, shorter, longer, case, other_purpose, other_reader, other_claim,
        other_signature, other_key, other_form, noise,
    )  # fmt: skip


def test_a_hundred_thousand_tokens_are_refused():
    attacker = Attacker([fresh(1), fresh(2)])
    refused = 0
    for number in range(MOST):
        purpose = attacker.chance.choice([*MAKE])
        token = attacker.huge(purpose) if number % 500 == 0 else attacker.token(purpose)
        with pytest.raises(TokenError):
            READ[purpose](token)
        refused += 1
    assert refused == MOST


@pytest.mark.parametrize("purpose", MAKE)
def test_link_for_one_purpose_is_none_for_any_other(purpose):
    with time_machine.travel(NOW, tick=False):
        token = MAKE[purpose](fresh(1))
        assert READ[purpose](token)
        for other in MAKE.keys() - {purpose}:
            with pytest.raises(TokenError):
                READ[other](token)


@given(st.sampled_from([*MAKE]), st.one_of(st.text(), st.binary(max_size=200).map(encoded)))
def test_no_words_are_a_token(purpose, words):
    with pytest.raises(TokenError):
        READ[purpose](words)


def routes():
    """The names of all addresses with a token in them."""

    def walk(patterns, space):
        for each in patterns:
            if not isinstance(each, URLPattern):
                yield from walk(each.url_patterns, each.namespace or space)
            elif "token" in str(each.pattern):
                yield f"{space}:{each.name}"

    return set(walk(get_resolver().url_patterns, ""))


def test_every_address_with_a_token_is_attacked():
    assert routes() == set(ROUTES)


def fingerprint():
    """Every row of every table."""
    return {
        model._meta.db_table: sorted(map(repr, model.objects.values_list()))
        for model in apps.get_models(include_auto_created=True)
    }


@pytest.fixture
def readers(db):
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        make_edition(NOW.date() - timedelta(days=1), [make_paper(arxiv_id=ARXIV_ID)])
        yield [
            make_subscriber(new_email="new1@example.org"),
            make_subscriber(state="pending", new_email="new2@example.org"),
        ]


def path_of(route, token):
    """The address, with the token in it as somebody might write it."""
    # A stand-in that its route takes, as not every token is one.
    path = reverse(route, kwargs={"token": "T0KEN"} | ROUTES[route][1])
    return path.replace("T0KEN", quote(token, safe="", errors="surrogatepass"))


def test_thousands_of_them_at_all_addresses_change_nothing(client, readers):
    client.raise_request_exception = False
    attacker = Attacker(readers)
    before = fingerprint()
    statuses = {}
    for number in range(THROUGH_THE_SITE):
        route = attacker.chance.choice([*ROUTES])
        purpose = ROUTES[route][0]
        token = attacker.huge(purpose) if number % 100 == 0 else attacker.token(purpose)
        method = attacker.chance.choice(("get", "post", "post", "head", "put"))
        data = attacker.chance.choice(FORMS) if method == "post" else None
        answer = getattr(client, method)(path_of(route, token), data)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code in (404, 405, 410), (route, method, token)
        assert not answer.cookies
    assert fingerprint() == before
    assert statuses[404] > THROUGH_THE_SITE / 2


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_every_address_with_a_token_keeps_it_to_itself(client, readers, route, is_known):
    reader = readers[0]
    if is_known:
        know_browser(client, reader)
    path = path_of(route, MAKE[ROUTES[route][0]](reader))
    for answer in (client.get(path), client.post(path, {"topics": "agents"})):
        assert answer["Referrer-Policy"] in ("no-referrer", "same-origin")
        loaded = re.findall(
            rb'<(?:script|img|link|iframe|form)[^>]+="(https?:[^"]+)', answer.content
        )
        assert [url for url in loaded if not url.startswith(b"https://papers.example.org/")] == []
        if answer.status_code in (404, 405):
            continue
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex"
        # Feed readers ask again and again.
        kept = "private" if route == "site:own_feed" else "no-store"
        assert kept in answer["Cache-Control"]
        assert answer.get("Location", "/preferences/").startswith("/preferences/")


TRICKS = [
    "..", "%2e%2e", "%2e%2e%2f", "..%2f..%2fadmin%2f", "%00", "{}%00", "%c0%af", "%ff", "{}%ff",
    "%", "%zz", "{}%0d%0aSet-Cookie:%20x=1", "%252e", "{};x=1", "{}%3f", "{}%23", "{}%20", "%20{}",
    "{}%2f", "{}/x", "{}//", "/{}", "{}%5c", "{}.json", "%EF%BC%90", "{}%CC%81", "%F0%9F%99%82",
]  # fmt: skip


@pytest.mark.parametrize("method", ["get", "post"])
def test_tricks_with_addresses_change_nothing(client, readers, method):
    client.raise_request_exception = False
    before = fingerprint()
    for route, (purpose, more) in ROUTES.items():
        token = MAKE[purpose](readers[0])
        pattern = reverse(route, kwargs={"token": "T0KEN"} | more)
        for trick in TRICKS:
            answer = client.generic(method.upper(), pattern.replace("T0KEN", trick.format(token)))
            assert 400 <= answer.status_code < 500, (route, trick)
    assert fingerprint() == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("end", ["version", "time"])
def test_link_whose_time_is_over_changes_nothing(client, readers, route, end):
    purpose = ROUTES[route][0]
    path = path_of(route, MAKE[purpose](readers[0]))
    if purpose in ("unsubscribe", "manage", "digest") or (purpose, end) == ("feed", "time"):
        pytest.skip("works as long as the mail is kept, or until it is revoked")
    Subscriber.objects.update(new_email="")
    if end == "version":
        left = {"state": "unsubscribed", "unsubscribed_at": NOW, "slot": None}
        Subscriber.objects.update(token_version=9, **left)
    later = timedelta(days=8 if end == "time" else 0)
    before = fingerprint()
    with time_machine.travel(NOW + later, tick=False):
        for method, data in [("get", None), *(("post", form) for form in FORMS[:-1])]:
            answer = getattr(client, method)(path, data)
            assert answer.status_code in (302, 404, 405, 410)
            # To the page that says that it has expired.
            assert answer.status_code != 302 or answer["Location"].startswith("/preferences/")
    assert fingerprint() == before


@pytest.mark.django_db
def test_confirm_link_works_once(client):
    reader = make_subscriber(state="pending")
    path = path_of("subscriptions:confirm", tokens.make_confirm(reader))
    client.post(path)
    after = fingerprint()
    assert b"/preferences/" in client.post(path).content
    assert fingerprint() == after
    services.unsubscribe(Subscriber.objects.get())
    after = fingerprint()
    assert client.post(path).status_code == 410
    assert fingerprint() == after


@pytest.mark.parametrize(
    ("route", "data"),
    [
        ("subscriptions:unsubscribe", {"List-Unsubscribe": "One-Click"}),
        ("subscriptions:address", {}),
        ("subscriptions:my_data", {}),
    ],
)
def test_link_that_is_used_again_changes_nothing_more(client, readers, route, data):
    path = path_of(route, MAKE[ROUTES[route][0]](readers[0]))
    assert client.post(path, data).status_code == 200
    after = fingerprint()
    assert client.post(path, data).status_code in (200, 404)
    assert fingerprint() == after


@pytest.mark.parametrize("purpose", MAKE)
def test_links_live_through_a_new_key_and_die_with_the_old_one(purpose, settings):
    token = MAKE[purpose](fresh(1))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new key"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert READ[purpose](token)
    assert READ[purpose](MAKE[purpose](fresh(1)))
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(TokenError):
        READ[purpose](token)
