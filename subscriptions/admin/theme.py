"""The classes of the admin in the theme's look. It has no types of its own, so that for the type
checker they are Django's."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Model
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as ThemeAdmin
    from django.contrib.admin import StackedInline, TabularInline
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        UserChangeForm,
        UserCreationForm,
    )
    from django.forms import NumberInput, Select, Textarea, TextInput
else:
    from unfold.admin import ModelAdmin as ThemeAdmin
    from unfold.admin import StackedInline, TabularInline
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from unfold.views import ChangeList
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberInput
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

__all__ = [
    "AdminPasswordChangeForm",
    "ChangeList",
    "ModelAdmin",
    "NumberInput",
    "Select",
    "StackedInline",
    "TabularInline",
    "TextInput",
    "Textarea",
    "UserChangeForm",
    "UserCreationForm",
]

_M = TypeVar("_M", bound=Model)


class ModelAdmin(ThemeAdmin[_M]):
    """The theme's, whose lists are narrowed by what stands beside them, and by nothing else."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Django's own takes any field of the table, and of those that point at it: an address would tell
        an editor which topics a reader follows."""
        offered = {_name(each) for each in self.get_list_filter(request)} | {self.date_hierarchy}
        is_offered = lookup.partition("__")[0] in offered
        return is_offered and super().lookup_allowed(lookup, value, request)


def _name(offered: Any) -> str:
    """Of a field, a field with its filter, or a filter of our own."""
    if isinstance(offered, (list, tuple)):
        return str(offered[0])
    return str(getattr(offered, "parameter_name", offered))
