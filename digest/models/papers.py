"""Papers, the lists they stood on, their topics, and the record of every fetch."""

from typing import Any

from django.db import models

from subscriptions.models import Topic

ARXIV_ID = r"(?:[0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})"
"""An id of arXiv, without version (https://info.arxiv.org/help/arxiv_identifier.html)."""


class Paper(models.Model):
    """One paper, whatever sources and versions it came through. Text is readable and unescaped."""

    arxiv_id = models.CharField(max_length=32, unique=True)
    """Without version."""
    version = models.PositiveSmallIntegerField(null=True, blank=True)
    title = models.TextField()
    abstract = models.TextField(blank=True)
    summary = models.TextField(blank=True)
    """One sentence, where a source gave one."""
    authors: Any = models.JSONField(default=list)
    """Names, in the order of the paper."""
    published_at = models.DateTimeField(db_index=True)
    upvotes = models.PositiveIntegerField(default=0)
    comments = models.PositiveIntegerField(default=0)
    categories: Any = models.JSONField(default=list, blank=True)
    keywords: Any = models.JSONField(default=list, blank=True)
    code_url = models.URLField(max_length=500, blank=True)
    code_stars = models.PositiveIntegerField(null=True, blank=True)
    project_url = models.URLField(max_length=500, blank=True)
    discussion_url = models.URLField(max_length=500, blank=True)
    organization = models.CharField(max_length=200, blank=True)
    trending_rank = models.PositiveSmallIntegerField(null=True, blank=True, db_index=True)
    """Its place among what was trending when that was last read; null for all others."""
    heat = models.FloatField(default=0, db_default=0, db_index=True, editable=False)
    """How much it is trending (`papers/trending.py`), when that was last worked out."""
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    topics = models.ManyToManyField(Topic, through="PaperTopic", related_name="papers")

    class Meta:
        indexes = [
            models.Index(
                fields=["organization"],
                name="paper_organization",
                condition=~models.Q(organization=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.arxiv_id} {self.title[:80]}"

    @property
    def arxiv_url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv_id}"

    @property
    def pdf_url(self) -> str:
        return f"https://arxiv.org/pdf/{self.arxiv_id}"


class PaperTopic(models.Model):
    """A topic that a paper is about, how surely (0 to 1), and which words said so."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="paper_topics")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="paper_topics")
    score = models.FloatField()
    reason = models.CharField(max_length=120, blank=True)
    published_at = models.DateTimeField(null=True, editable=False)
    """The paper's, kept here by `topics.tag` so that an index has a topic's newest papers in order:
    a page of them costs the same whether the topic has thirty or thirty thousand."""

    class Meta:
        ordering = ["-score", "topic_id"]
        constraints = [
            models.UniqueConstraint(fields=["paper", "topic"], name="paper_topic_unique")
        ]
        indexes = [
            models.Index(fields=["topic", "published_at", "paper"], name="paper_topic_newest")
        ]

    def __str__(self) -> str:
        return f"paper {self.paper_id} on topic {self.topic_id}"


class TopicCorrection(models.Model):
    """What an operator said of a paper and a topic, which holds whatever rules and model say, and
    is what the model learns from when it is trained again."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="topic_corrections")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="corrections")
    is_about = models.BooleanField(default=True, help_text="Whether the paper is about the topic.")
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["paper", "topic"], name="topic_correction_unique")
        ]

    def __str__(self) -> str:
        return f"correction {self.pk}"


class VoteSnapshot(models.Model):
    """How many votes a paper had at an hour: kept for a month where that changed."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="vote_snapshots")
    taken_at = models.DateTimeField(db_index=True)
    """The hour."""
    upvotes = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["paper", "taken_at"], name="vote_snapshot_unique")
        ]

    def __str__(self) -> str:
        return f"{self.upvotes} votes for paper {self.paper_id}"


class Listing(models.Model):
    """A paper stood on a source's list of a day. The same paper may stand on several."""

    SAMPLE = "sample"
    """The source of the edition that ships with the project."""
    IMPORTED = "import"
    """The source of files of kept responses."""

    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="listings")
    source = models.CharField(max_length=20)
    listed_on = models.DateField()
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "listed_on", "paper"], name="listing_unique")
        ]
        indexes = [models.Index(fields=["listed_on", "paper"], name="listing_day")]

    def __str__(self) -> str:
        return f"paper {self.paper_id} on {self.source} {self.listed_on}"


class Fetch(models.Model):
    """One try to read a source's list of a day, and what it brought."""

    source = models.CharField(max_length=20)
    day = models.DateField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    new = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    bad = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    """The one line that an operator reads; empty when the list was read to its end."""

    class Meta:
        verbose_name_plural = "fetches"
        indexes = [models.Index(fields=["source", "-started_at"], name="fetch_latest")]

    def __str__(self) -> str:
        return f"fetch {self.pk} of {self.source} {self.day}"


class Lease(models.Model):
    """The turn to use something that the whole installation shares, such as arXiv's API.

    Taken by a conditional UPDATE, and free again by itself when its holder is killed.
    """

    name = models.CharField(max_length=40, unique=True)
    holder = models.UUIDField(null=True, blank=True)
    expires_at = models.DateTimeField()
    """Until then the holder has it."""
    free_at = models.DateTimeField()
    """Not before then may the next holder take it: the pause between two turns."""

    def __str__(self) -> str:
        return self.name


class Author(models.Model):
    """A name that papers in the archive carry, for suggestions: kept by ingest, found by its
    beginning or by that of its last word."""

    name = models.CharField(max_length=120)
    """As one of the papers spells it."""
    folded = models.CharField(max_length=120, unique=True)
    turned = models.CharField(max_length=120, db_index=True)
    """As `folded`, the last word first."""
    papers = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
