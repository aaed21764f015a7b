/* The edition desk without a load for each press: buttons are sent as the form would send them, and
   papers are dragged to a place. Without this script every button works by itself. */
document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("ed-live");
  if (!document.getElementById("ed-form")) return;
  let busy = false;

  const say = (text) => { live.textContent = text; };

  const show = (page, sent) => {
    const fresh = page.getElementById("ed");
    // What was typed while the answer was on its way stays.
    const typed = document.getElementById("ed-note")?.value;
    if (typed !== undefined && typed !== sent) fresh.querySelector("#ed-note").value = typed;
    document.getElementById("ed").replaceWith(fresh);
    say(page.getElementById("ed-said")?.innerText.trim() || "");
    start();
  };

  const send = async (what, focused) => {
    if (busy) return;
    busy = true;
    const desk = document.getElementById("ed");
    const data = new FormData(document.getElementById("ed-form"));
    data.set("do", what);
    const sent = document.getElementById("ed-note")?.value;
    desk.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(location.pathname, { method: "POST", body: data });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // Closed meanwhile, or signed out: what there is to say stands on the other page.
      if (!page.getElementById("ed-form")) { location.assign(answer.redirected ? answer.url : location.href); return; }
      show(page, sent);
      const button = focused && document.getElementById(focused);
      const next = button && (button.disabled ? button.closest(".ed-buttons").querySelector("button:enabled") : button);
      next?.focus();
    } catch {
      failed(desk);
    } finally {
      busy = false;
    }
  };

  const failed = (desk) => {
    const text = "Not saved: the server did not answer. Load the page again before you go on.";
    desk.removeAttribute("aria-busy");
    const line = document.createElement("p");
    line.className = "ed-hint ed-hint--bad";
    line.textContent = text;
    document.getElementById("ed-said").replaceChildren(line);
    say(text);
    line.scrollIntoView({ block: "center" });
  };

  const start = () => {
    document.getElementById("ed-form").addEventListener("submit", (event) => {
      if (!event.submitter) return;
      event.preventDefault();
      send(event.submitter.value, event.submitter.id);
    });
    const papers = document.getElementById("ed-papers");
    if (!papers || !window.Sortable) return;
    window.Sortable.create(papers, {
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120,
      chosenClass: "ed-paper--held",
      draggable: ".ed-paper",
      handle: ".ed-grip",
      onEnd: (moved) => {
        if (moved.oldDraggableIndex === moved.newDraggableIndex) return;
        const id = moved.item.dataset.paper;
        send(`move:${id}:${moved.newDraggableIndex + 1}`, `up-${id}`);
      },
    });
  };

  start();
});
