"""Counts the papers of each name that the archive has already."""

import re
import unicodedata
from collections import Counter

from django.db import migrations

HYPHENS = re.compile("[-\u2010-\u2015]")


def fold(text):
    """As `subscriptions.queries.fold` was when this was written."""
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return " ".join(HYPHENS.sub(" ", plain.casefold()).split())


def count(apps, schema_editor):
    Author = apps.get_model("digest", "Author")
    Paper = apps.get_model("digest", "Paper")
    papers, names = Counter(), {}
    for authors in Paper.objects.values_list("authors", flat=True).iterator():
        for name in authors:
            folded = fold(name)
            if 0 < len(folded) <= 120:
                papers[folded] += 1
                names[folded] = " ".join(name.split())[:120]
    Author.objects.all().delete()
    Author.objects.bulk_create(
        (
            Author(
                name=names[folded],
                folded=folded,
                turned=" ".join([*folded.rsplit(" ", 1)[1:], *folded.rsplit(" ", 1)[:1]]),
                papers=number,
            )
            for folded, number in papers.items()
        ),
        batch_size=1000,
    )


class Migration(migrations.Migration):
    dependencies = [("digest", "0012_authors")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
