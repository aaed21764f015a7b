/* On all pages of the desk: the theme marks no main part for readers of screens. While an edition is
   sent, the dashboard's upper part is asked for again. */
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
  const live = document.getElementById("desk-live");
  if (!live) return;
  // Each answer writes the same token for forms in other letters.
  const same = (part) => part.innerHTML.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");
  const again = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("desk-live");
    if (fresh && same(fresh) !== same(live)) live.innerHTML = fresh.innerHTML;
  };
  setInterval(() => again().catch(() => {}), Number(live.dataset.every) * 1000);
});
