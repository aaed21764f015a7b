"""Who may do what at the desk: three roles, kept as groups that every migration puts right.

Permissions are named as Django names them, and those of `digest` as words: this app knows nothing of it.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission, User
from django.db import models
from django.db.models import Q, QuerySet

OWNED = ("auth", "admin", "subscriptions", "digest")
"""Apps that the owner may do everything with."""
_LOOK = ("view",)
_EDIT = ("view", "change")
_ALL = ("add", "change", "delete", "view")


class Role(models.TextChoices):
    """The groups, by name."""

    OWNER = "owner", "Owner: everything, and who works here"
    EDITOR = "editor", "Editor: editions, papers and topics; no readers"
    SUPPORT = "support", "Support: readers and their mail; no editions"


_MAY: dict[Role, dict[str, tuple[str, ...]]] = {
    Role.EDITOR: {
        "digest.edition": _EDIT,
        "digest.editionpaper": _ALL,
        "digest.paper": ("add", *_EDIT),
        "digest.papertopic": _LOOK,
        "digest.topiccorrection": _ALL,
        "digest.fetch": _EDIT,
        # No deliveries and no events: the papers that a reader got say what they are interested in.
        "digest.batch": _LOOK,
        "digest.providerplan": _LOOK,
        "digest.dayfigure": _LOOK,
        "digest.editioncount": _LOOK,
        "digest.notice": _LOOK,
        "subscriptions.topic": _ALL,
        "subscriptions.leavereason": _LOOK,
    },
    Role.SUPPORT: {
        # Erasing cannot be undone: support mails the link by which readers do it themselves.
        "subscriptions.subscriber": _EDIT,
        "subscriptions.suppression": ("add", "delete", "view"),
        "subscriptions.consentrecord": _LOOK,
        "subscriptions.transactionalmessage": _LOOK,
        "subscriptions.leavereason": _LOOK,
        "digest.delivery": _LOOK,
        "digest.event": _LOOK,
        "digest.batch": _LOOK,
        "digest.notice": _LOOK,
        "digest.edition": _LOOK,
        "digest.paper": _LOOK,
        "subscriptions.topic": _LOOK,
    },
}


def ensure(**_signal: Any) -> None:
    """Afterwards the three groups are there, and each may do just what its role says, whatever
    models an upgrade brought. Also the receiver of Django's `post_migrate`."""
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set(_permissions(role))


def _permissions(role: Role) -> QuerySet[Permission]:
    rows = Permission.objects.order_by()
    if role == Role.OWNER:
        return rows.filter(content_type__app_label__in=OWNED)
    wanted = Q(pk__in=[])
    for name, actions in _MAY[role].items():
        app, _, model = name.partition(".")
        codes = [f"{action}_{model}" for action in actions]
        wanted |= Q(content_type__app_label=app, content_type__model=model, codename__in=codes)
    return rows.filter(wanted)


def role_of(user: User) -> Role | None:
    """The role of somebody, a superuser's is that of an owner; the greatest, where they have two."""
    if user.is_superuser:
        return Role.OWNER
    names = set(user.groups.values_list("name", flat=True))
    return next((role for role in Role if role.value in names), None)


def is_owner(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether they may say who works here."""
    return isinstance(user, User) and user.is_active and role_of(user) == Role.OWNER


def give(user: User, role: Role | None) -> None:
    """Afterwards the user has this role and no other, and gets into the desk with it; without one
    they don't. Groups of the operator's own stay."""
    user.groups.remove(*Group.objects.filter(name__in=Role.values))
    if role is not None:
        group, _ = Group.objects.get_or_create(name=role.value)
        user.groups.add(group)
    User.objects.filter(pk=user.pk).update(is_staff=user.is_superuser or role is not None)
    user.refresh_from_db()


def lock() -> None:
    """Afterwards nobody else who asks for it changes who is an owner until this transaction ends."""
    Group.objects.select_for_update().get_or_create(name=Role.OWNER.value)


def is_last_owner(user: User) -> bool:
    """Whether nobody else could say who works here."""
    owners = User.objects.filter(
        Q(is_superuser=True) | Q(groups__name=Role.OWNER.value), is_active=True
    )
    return is_owner(user) and not owners.exclude(pk=user.pk).exists()
