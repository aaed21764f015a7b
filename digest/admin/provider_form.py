"""The forms of a provider's plan: wrong values get one clear line each."""

from typing import Any

from django import forms

from digest.delivery import because as reasons
from digest.delivery.esp import plans
from digest.delivery.watching import health
from digest.errors import UnfitReasonError
from digest.models import ProviderPlan
from subscriptions.admin.theme import NumberInput, TextInput

from . import provider_cards

MOST_RATE = 100_000
MOST_GROWTH = 10
"""As the setting WARM_UP takes."""
_OWN = ("warm_up_from", "warm_up_messages", "warm_up_growth")


class PlanForm(forms.ModelForm[ProviderPlan]):
    """Rate, daily cap and warm-up of a provider; what is left empty is as the settings say."""

    rate = forms.FloatField(
        required=False,
        min_value=0,
        max_value=MOST_RATE,
        label="Messages a second",
        widget=NumberInput(attrs={"step": "any"}),
    )
    daily_cap = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=plans.MOST_MESSAGES,
        label="Most messages a day",
        widget=NumberInput,
    )
    warm_up_messages = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=plans.MOST_MESSAGES,
        label="Messages on that day",
        widget=NumberInput,
    )
    warm_up_growth = forms.FloatField(
        required=False,
        min_value=1,
        max_value=MOST_GROWTH,
        label="Growth a day",
        widget=NumberInput(attrs={"step": "any"}),
    )

    class Meta:
        model = ProviderPlan
        fields = ("rate", "daily_cap", "warm_up", *_OWN)
        labels = {"warm_up": "Warm-up", "warm_up_from": "First day"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        setting = plans.by_settings(self.instance.name)
        says = {
            "rate": "Of all workers together; 0: unlimited. "
            f"Empty: as the settings say, which is {health.rate_words(setting.rate)}.",
            "daily_cap": "In UTC. Empty: no cap but the warm-up's. To stop it altogether, pause it.",
            "warm_up": "A new domain or address starts slowly. The settings say: "
            f"{provider_cards.warm_up_words(setting.warm_up)}.",
            "warm_up_growth": "Each day gets as many as the day before, times this: 1.5, say.",
        }
        for name, text in says.items():
            if name in self.fields:
                self.fields[name].help_text = text
        for field in self.fields.values():
            # `changed_data` is then what was changed on the page as it was loaded.
            field.show_hidden_initial = True

    def changed(self) -> dict[str, Any]:
        """What the operator changed; a warm-up counts as one value, so that it stays whole."""
        names = set(self.changed_data)
        if names & {"warm_up", *_OWN}:
            names |= {"warm_up", *_OWN}
        return {name: self.cleaned_data[name] for name in names}

    def clean(self) -> dict[str, Any]:
        """A warm-up of its own is whole; without one its three numbers are empty."""
        found: dict[str, Any] = super().clean() or {}
        given = [name for name in _OWN if found.get(name) is not None]
        is_own = found.get("warm_up") == ProviderPlan.WarmUp.OWN
        if not self.errors and is_own and len(given) < len(_OWN):
            raise forms.ValidationError(
                "A warm-up of its own has a first day, messages on that day, and growth."
            )
        if not self.errors and given and not is_own:
            raise forms.ValidationError(
                "First day, messages and growth count only with the warm-up “by the plan below”."
            )
        return found


class PauseForm(forms.Form):
    """Why a provider is paused."""

    because = forms.CharField(
        max_length=reasons.LONGEST,
        label="Why",
        help_text="One line for whoever reads it later. No addresses: it is kept in the log.",
        widget=TextInput,
        error_messages={"required": "Say why, in a few words."},
    )

    def clean_because(self) -> str:
        try:
            return reasons.cleaned(str(self.cleaned_data["because"]))
        except UnfitReasonError as error:
            raise forms.ValidationError(str(error)) from error
