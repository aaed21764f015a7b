"""What all workers share about the providers, and what the operator was told."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Circuit(models.Model):
    """Whether something goes on working: a provider by its name, or `edition 12`.

    closed -> open after failures in a row -> half open once its time is over: one worker tries
    with one call -> closed, or open again for longer. What never failed has no row.
    """

    name = models.CharField(max_length=40, primary_key=True)
    failures = models.PositiveSmallIntegerField(default=0)
    """In a row, while it is closed."""
    failed_at = models.DateTimeField(null=True, blank=True)
    """When the first of them was."""
    openings = models.PositiveSmallIntegerField(default=0)
    """In a row: each is longer than the one before."""
    open_until = models.DateTimeField(null=True, blank=True)
    """Null while it is closed. Until then nobody calls; of a trial, until then others wait."""
    is_on_trial = models.BooleanField(default=False)
    """Half open: one worker is trying."""
    detail = models.CharField(max_length=200, blank=True)
    """What the provider said last, without any address."""

    def __str__(self) -> str:
        return self.name


class DayCount(models.Model):
    """How many messages a provider took, or may have taken, on a day in UTC."""

    provider = models.CharField(max_length=20)
    day = models.DateField()
    messages = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "day"], name="day_count_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} on {self.day}"


class ProviderPlan(models.Model):
    """What an operator decided for a provider at the desk; where a field is empty, the setting holds.

    A provider of which nothing was decided has no row.
    """

    class WarmUp(models.TextChoices):
        SETTING = "", "as the setting WARM_UP says"
        OWN = "own", "by the plan below"
        NONE = "none", "none"

    name = models.CharField(max_length=20, primary_key=True)
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    """Its place in the order; those without one come after, as in EMAIL_PROVIDERS."""
    rate = models.FloatField(null=True, blank=True)
    """Messages a second, of all workers together; 0: unlimited."""
    daily_cap = models.PositiveIntegerField(null=True, blank=True)
    """Messages a day in UTC, however much the warm-up allows; null: no cap but that."""
    warm_up = models.CharField(max_length=4, choices=WarmUp.choices, default="", blank=True)
    warm_up_from = models.DateField(null=True, blank=True)
    warm_up_messages = models.PositiveIntegerField(null=True, blank=True)
    """On the first day."""
    warm_up_growth = models.FloatField(null=True, blank=True)
    """A day's number is the one of the day before times this."""
    paused_at = models.DateTimeField(null=True, blank=True)
    """Since then no digest goes by it, until it is resumed."""
    paused_because = models.CharField(max_length=200, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    """Null where a command did it."""

    class Meta:
        verbose_name = "provider"
        constraints = [
            models.CheckConstraint(
                condition=Q(rate__isnull=True) | Q(rate__gte=0), name="provider_plan_rate"
            ),
            models.CheckConstraint(
                condition=~Q(warm_up="own")
                | Q(
                    warm_up_from__isnull=False,
                    warm_up_messages__gte=1,
                    warm_up_growth__gte=1,
                ),
                name="provider_plan_warm_up",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """Something the operator was told: once for each cause, and again where it was well meanwhile."""

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=60, blank=True)
    """What it is about: an edition, a provider; with the day where it is said once a day."""
    what = models.CharField(max_length=300)
    """What happened, in one line without any address."""
    mend = models.CharField(max_length=300)
    """What to do, in one line with the command to type."""
    link = models.CharField(max_length=300, blank=True, default="", db_default="")
    """The page of the site where it can be seen, from the root on."""
    lasts = models.BooleanField(default=False, db_default=False)
    """It is a state, which ends; other notices are of what happened, and stay as they are."""
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)
    """When it was still so."""
    ended_at = models.DateTimeField(null=True, blank=True)
    """Null while it lasts."""
    mailed_at = models.DateTimeField(null=True, blank=True)
    posted_at = models.DateTimeField(null=True, blank=True)
    """When the webhook took it."""
    end_mailed_at = models.DateTimeField(null=True, blank=True)
    end_posted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"], condition=Q(ended_at__isnull=True), name="notice_once_open"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="notice_newest")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"
