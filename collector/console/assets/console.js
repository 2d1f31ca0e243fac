// The console's liveness: listens for names of what changed, fetches this page's inner part, and swaps only what is
// marked data-live. Focus, scroll, open details and unfinished input stay. Without this script every page still works.
"use strict";
(() => {
  const body = document.body;
  const url = body.dataset.events;
  if (!url || !window.EventSource) return;

  const QUIET_MS = 250;      // changes come in bursts
  const CLOCKS_MS = 30000;   // words such as "12 minutes left" age
  const RETRY_MS = 3000;     // after the stream was refused
  const stale = document.getElementById("stale");
  const heard = document.getElementById("heard");
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
    // Ages such as "3 min ago" change all the time; only what data-say says is read aloud.
    if (heard && fresh.dataset.say && fresh.dataset.say !== old.dataset.say) heard.textContent = fresh.dataset.say;
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
    const hits = element.dataset.live.split(" ").filter((name) => names.has(name));
    if (!names.has("all") && !hits.length) return false;
    // Ticks come every second or ten; whatever else happens is shown at once.
    const every = Number(element.dataset.every || 0) * 1000;
    if (every && hits.join() === "tick" && Date.now() - (swapped.get(element.id) || 0) < every) return false;
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
      // The header says that no hand caused this: it does not keep the session alive.
      const answer = await fetch(place, { credentials: "same-origin", headers: { accept: "text/html", "x-tocsin-live": "1" } });
      if (answer.status === 401) { signIn(); return; }
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

  // What was typed is not thrown away: whoever is writing is told, and signs in when they send it.
  const signIn = () => {
    if ([...document.querySelectorAll("[data-live]")].some(unfinished)) { stale.hidden = false; return; }
    location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
  };

  let events = null;
  const listen = () => {
    events = new EventSource(url);
    // The first word of each stream is "all": whatever changed before it was open is fetched once.
    events.addEventListener("change", (event) => { stale.hidden = true; want(event.data); });
    events.onerror = () => {
      stale.hidden = false;
      // A lost connection is tried again by the browser itself; a refusal (a restart, a session at its end) is not.
      if (events.readyState === EventSource.CLOSED) setTimeout(again, RETRY_MS);
    };
  };
  const again = async () => {
    try {
      const answer = await fetch(url, { method: "HEAD", credentials: "same-origin" });
      if (answer.status === 401) { signIn(); return; }
    } catch { /* still away */ }
    listen();
  };
  listen();
  setInterval(() => want("desk"), CLOCKS_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) want("all"); });
})();
