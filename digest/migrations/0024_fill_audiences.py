"""What each audience's digest says is told by the audience, instead of by what it follows."""

from itertools import islice

from django.db import migrations

CHUNK = 1000
OWN = "reader "
"""How the keys of audiences of one reader began."""
WRITTEN = ("keywords", "authors", "organizations")


def fill(apps, schema_editor):
    Audience = apps.get_model("digest", "Audience")
    AudienceSelection = apps.get_model("digest", "AudienceSelection")
    rows = Audience.objects.order_by("pk").iterator(CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        for row in chunk:
            selection = row.selection
            reasons = [card[1] for card in row.cards]
            written = {word for kind in WRITTEN for word in selection.get(kind) or ()}
            row.contents_key = f"selection {row.pk}"
            row.language = selection.get("language") or "en"
            row.format = selection.get("format") or "html"
            row.topic_count = len(selection.get("topics") or ())
            row.words = sorted(
                word for word in written if any(word in reason for reason in reasons)
            )
        Audience.objects.bulk_update(
            chunk, ["contents_key", "language", "format", "topic_count", "words"]
        )
        AudienceSelection.objects.bulk_create(
            AudienceSelection(
                edition_id=row.edition_id,
                selection_key=row.selection_key,
                since=row.since,
                audience=row,
            )
            for row in chunk
            if not row.selection_key.startswith(OWN)
        )


class Migration(migrations.Migration):
    dependencies = [("digest", "0023_audiences_of_equal_lists")]

    # Back, what each follows is still there.
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
