/* While a topic is written, the page says which of the newest papers it would take. */
document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("trial");
  const form = document.getElementById("topic_form");
  if (!place || !form) return;
  let waiting = 0;
  let asked = 0;
  const ask = async () => {
    const mine = ++asked;
    const said = new FormData();
    said.set("slug", place.dataset.slug || form.elements.slug?.value || "");
    for (const name of ["phrases", "categories"]) said.set(name, form.elements[name].value);
    said.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const answer = await fetch(place.dataset.url, { method: "POST", body: said });
    // An older question may be answered later.
    if (answer.ok && mine === asked) place.innerHTML = await answer.text();
  };
  form.addEventListener("input", (event) => {
    if (!["phrases", "categories"].includes(event.target.name)) return;
    clearTimeout(waiting);
    waiting = setTimeout(ask, 400);
  });
});
