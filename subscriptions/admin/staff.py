"""Who works at the desk: owners say it, for everybody but themselves."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from subscriptions import logbook, roles
from subscriptions.roles import Role

from .factors import FactorAdmin
from .theme import AdminPasswordChangeForm, ModelAdmin, Select, UserChangeForm, UserCreationForm

admin.site.unregister(User)
admin.site.unregister(Group)

_CHOICES = [("", "None: may not come in"), *Role.choices]


def _role_field() -> forms.ChoiceField:
    return forms.ChoiceField(required=False, choices=_CHOICES, widget=Select)


class StaffForm(UserChangeForm[User]):
    """Somebody, and their role."""

    role = _role_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" not in self.fields:
            return
        role = roles.role_of(self.instance)
        self.fields["role"].initial = role.value if role else ""
        if self.instance.is_superuser:
            self.fields["role"].disabled = True
            self.fields["role"].help_text = "A superuser: made by manage.py createsuperuser."

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        stays = cleaned.get("role") == Role.OWNER and cleaned.get("is_active")
        if "role" in self.fields and not stays and roles.is_last_owner(self.instance):
            raise forms.ValidationError("Nobody else is an owner: give somebody that role first.")
        return cleaned


class OwnForm(StaffForm):
    """Oneself: no field of the role is there to be tampered with."""

    role = None  # type: ignore[assignment]


class NewStaffForm(UserCreationForm[User]):
    """Somebody new, and their role."""

    role = _role_field()


@admin.register(User)
class UserAdmin(FactorAdmin, DjangoUserAdmin[User], ModelAdmin[User]):
    """Rights come by the role alone, so that nobody has one that no page names. Only owners see this
    page and its passwords; nobody changes their own role."""

    form: Any = StaffForm
    add_form = NewStaffForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "role", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("At the desk", {"fields": ("role", "is_active", "second_factor")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": (
                    "username",
                    "email",
                    "role",
                    "usable_password",
                    "password1",
                    "password2",
                ),
            },
        ),
    )
    filter_horizontal = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """People; who types commands, and strangers at the door, are in the log alone."""
        return super().get_queryset(request).exclude(logbook.without_people())

    @admin.display(description="Role")
    def role(self, obj: User) -> str:
        """As the list has it."""
        role = roles.role_of(obj)
        if role is None:
            return "none"
        return f"{role.value} (superuser)" if obj.is_superuser else role.value

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = ("last_login", "date_joined", "second_factor")
        # Nobody raises their own rights, or locks themselves out.
        return (*fixed, "role", "is_active") if obj and obj == request.user else fixed

    def get_form(  # type: ignore[override]  # as Django has it
        self, request: HttpRequest, obj: User | None = None, **kwargs: Any
    ) -> Any:
        if obj is not None and obj == request.user:
            kwargs["form"] = OwnForm
        return super().get_form(request, obj, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As Django has it, one owner at a time."""
        return _in_turn(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As Django has it, one owner at a time."""
        return _in_turn(request, super().delete_view, *args, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As Django has it, one owner at a time."""
        return _in_turn(request, super().response_action, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if "role" in form.cleaned_data and not obj.is_superuser:
            before = roles.role_of(obj)
            roles.give(obj, Role(form.cleaned_data["role"]) if form.cleaned_data["role"] else None)
            _note_role(request, obj, before)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        return _by_number(super().log_addition(request, obj, message))

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        return _by_number(super().log_change(request, obj, message))

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        return [_by_number(entry) for entry in super().log_deletions(request, queryset)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return roles.is_owner(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return roles.is_owner(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return roles.is_owner(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return roles.is_owner(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        is_self = obj is not None and obj == request.user
        return roles.is_owner(request.user) and not is_self


def _in_turn(request: HttpRequest, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the view answers, which changes who works here for an owner alone. Owners take turns, as
    two who take the role from each other would leave none."""
    if request.method != "POST":
        return view(request, *args, **kwargs)
    with transaction.atomic():
        roles.lock()
        # They may have lost the role while they waited.
        if not any(map(roles.is_owner, User.objects.filter(username=request.user.get_username()))):
            raise PermissionDenied
        return view(request, *args, **kwargs)


def _note_role(request: HttpRequest, user: User, before: Role | None) -> None:
    after = roles.role_of(user)
    if after != before and isinstance(request.user, User):
        words = f"Role: {before or 'none'} → {after or 'none'}"
        logbook.note_change(user, words, by=request.user)


def _by_number(entry: Any) -> Any:
    """The entry without an address: most people log in with theirs."""
    if "@" in entry.object_repr:
        entry.object_repr = f"user {entry.object_id}"
        entry.save(update_fields=["object_repr"])
    return entry


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin[Group]):
    """The three roles, to look at: an upgrade puts them right."""

    list_display = ("name", "people")

    @admin.display(description="Operators")
    def people(self, obj: Group) -> str:
        """Who has the role."""
        names = {user.username for user in obj.user_set.all()}
        if obj.name == Role.OWNER:
            superusers = User.objects.filter(is_superuser=True)
            names.update(superusers.values_list("username", flat=True))
        return ", ".join(sorted(names)) or "nobody"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("user_set")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return roles.is_owner(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return roles.is_owner(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return roles.is_owner(request.user) and bool(obj and obj.name not in Role.values)
