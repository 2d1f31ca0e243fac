// The console's liveness: listens for names of what changed, fetches this page's inner part, and swaps only what is
// marked data-live. Focus, scroll, open details and unfinished input stay. Without this script every page still works.
"use strict";
(() => {
  const body = document.body;
  const url = body.dataset.events;
  if (!url || !window.EventSource) return;

  const QUIET_MS = 250;      // changes come in bursts
  const CLOCKS_MS = 30000;   // words such as "12 minutes left" age
  const stale = document.getElementById("stale");
  let wanted = new Set();
  let timer = 0;
  let busy = false;
  const swapped = new Map();

  const unfinished = (element) => {
    const active = document.activeElement;
    if (active && element.contains(active) && active.matches("input, textarea, select")) return true;
    return [...element.querySelectorAll("input, textarea")].some((field) => field.type !== "hidden" && field.value !== field.defaultValue);
  };

  const swap = (old, fresh) => {
    if (old.outerHTML === fresh.outerHTML || unfinished(old)) return;
    for (const open of old.querySelectorAll("details[open][id]")) {
      const same = fresh.querySelector("#" + CSS.escape(open.id));
      if (same) same.open = true;
    }
    const active = document.activeElement;
    const inside = active && old.contains(active);
    const path = inside ? active.id || active.getAttribute("href") : null;
    const scrolls = [...old.querySelectorAll(".wide")].map((box) => box.scrollLeft);
    old.replaceWith(fresh);
    fresh.querySelectorAll(".wide").forEach((box, index) => { box.scrollLeft = scrolls[index] || 0; });
    if (path) {
      const again = fresh.querySelector("#" + CSS.escape(path)) || fresh.querySelector(`[href="${CSS.escape(path)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const due = (element, names) => {
    if (!names.has("all") && !element.dataset.live.split(" ").some((name) => names.has(name))) return false;
    const every = Number(element.dataset.every || 0) * 1000;
    if (every && !names.has("all") && Date.now() - (swapped.get(element.id) || 0) < every) return false;
    if (element.querySelector(".tc-hover")) return false;
    swapped.set(element.id, Date.now());
    return true;
  };

  const refresh = async () => {
    timer = 0;
    if (busy || document.hidden) return;
    const names = wanted;
    wanted = new Set();
    const elements = [...document.querySelectorAll("[data-live][id]")].filter((element) => due(element, names));
    if (!elements.length) return;
    busy = true;
    try {
      const place = new URL(location.href);
      place.searchParams.set("part", "1");
      place.hash = "";
      const answer = await fetch(place, { credentials: "same-origin", headers: { accept: "text/html" } });
      if (answer.status === 401) { location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search)); return; }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const element of elements) {
          const same = fresh.getElementById(element.id);
          if (same) swap(element, same);
        }
      }
    } catch { /* the stream says when we are cut off */ } finally {
      busy = false;
      if (wanted.size) plan();
    }
  };

  const plan = () => { if (!timer) timer = setTimeout(refresh, QUIET_MS); };
  const want = (name) => { wanted.add(name); plan(); };

  const events = new EventSource(url);
  let first = true;
  events.addEventListener("change", (event) => {
    stale.hidden = true;
    if (first && event.data === "all") { first = false; return; } // the page itself is that fresh
    want(event.data);
  });
  events.onerror = () => { stale.hidden = false; };
  setInterval(() => want("desk"), CLOCKS_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) want("all"); });
})();
