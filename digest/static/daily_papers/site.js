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
