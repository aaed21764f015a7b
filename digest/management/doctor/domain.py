"""What the DNS says of the sender's domain: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489, and the
walk up the tree of its successor, which needs no list of public suffixes), and where replies go.
"""

from collections.abc import Callable, Iterator, Mapping
from email.utils import parseaddr
from functools import wraps

from django.conf import settings

from digest.delivery.esp import accounts, providers

from . import keys
from .findings import Asked, Check, Findings, saying
from .names import LookupFailedError, Names, tags

_LOCAL = ("localhost", "localdomain", "local", "internal", "test", "invalid", "lan")
_MOST_LOOKUPS = 10
_FIRST_WORDS = "v=spf1"

INCLUDES = {
    "mailgun": "mailgun.org",
    "mailjet": "spf.mailjet.com",
    "mailersend": "_spf.mailersend.net",
    "mailtrap": "_spf.smtp.mailtrap.live",
}
"""What the sender's SPF has to include for whom. The others take bounces at a domain of their own, or
at one below ours that they ask for, and SPF counts there."""

SELECTORS = {
    "mailgun": ("mailo", "smtp", "k1", "pic", "mta", "krs", "mg", "mx", "pdk1", "pdk2", "s1"),
    "brevo": ("brevo1", "brevo2", "mail"),
    "mailjet": ("mailjet",),
    "sendgrid": ("s1", "s2"),
    "resend": ("resend",),
    "mailersend": ("mlsend2", "mlsend"),
    "mailtrap": ("rwmt1", "rwmt2"),
    "unisender_go": ("us", "us2"),
    "smtp": ("default", "mail", "dkim", "selector1", "selector2", "google", "s1", "key1"),
}
"""Names of keys as the providers give them to everybody; Postmark, SES, SparkPost and Postal make them
up for each domain."""


def _about_domain(name: str) -> Callable[[Callable[[str, Asked, Names], Findings]], Check]:
    """Skips the check for a local sender, and where no name server answers."""

    def decorate(look: Callable[[str, Asked, Names], Findings]) -> Check:
        @wraps(look)
        def check(asked: Asked) -> Findings:
            _, warn, _, skipped = saying(name)
            domain = accounts.sender_domain()
            if "." not in domain or domain.rpartition(".")[2] in _LOCAL:
                yield skipped(f"the sender is at {domain}, which the world does not know")
                return
            try:
                yield from look(domain, asked, Names(asked.resolver))
            except LookupFailedError as error:
                yield warn(str(error), "Try again, or ask another: --resolver 9.9.9.9:53")

        return check

    return decorate


def _senders() -> Iterator[str]:
    return (
        name
        for name in settings.EMAIL_PROVIDERS
        if name in providers.PROVIDERS and name != "outbox"
    )


# --- SPF -------------------------------------------------------------------------------------


@_about_domain("spf")
def check_spf(domain: str, asked: Asked, names: Names) -> Findings:
    """One record, that can be evaluated, and lets the providers send."""
    domains = dict.fromkeys([domain, *map(accounts.signing_domain, _senders())])
    for each in domains:
        yield from _look_at_spf(each, names)


def _look_at_spf(domain: str, names: Names) -> Findings:
    ok, warn, fail, _ = saying("spf")
    records = _spf_records(domain, names)
    wanted = {
        name: INCLUDES[name]
        for name in _senders()
        if name in INCLUDES and accounts.signing_domain(name) == domain
    }
    if not records:
        others = " ".join(f"include:{host}" for host in wanted.values()) or "include:… ip4:…"
        is_needed = wanted or "smtp" in settings.EMAIL_PROVIDERS
        yield (fail if is_needed else warn)(
            f"{domain} has no record", f'Set TXT {domain} "{_FIRST_WORDS} {others} ~all"'
        )
        return
    if len(records) > 1:
        yield fail(f"{domain} has {len(records)} records, so none counts", "Join them into one.")
        return
    included = [domain]
    lookups = _lookups(records[0], names, included)
    words = records[0].lower().split()
    if lookups > _MOST_LOOKUPS:
        yield fail(
            f"{domain} needs more than {_MOST_LOOKUPS} look-ups, so it counts for nothing",
            "Take out includes that nothing sends by.",
        )
    elif "+all" in words or "all" in words:
        yield fail(f"{domain} lets everybody send (+all)", "End it with ~all.")
    elif missing := [host for host in wanted.values() if not _is_in(host, included)]:
        yield warn(f"{domain} does not include {missing[0]}", f"Add include:{missing[0]}")
    elif words[-1] not in ("-all", "~all") and not any(w.startswith("redirect=") for w in words):
        yield warn(f"{domain} does not say who may not send", "End it with ~all.")
    else:
        yield ok(f"{domain} has one record, of {lookups} look-ups")


