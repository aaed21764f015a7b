"""Search over all papers: PostgreSQL gets a tsvector and its index, SQLite a table of FTS5.

A worker fills it (`search.index_missing`): what a paper is found by is for today's code to say.
"""

import django.db.models.deletion
from django.db import migrations, models

_POSTGRES = [
    "ALTER TABLE digest_searchentry ADD COLUMN words tsvector NOT NULL",
    # Rows are walked by the ten thousand, and words of few of them read.
    "ALTER TABLE digest_searchentry ALTER COLUMN words SET STORAGE EXTERNAL",
    "ALTER TABLE digest_searchentry SET (toast_tuple_target = 128)",
    # Without a list of what is to be entered later, which each search would have to walk.
    "CREATE INDEX digest_searchentry_words ON digest_searchentry USING gin (words) "
    "WITH (fastupdate = off)",
]
_SQLITE = [
    "CREATE VIRTUAL TABLE digest_searchwords USING fts5(title, about, abstract, names, tags, "
    "tokenize = \"unicode61 remove_diacritics 0 tokenchars ':_.'\")",
]


def _make(apps, schema_editor):
    for statement in _POSTGRES if schema_editor.connection.vendor == "postgresql" else _SQLITE:
        schema_editor.execute(statement)


def _drop(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE digest_searchwords")


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0015_topics_newest_filled'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchEntry',
            fields=[
                ('paper', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='search_entry', serialize=False, to='digest.paper')),
                ('published_on', models.DateField(db_index=True)),
                ('upvotes', models.PositiveIntegerField(default=0)),
                ('merit', models.FloatField(db_index=True)),
            ],
            options={
                'verbose_name_plural': 'search entries',
            },
        ),
        migrations.RunPython(_make, _drop),
    ]
