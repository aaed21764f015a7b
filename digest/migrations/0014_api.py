"""An index has the newest papers of a topic in order."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0013_count_authors'),
    ]

    operations = [
        migrations.AddField(
            model_name='papertopic',
            name='published_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='papertopic',
            index=models.Index(fields=['topic', 'published_at', 'paper'], name='paper_topic_newest'),
        ),
    ]
