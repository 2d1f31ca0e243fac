// Charts: a crosshair with the values under the pointer, the finger or the arrow keys. No dependency, no inline style.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  // The time of a pixel, no finer than a pixel is: seconds only where a pixel is worth less than five.
  const when = (chart, ms, pixel) => {
    const fine = pixel < 5000;
    if (!fine) ms = Math.round(ms / 60000) * 60000;
    const shown = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (chart.dataset.zone) {
      try {
        const parts = new Intl.DateTimeFormat("en", { ...shown, timeZone: chart.dataset.zone }).formatToParts(ms);
        const part = (type) => parts.find((p) => p.type === type).value;
        return `${part("month")}-${part("day")} ${part("hour")}:${part("minute")}${fine ? `:${part("second")}` : ""}`;
      } catch { /* a zone that this browser does not know: the offset below */ }
    }
    return new Date(ms + Number(chart.dataset.offset) * 1000).toISOString().slice(5, fine ? 19 : 16).replace("T", " ");
  };

  // The point of a line that is nearest to x, if one is near enough: a gap has no value.
  const nearest = (line, x, reach) => {
    let best = null;
    for (const piece of line.querySelectorAll("polyline")) {
      const values = piece.dataset.v.split(" ");
      for (let i = 0; i < Math.min(piece.points.length, values.length); i += 1) {
        const distance = Math.abs(piece.points[i].x - x);
        if (distance <= reach && (!best || distance < best.distance)) {
          best = { distance, x: piece.points[i].x, y: piece.points[i].y, value: values[i] };
        }
      }
    }
    return best;
  };

  const reachOf = (line) => {
    const gaps = [];
    for (const piece of line.querySelectorAll("polyline")) {
      for (let i = 1; i < piece.points.length; i += 1) gaps.push(piece.points[i].x - piece.points[i - 1].x);
    }
    gaps.sort((a, b) => a - b);
    return Math.max(6, gaps.length ? gaps[gaps.length >> 1] : 0);
  };

  const clear = (chart) => chart.querySelectorAll(".tc-hover").forEach((node) => node.remove());

  const show = (chart, x) => {
    clear(chart);
    const { left, right, top, bottom, from, to } = Object.fromEntries(
      ["left", "right", "top", "bottom", "from", "to"].map((key) => [key, Number(chart.dataset[key])]));
    x = Math.min(right, Math.max(left, x));
    chart.tcX = x;
    const hover = make("g", { class: "tc-hover" });
    const found = [...chart.querySelectorAll("g.tc-line")]
      .map((line) => ({ line, hit: nearest(line, x, reachOf(line)) }))
      .filter(({ hit }) => hit);
    const at = found.length ? found.reduce((a, b) => (b.hit.distance < a.hit.distance ? b : a)).hit.x : x;
    hover.append(make("path", { class: "tc-cross", d: `M${at} ${top}V${bottom}` }));
    const tip = make("g", { class: "tc-tip" });
    const box = make("rect", { rx: 4 });
    const pixel = (to - from) / (right - left);
    tip.append(box, make("text", { class: "tc-when", x: 8, y: 16 }, when(chart, from + (at - left) * pixel, pixel)));
    found.forEach(({ line, hit }, index) => {
      const colour = [...line.classList].find((name) => /^tc-c\d$/.test(name));
      hover.append(make("circle", { class: `tc-dot ${colour}`, cx: hit.x, cy: hit.y, r: 3.5 }));
      const text = make("text", { x: 8, y: 34 + index * 17 });
      text.append(make("tspan", { class: `tc-bullet ${colour}` }, "● "),
        make("tspan", {}, `${line.dataset.label} `),
        make("tspan", { class: "tc-value" }, `${hit.value}${chart.dataset.suffix}`));
      tip.append(text);
    });
    hover.append(tip);
    chart.append(hover);
    const size = tip.getBBox();
    const width = size.x + size.width + 8;
    const height = 24 + found.length * 17;
    box.setAttribute("width", width);
    box.setAttribute("height", height);
    const place = at + 12 + width > right ? at - 12 - width : at + 12;
    tip.setAttribute("transform", `translate(${Math.max(2, place)} ${Math.min(top + 6, Math.max(0, bottom - height))})`);
  };

  const over = (event) => {
    const chart = event.target.closest && event.target.closest("svg.tc-chart");
    document.querySelectorAll("svg.tc-chart").forEach((other) => { if (other !== chart) clear(other); });
    if (!chart) return;
    const box = chart.getBoundingClientRect();
    show(chart, ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width);
  };
  document.addEventListener("pointermove", over, { passive: true });
  document.addEventListener("pointerdown", over, { passive: true });
  document.addEventListener("keydown", (event) => {
    const chart = event.target.closest && event.target.closest("svg.tc-chart");
    if (!chart) return;
    const step = { ArrowLeft: -8, ArrowRight: 8 }[event.key];
    if (event.key === "Escape") clear(chart);
    if (!step) return;
    event.preventDefault();
    show(chart, (chart.tcX || Number(chart.dataset.right)) + step);
  });
})();
