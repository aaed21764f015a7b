"""What "papers like this" and the search by meaning compare: a row per paper, and the space it is in."""

from django.db import models

from .papers import Paper


class VectorSpace(models.Model):
    """A latent space that was fitted to the archive; the newest one is in use."""

    name = models.CharField(max_length=100, unique=True)
    data = models.BinaryField()
    """A file of numpy's (`papers/vectors/space.py`)."""
    papers = models.PositiveIntegerField()
    """So many were there when it was fitted."""
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class PaperVector(models.Model):
    """A paper's words as numbers, and where it lies in a space."""

    paper = models.OneToOneField(
        Paper, on_delete=models.CASCADE, primary_key=True, related_name="vector"
    )
    terms = models.BinaryField()
    """Hashes of stems with weights (`papers/vectors/analysis.py`)."""
    space = models.CharField(max_length=100, blank=True)
    """Its name; "" until the paper was placed."""
    dense = models.BinaryField(blank=True)
    """A byte for each dimension (`papers/vectors/space.py`); empty where no word is known there."""
    changed_at = models.DateTimeField(db_index=True)
    """By which a process finds what changed since it looked."""

    def __str__(self) -> str:
        return f"vector of paper {self.paper_id}"
