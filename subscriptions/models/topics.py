"""The catalogue of topics."""

from typing import Any

from django.db import models

from subscriptions.catalogue import translated


class Topic(models.Model):
    """An entry of the catalogue: what a reader follows and a paper is about."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    group = models.CharField(max_length=60, blank=True, default="", db_default="")
    """The heading that it stands under where topics are chosen."""
    position = models.PositiveSmallIntegerField(default=0, help_text="Where it stands in lists.")
    phrases: Any = models.JSONField(
        default=list,
        blank=True,
        help_text="Words and phrases that speak for this topic in title, abstract or keywords.",
    )
    categories: Any = models.JSONField(
        default=list, blank=True, help_text="arXiv categories that speak for it, such as cs.RO."
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name as readers see it, in their language."""
        return translated(self.name)

    @property
    def about(self) -> str:
        """The description as readers see it."""
        return translated(self.description)

    @property
    def heading(self) -> str:
        """The group as readers see it."""
        return translated(self.group)
