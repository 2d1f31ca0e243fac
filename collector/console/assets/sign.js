// A field to sign in: finger, pen or mouse. What is drawn goes into the form as whole numbers on a sheet of the canvas's
// own size: x.y-x.y for a stroke, _ between strokes.
"use strict";
(() => {
  const canvas = document.getElementById("ink-sheet");
  const field = document.getElementById("ink");
  const clear = document.getElementById("ink-clear");
  if (!canvas || !field || !clear) return;

  const STEP = 3;            // units between points: finer is no better to read
  const POINTS_MAX = 4800;   // a little less than the collector takes
  const pen = canvas.getContext("2d");
  let strokes = [];
  let stroke = null;
  let points = 0;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const fit = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    return [
      fit((event.clientX - box.left) * canvas.width / box.width, canvas.width),
      fit((event.clientY - box.top) * canvas.height / box.height, canvas.height),
    ];
  };
  const line = (from, to) => {
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
  };
  const blank = () => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "#000";
    pen.lineWidth = 5;
    pen.lineCap = "round";
    pen.lineJoin = "round";
    strokes = [];
    stroke = null;
    points = 0;
    field.value = "";
  };
  const write = () => {
    field.value = strokes.map((one) => one.map((point) => point.join(".")).join("-")).join("_");
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || points >= POINTS_MAX) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    stroke = [at];
    strokes.push(stroke);
    points += 1;
    line(at, at);
    write();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke || !event.isPrimary || points >= POINTS_MAX) return;
    event.preventDefault();
    const passed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of passed.length ? passed : [event]) {
      const at = place(one);
      const last = stroke[stroke.length - 1];
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) < STEP) continue;
      line(last, at);
      stroke.push(at);
      points += 1;
    }
  });
  const lift = () => { stroke = null; write(); };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  clear.addEventListener("click", blank);
  canvas.closest("form").addEventListener("submit", write);
  blank();
  document.getElementById("ink-field").hidden = false;
})();
