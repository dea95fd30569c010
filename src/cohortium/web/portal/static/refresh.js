// Brings the parts of a page that live up to date. What has the focus, or is marked, stays as it is until it has it no more.

const page = document.querySelector("[data-refresh]");
const pause = Number(page.dataset.refresh) * 1000;

function isBusy(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && part.contains(selection.anchorNode));
}

async function refresh() {
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (now && !isBusy(part) && now.innerHTML !== part.innerHTML) part.innerHTML = now.innerHTML;
  }
}

async function keepOn() {
  if (!document.hidden) await refresh().catch(() => {}); // the server will be back
  setTimeout(keepOn, pause);
}

setTimeout(keepOn, pause);
