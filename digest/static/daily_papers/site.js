// Shortens a few paths. Every page works without it, and it asks nobody but this site.
"use strict";

// Sign-up: the reader's own time zone, so that the first digest comes at their hour and not at that of UTC.
for (const field of document.querySelectorAll("input[data-own-timezone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}

// Copy: a button with data-copy="ID" copies what the element with that id says; without a script it stays hidden.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const label = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = button.dataset.copied;
    button.addEventListener("blur", () => { button.textContent = label; }, { once: true });
  });
}