def _spf_records(domain: str, names: Names) -> list[str]:
    return [text for text in names.texts(domain) if text.lower().split(" ")[0] == _FIRST_WORDS]


def _is_in(host: str, included: list[str]) -> bool:
    return any(name == host or name.endswith(f".{host}") for name in included)


def _lookups(record: str, names: Names, included: list[str]) -> int:
    """How many questions to the DNS the record costs; one too many is enough (RFC 7208, 4.6.4).

    `included` gets the names of the records that it leads to.
    """
    count = 0
    for word in record.lower().split()[1:]:
        kind, _, target = word.lstrip("+-~?").replace("redirect=", "redirect:").partition(":")
        if kind.partition("/")[0] in ("include", "redirect", "a", "mx", "ptr", "exists"):
            count += 1
        # Names that are made of macros can't be followed.
        if kind in ("include", "redirect") and "%" not in target and len(included) < _MOST_NAMES:
            included.append(target)
            for found in _spf_records(target, names)[:1]:
                count += _lookups(found, names, included)
        if count > _MOST_LOOKUPS:
            break
    return count


_MOST_NAMES = 30

# --- DKIM ------------------------------------------------------------------------------------


@_about_domain("dkim")
def check_dkim(domain: str, asked: Asked, names: Names) -> Findings:
    """Each provider's key is published, and long enough."""
    _, _, _, skipped = saying("dkim")
    senders = list(_senders())
    if not senders:
        yield skipped("nothing is sent from here")
    for name in senders:
        given = asked.selectors or accounts.selectors(name)
        yield from _look_at_dkim(name, given, names)


def _look_at_dkim(name: str, given: tuple[str, ...], names: Names) -> Findings:
    ok, warn, fail, skipped = saying("dkim")
    domain, tried = accounts.signing_domain(name), given or SELECTORS.get(name, ())
    if not tried:
        yield skipped(
            f"{name}: makes up the name of its key for each domain",
            "manage.py doctor --only dkim --dkim-selector NAME",
        )
        return
    found = {each: keys.look(names.texts(f"{each}._domainkey.{domain}")) for each in tried}
    published = {each: key for each, key in found.items() if key is not None}
    if not published:
        hosts = f"{tried[0]}._domainkey.{domain}"
        # Names that everybody gets prove nothing where they are not there.
        say = fail if given or len(tried) <= _FEW else warn
        yield say(
            f"{name}: no key at {hosts}" + (f" or {len(tried) - 1} other names" * (len(tried) > 1)),
            "Publish the provider's record, or name the key: --dkim-selector NAME",
        )
    for each, key in published.items():
        what = f"{name}: {each}._domainkey.{domain}"
        if key.problem:
            yield fail(f"{what} {key.problem}", "Publish the provider's record anew.")
        elif key.is_short:
            yield warn(f"{what} has {key.bits} bits", "Ask the provider for a key of 2048.")
        else:
            yield ok(f"{what} has {key.words}")


_FEW = 3

# --- DMARC -----------------------------------------------------------------------------------


