"""A sign-up bombing, and honest readers who sign up meanwhile: who asks for what from where, in order,
and what came of it. Its strangers never confirm; of the honest three in five do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice

from subscriptions import breaker

HONEST_EVERY = 100
"""After so many sign-ups of the bomber somebody signs up for themselves."""
DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "example.org")
OK, TOO_MANY = 200, 429


@dataclass(frozen=True, slots=True)
class SignUp:
    email: str
    client: str
    is_honest: bool = False


@dataclass(slots=True)
class Outcome:
    tries: int = 0
    refused: int = 0
    honest: int = 0
    honest_refused: int = 0
    statuses: set[int] = field(default_factory=set)

    def note(self, wish: SignUp, status: int) -> None:
        self.statuses.add(status)
        if wish.is_honest:
            self.honest += 1
            self.honest_refused += status != OK
        else:
            self.tries += 1
            self.refused += status == TOO_MANY


def clients(number: int) -> list[str]:
    """So many bots, each in a neighbourhood of its own, one in four behind IPv6."""
    return [
        f"2001:db8:{n}::1" if n % 4 == 0 else f"100.{64 + n // 250}.{n % 250}.7"
        for n in range(number)
    ]


def of_one(sign_ups: int, bots: int, *, honest_every: int = HONEST_EVERY) -> Iterator[SignUp]:
    """All of them name one victim, in ever other forms of the address."""
    forms = (f"vic.tim+{number}@gmail.com" for number in range(sign_ups))
    return _with_honest(zip(forms, cycle(clients(bots)), strict=False), honest_every)


def of_many(sign_ups: int, bots: int, *, honest_every: int = HONEST_EVERY) -> Iterator[SignUp]:
    """Each names another victim, at the domains where most people are."""
    victims = (f"victim{n}@{DOMAINS[n % len(DOMAINS)]}" for n in range(sign_ups))
    return _with_honest(zip(victims, cycle(clients(bots)), strict=False), honest_every)


def _with_honest(flood: Iterator[tuple[str, str]], honest_every: int) -> Iterator[SignUp]:
    number = 0
    while part := list(islice(flood, honest_every)):
        yield from (SignUp(email, client) for email, client in part)
        yield honest(number)
        number += 1


def honest(number: int) -> SignUp:
    """Somebody at the same domains, who is at home in another neighbourhood than all others."""
    email = f"honest{number}@{DOMAINS[number % len(DOMAINS)]}"
    return SignUp(email, f"203.{number // 250}.{number % 250}.9", is_honest=True)


def confirms(wish: SignUp) -> bool:
    """Whether the honest reader opens the mail and presses the button."""
    return int(wish.email.partition("@")[0].removeprefix("honest")) % 5 < 3


def stated_most(*, networks: int, confirmed: int) -> int:
    """How many strangers docs/sign-up.md says get a mail within an hour at most, on a site where so
    many others confirmed, from so many neighbourhoods."""
    for_confirmed = round(confirmed * (1 - breaker.SHARE) / breaker.SHARE)
    # No more of the newest may be unconfirmed, however many confirmed before.
    most_of_sample = round(breaker.SAMPLE * (1 - breaker.SHARE))
    until_open = min(max(breaker.LEAST, for_confirmed), most_of_sample)
    return until_open + breaker.KEPT_SIGN_UPS + networks


def play(
    wishes: Iterator[SignUp],
    post: Callable[[SignUp], int],
    confirm: Callable[[SignUp], object],
) -> Outcome:
    """All of them in their order, one after the other."""
    outcome = Outcome()
    for wish in wishes:
        status = post(wish)
        outcome.note(wish, status)
        if wish.is_honest and status == OK and confirms(wish):
            confirm(wish)
    return outcome
