"""What readers follow."""

from django.db import models
from django.db.models.functions import Lower

from .subscribers import Subscriber
from .topics import Topic


class Subscription(models.Model):
    """A subscriber's choice of a topic."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "topic"], name="subscription_unique")
        ]

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class FollowedKeyword(models.Model):
    """What a subscriber wants to be told of: a word, a phrase, or a query (`queries.parse`)."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="keywords")
    text = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint("subscriber", Lower("text"), name="followed_keyword_unique")
        ]
        indexes = [models.Index(fields=["text"], name="followed_keyword_text")]

    def __str__(self) -> str:
        return self.text


class FollowedAuthor(models.Model):
    """An author whose papers a subscriber wants to be told of."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="authors")
    name = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint("subscriber", Lower("name"), name="followed_author_unique")
        ]
        indexes = [models.Index(fields=["name"], name="followed_author_name")]

    def __str__(self) -> str:
        return self.name


class FollowedOrganization(models.Model):
    """A lab, company or university whose papers a subscriber wants to be told of."""

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, related_name="organizations"
    )
    name = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "subscriber", Lower("name"), name="followed_organization_unique"
            )
        ]
        indexes = [models.Index(fields=["name"], name="followed_organization_name")]

    def __str__(self) -> str:
        return self.name


class FollowedCategory(models.Model):
    """An arXiv category, such as cs.CL, that a subscriber follows like a topic."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="categories")
    name = models.CharField(max_length=24)

    class Meta:
        verbose_name_plural = "followed categories"
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "name"], name="followed_category_unique")
        ]

    def __str__(self) -> str:
        return self.name
