// Shortens a few paths. Every page works without it, and it asks nobody but this site.
"use strict";

// Copies the text of another element, and says so.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const status = button.parentElement.querySelector("[role=status]");
      status.textContent = "";
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      status.textContent = button.dataset.said;
    });
  }
}

// Sign-up: the reader's own time zone, so that the first digest comes at their hour and not at that of UTC.
for (const field of document.querySelectorAll("input[data-own-timezone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}

// Taste: a browser whose reader chose that digests learn from the papers that they open tells it, when
// the page comes in sight. Who they are is in a cookie that no script sees.
(() => {
  const chosen = document.querySelector("[data-learns]");
  const work = document.querySelector("[data-opened]");
  try {
    if (chosen?.dataset.learns === "yes") localStorage.setItem("learns", "yes");
    else if (chosen) localStorage.removeItem("learns");
    if (!work || localStorage.getItem("learns") !== "yes") return;
  } catch {
    return; // A browser that keeps nothing has nothing to tell.
  }
  const tell = () => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", tell);
    navigator.sendBeacon(work.dataset.opened, new URLSearchParams({ paper: work.dataset.paper }));
  };
  document.addEventListener("visibilitychange", tell);
  tell();
})();

// The preference centre: counts, names and the preview come while choices are made.
(() => {
  const form = document.getElementById("preferences");
  if (!form) return;
  const late = (act, wait) => {
    let timer;
    return () => { clearTimeout(timer); timer = setTimeout(act, wait); };
  };

  const zone = document.getElementById("browser-zone");
  const zones = form.elements.timezone;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (here && here !== zones.value && [...zones.options].some((each) => each.value === here)) {
    zone.querySelector("b").textContent = here;
    zone.hidden = false;
    zone.querySelector("button").addEventListener("click", () => {
      zones.value = here;
      zone.hidden = true;
      zones.focus();
      zones.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  // An answer that a later question overtook is not shown.
  const asker = (address, show) => {
    let newest = 0;
    return async (words) => {
      const mine = ++newest;
      const answer = await fetch(`${address}?q=${encodeURIComponent(words)}`).catch(() => null);
      const said = answer && (await answer.json().catch(() => null));
      if (said && mine === newest) show(said);
    };
  };

  const keyword = form.elements.keyword;
  const count = document.getElementById("keyword-count");
  const askCount = asker(form.dataset.count, (said) => {
    count.textContent = keyword.value.trim() ? said.text : "";
  });
  keyword.addEventListener("input", () => {
    document.getElementById("keyword-error")?.remove();
    keyword.removeAttribute("aria-invalid");
  });
  keyword.addEventListener("input", late(() => {
    if (keyword.value.trim()) askCount(keyword.value);
    else count.textContent = "";
  }, 400));

  const suggesting = (name, many) => {
    const field = form.elements[name];
    const known = document.getElementById(`known-${many}`);
    const ask = asker(form.dataset[many], (said) => {
      known.replaceChildren(...(said[many] || []).map((each) => {
        const option = document.createElement("option");
        option.value = each.name;
        return option;
      }));
    });
    field.addEventListener("input", late(() => field.value.trim().length > 1 && ask(field.value), 200));
    return field;
  };
  const typed = [keyword, suggesting("author", "authors"), suggesting("organization", "organizations")];

  form.elements.paused_until.addEventListener("input", () => {
    form.querySelector("[name=pause][value=until]").checked = true;
  });

  form.addEventListener("change", (event) => {
    if (!typed.includes(event.target)) document.getElementById("unsaved").hidden = false;
  });

  const shown = document.getElementById("preview-shown");
  const refresh = async (view) => {
    const choices = new URLSearchParams(new FormData(form));
    choices.set("preview", view);
    shown.setAttribute("aria-busy", "true");
    const answer = await fetch(form.dataset.preview, { method: "POST", body: choices }).catch(() => null);
    const isSaid = Boolean(answer) && (answer.ok || answer.status === 400);
    if (isSaid) {
      shown.innerHTML = await answer.text();
      document.getElementById("preview-said").textContent = shown.querySelector("p")?.textContent || "";
    }
    shown.removeAttribute("aria-busy");
    return isSaid;
  };
  const view = () => shown.querySelector("[name=shown]")?.value;
  form.addEventListener("change", late(() => view() && refresh(view()), 500));
  form.addEventListener("click", async (event) => {
    const button = event.target.closest("button[name=preview]");
    if (!button || button.dataset.asks) return;
    event.preventDefault();
    if (await refresh(button.value)) {
      document.getElementById("preview").scrollIntoView();
    } else {
      button.dataset.asks = "the server";
      button.click();
    }
  });
})();
