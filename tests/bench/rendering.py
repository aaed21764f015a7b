"""How long a digest takes: everything for each reader, against cards, a join, and links."""

import time
from collections.abc import Callable

from digest.delivery.mails import rendering
from digest.records import EditionContent, PaperContent

EDITION = EditionContent(
    name="2026-08-20",
    heading="Thursday, August 20",
    period="today",
    paper_count=25,
    url="https://papers.example.org/papers/2026-08-20/",
)
SITE = {"site_url": "https://papers.example.org", "postal_address": "12 Sample Street"}
VALUES = dict.fromkeys(rendering.READER_TOKENS, "kP3vQ9xT2mLw7RzB5nHc8d")


def paper(number: int) -> PaperContent:
    return PaperContent(
        paper_id=number,
        arxiv_id=f"2608.{number:05}",
        title=f"Paper {number}: an efficient closed-loop harness for self-evolving intelligence",
        authors=("Ada Lovelace", "Alan Turing", "Grace Hopper", "Mary Shaw"),
        summary="It measures what was only guessed before, and finds the guess was wrong. " * 3,
        upvotes=100 - number,
        comments=number,
        code_stars=number,
        url=f"https://papers.example.org/papers/2608.{number:05}/",
        arxiv_url=f"https://arxiv.org/abs/2608.{number:05}",
        pdf_url=f"https://arxiv.org/pdf/2608.{number:05}",
        code_url="https://github.com/example/code",
    )


def seconds_each(work: Callable[[], object], *, least: float = 0.5) -> float:
    """Seconds that one call of `work` takes, over at least `least` seconds, after one warm-up."""
    work()
    calls, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < least:
        work()
        calls += 1
    return spent / calls


def run(*, subscribers: int) -> list[tuple[str, str, str]]:
    """Rows of what, milliseconds, and the ratio to rendering and inlining for each reader."""
    papers = [paper(number) for number in range(25)]
    eight = papers[:8]
    cards = [(entry.paper_id, "You follow Agents and tool use", "topic-agents") for entry in eight]

    def everything() -> None:
        rendered = rendering.render(EDITION, eight, **SITE)
        rendering.compose(rendered, cards).filled(VALUES)

    rendered = rendering.render(EDITION, papers, **SITE)
    body = rendering.compose(rendered, cards)
    naive = seconds_each(everything)
    rows = [
        ("render, inline and fill for one reader (baseline)", naive),
        ("render and inline shell and 25 cards, once an edition", seconds_each(lambda: rendering.render(EDITION, papers, **SITE))),
        ("join 8 cards to a body, once an audience", seconds_each(lambda: rendering.compose(rendered, cards))),
        ("fill in a reader's links, HTML and text", seconds_each(lambda: body.filled(VALUES))),
    ]  # fmt: skip
    audiences = min(500, subscribers)
    started = time.perf_counter()
    rendered = rendering.render(EDITION, papers, **SITE)
    bodies = [rendering.compose(rendered, cards) for _ in range(audiences)]
    for number in range(subscribers):
        bodies[number % audiences].filled(VALUES)
    whole = (time.perf_counter() - started) / subscribers
    rows.append((f"a reader of {subscribers:,} in {audiences} audiences, all steps", whole))
    return [
        (what, f"{seconds * 1000:.4f} ms", f"{naive / seconds:,.2g} x") for what, seconds in rows
    ]
