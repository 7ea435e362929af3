// What all pages share: times in the viewer's zone, buttons that copy, dialogs, menus. Without it the page works too.

const now = document.body.dataset.now ? Date.parse(document.body.dataset.now) - Date.now() : 0; // the server's clock, as far as it differs
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const fullZone = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

function span(ms) {
  const s = Math.floor(ms / 1000);
  for (const [n, unit] of [[31536000, "y"], [86400, "d"], [3600, "h"], [60, "min"]]) {
    if (s >= n) return `${Math.floor(s / n)} ${unit}`;
  }
  return `${s} s`;
}

function ago(at) {
  const ms = Date.now() + now - at;
  if (ms < -1000) return `in ${span(-ms)}`;
  return ms < 10000 ? "just now" : `${span(ms)} ago`;
}

function showTimes(root = document) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(t.dateTime);
    if (Number.isNaN(at)) continue;
    const relative = "ago" in t.dataset;
    const text = relative ? ago(at) : full.format(at);
    if (t.textContent !== text) t.textContent = text;
    t.title = fullZone.format(at);
  }
}

showTimes();
setInterval(showTimes, 20000);
document.addEventListener("htmx:after:swap", () => showTimes());

document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard?.writeText(copy.dataset.copy);
    copy.dataset.done = "";
    setTimeout(() => delete copy.dataset.done, 1200);
  }
  const opener = e.target.closest("[data-dialog]");
  if (opener) {
    e.preventDefault();
    document.getElementById(opener.dataset.dialog)?.showModal();
  }
  // One menu is open at a time.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(e.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") {
    const menu = document.activeElement?.closest("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (e.key === "/" && !e.ctrlKey && !e.metaKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")) {
    const field = document.querySelector("input[type=search]");
    if (field) {
      e.preventDefault();
      field.focus();
      field.select();
    }
  }
});

// Rows of a table that are selected: a box in its head selects all, shift selects a range, and [data-count] shows how many.
let last = null;
document.addEventListener("click", (e) => {
  const box = e.target;
  if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
  const form = box.form;
  if (!form?.querySelector("[data-all]")) return;
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  if ("all" in box.dataset) {
    for (const b of boxes) b.checked = box.checked;
  } else if (e.shiftKey && last && boxes.includes(last) && boxes.includes(box)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const b of boxes.slice(from, to + 1)) b.checked = box.checked;
  }
  if (boxes.includes(box)) last = box;
  countSelected(form);
});

function countSelected(form) {
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const n = boxes.filter((b) => b.checked).length;
  const head = form.querySelector("[data-all]");
  head.checked = n > 0 && n === boxes.length;
  head.indeterminate = n > 0 && n < boxes.length;
  const all = form.querySelector("input[name=all]")?.checked;
  const text = form.querySelector("[data-count]");
  if (text) text.textContent = all ? "All selected" : `${n} selected`;
}

// A form that is sent as soon as it is shown, such as that of a one-time address.
document.querySelector("form[data-submit]")?.requestSubmit();

document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