@_about_domain("dmarc")
def check_dmarc(domain: str, asked: Asked, names: Names) -> Findings:
    """A policy stands at the domain, or above it, and what the providers sign is aligned with it."""
    ok, warn, fail, _ = saying("dmarc")
    found = _dmarc_of(domain, names)
    if not found:
        yield fail(
            f"{domain} has no policy, which large mailbox providers ask for",
            f'Set TXT _dmarc.{domain} "v=DMARC1; p=none; rua=mailto:…"',
        )
        return
    place, records = next(iter(found.items()))
    said = tags(records[0])
    policy = said.get("p", "").lower()
    if place != domain:
        policy = said.get("sp", policy).lower()
    where = f"_dmarc.{place}"
    if len(records) > 1:
        yield fail(f"{where} has {len(records)} records, so none counts", "Leave one.")
    elif policy not in ("none", "quarantine", "reject"):
        yield fail(f"{where} has no policy (p=)", "Add p=none.")
    elif strays := [name for name in _senders() if not _is_aligned(name, domain, found)]:
        yield fail(
            f"{strays[0]} signs for {accounts.signing_domain(strays[0])}, which is not aligned "
            f"with {domain}",
            "Send from that domain, or have the provider sign for the sender's.",
        )
    elif policy == "none":
        yield warn(
            f"{where} asks for nothing (p=none), so forged mail goes through",
            "Once its reports show that all of yours passes: p=quarantine.",
        )
    else:
        yield ok(f"{where} asks for {policy}, and what is sent is aligned")


def _dmarc_of(domain: str, names: Names) -> dict[str, list[str]]:
    """The records of the domain and of those above it that have any, from below: the first has the
    policy."""
    labels = domain.split(".")
    places = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    found = {
        place: [
            text
            for text in names.texts(f"_dmarc.{place}")
            if text.replace(" ", "").lower().startswith("v=dmarc1")
        ]
        for place in places
    }
    return {place: records for place, records in found.items() if records}


def _family(domain: str, found: Mapping[str, list[str]]) -> str:
    """The organizational domain: the highest that has a record, unless one says where it is (psd=)."""
    for place, records in found.items():
        psd = tags(records[0]).get("psd", "").lower()
        if psd == "n":
            return place
        if psd == "y" and place != domain:
            # Below it everybody is another; the one we are has a label more.
            return domain.removesuffix(f".{place}").rpartition(".")[2] + f".{place}"
    return [*found][-1]


def _is_aligned(name: str, domain: str, found: Mapping[str, list[str]]) -> bool:
    signed = accounts.signing_domain(name)
    (nearest, *_) = found.values()
    if tags(nearest[0]).get("adkim", "r").lower() == "s":
        return signed == domain
    family = _family(domain, found)
    return signed == family or signed.endswith(f".{family}")


# --- MX --------------------------------------------------------------------------------------


@_about_domain("mx")
def check_mx(domain: str, asked: Asked, names: Names) -> Findings:
    """Replies and bounces can be delivered to the sender's and the other addresses in our mails."""
    ok, warn, fail, _ = saying("mx")
    addresses = {"REPLY_TO": settings.REPLY_TO, "UNSUBSCRIBE_EMAIL": settings.UNSUBSCRIBE_EMAIL}
    others = {parseaddr(a)[1].rpartition("@")[2].lower(): s for s, a in addresses.items() if a}
    for place, setting in ({domain: "DEFAULT_FROM_EMAIL"} | others).items():
        servers = names.mail_servers(place)
        takes_none = [server for server in servers if server.strip(".") == ""]
        if servers and not takes_none:
            yield ok(f"{place} takes mail ({setting})")
        elif takes_none and setting == "DEFAULT_FROM_EMAIL" and settings.REPLY_TO:
            yield warn(f"{place} takes no mail (null MX)", "Some servers refuse such senders.")
        elif takes_none:
            yield fail(
                f"{place} takes no mail (null MX), so replies are lost", f"Change {setting}."
            )
        elif names.has_address(place):
            yield warn(f"{place} has no MX; mail goes to its address", f"Set an MX for {place}.")
        else:
            yield fail(
                f"{place} has neither MX nor address ({setting})",
                f"Set an MX for {place}: many servers refuse mail that can't be answered.",
            )
