/* While a topic is written, the page says which of the newest papers it would take, and beside the
   phrases how many, which is seen where the rest is further down. */
document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("trial");
  const form = document.getElementById("topic_form");
  if (!place || !form?.elements.phrases) return;
  const brief = document.createElement("a");
  brief.className = "topic-brief";
  brief.href = "#trial";
  form.elements.phrases.after(brief);
  const sum = () => {
    brief.textContent = document.getElementById("trial-count")?.textContent ?? "";
  };
  sum();
  let waiting = 0;
  let asked = 0;
  const ask = async () => {
    const mine = ++asked;
    const said = new FormData();
    said.set("slug", place.dataset.slug || form.elements.slug?.value || "");
    for (const name of ["phrases", "categories"]) said.set(name, form.elements[name].value);
    said.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(place.dataset.url, { method: "POST", body: said });
      // An older question may be answered later.
      if (mine !== asked) return;
      if (answer.ok) {
        place.innerHTML = await answer.text();
        sum();
      } else {
        brief.textContent = "The preview can’t be made now.";
      }
    } catch {
      if (mine === asked) brief.textContent = "The preview can’t be made now.";
    } finally {
      if (mine === asked) place.removeAttribute("aria-busy");
    }
  };
  form.addEventListener("input", (event) => {
    if (!["phrases", "categories"].includes(event.target.name)) return;
    clearTimeout(waiting);
    waiting = setTimeout(ask, 400);
  });
});
