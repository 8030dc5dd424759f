// The page: loading, search, keys, selection.
import { Chart } from "./chart.js";
import { Panel } from "./panel.js";
import { ask, loaded } from "./data.js";
import { bytes, count, duration } from "./format.js";

const $ = (id) => document.getElementById(id);

let chart, panel;
let selected = null;

function fail(error) {
  const text = error.message ?? String(error);
  $("error").textContent = text === "Failed to fetch" ? "trace serve does not answer any more." : text;
  $("error").hidden = false;
}

function showProgress(state) {
  document.title = $("file").textContent = state.file.slice(state.file.lastIndexOf("/") + 1);
  $("file").title = state.file;
  $("progress").value = state.size ? state.read / state.size : 0;
  $("bytes").textContent = `${bytes(state.read)} of ${bytes(state.size)}`;
}

// Selects a stretch by its number. look: bring it into view; closely: zoom to it.
async function select(id, look = true, closely = false) {
  if (id === null) {
    selected = null;
    chart.select(null);
    panel.clear();
    return;
  }
  try {
    show(await ask("stretch", { id }), look, closely);
  } catch (error) {
    fail(error);
  }
}

function show(stretch, look, closely) {
  if (!stretch) return;
  selected = stretch;
  panel.show(stretch);
  chart.select(stretch);
  if (look) chart.showStretch(stretch, closely);
}

// What the P `by` further down ran in the middle of the selected stretch.
async function selectOtherP(by) {
  if (!selected || selected.p + by < 0) return;
  const at = Math.floor((selected.start + selected.end) / 2);
  show(await ask("stretch", { p: selected.p + by, at }), true);
}

// In the middle of what is visible, on the first P that ever ran anything.
async function selectAny() {
  const at = Math.floor(d3.mean(chart.range()));
  for (let p = 0; p < chart.trace.procs; p++) {
    const stretch = await ask("stretch", { p, at });
    if (stretch) return show(stretch, true);
  }
}

async function search(back) {
  const q = $("query").value.trim();
  if (!q) return;
  try {
    const hit = await ask("search", { q, from: selected?.stretch ?? -1, back: back ? 1 : 0 });
    $("hits").textContent = hit.goroutines === 0 ? "nothing found"
      : hit.stretch === null ? "it never ran" : count(hit.goroutines, "goroutine");
    if (hit.stretch !== null) await select(hit.stretch);
  } catch (error) {
    fail(error);
  }
}

const KEYS = {
  w: () => chart.magnify(1.5),
  s: () => chart.magnify(1 / 1.5),
  a: () => chart.pan(-0.2),
  d: () => chart.pan(0.2),
  0: () => chart.showAll(),
  f: () => selected && chart.showStretch(selected, true),
  "/": () => $("query").select(),
  "?": () => $("help").showModal(),
  "[": () => selected && selected.previous !== null && select(selected.previous),
  "]": () => selected && selected.next !== null && select(selected.next),
  Escape: () => select(null),
  ArrowLeft: () => (selected ? selected.left !== null && select(selected.left) : selectAny()),
  ArrowRight: () => (selected ? selected.right !== null && select(selected.right) : selectAny()),
  ArrowUp: () => selectOtherP(-1),
  ArrowDown: () => selectOtherP(1),
};

function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    if (event.target.tagName === "INPUT") {
      if (event.key === "Escape") $("chart").focus();
      return;
    }
    const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search(false);
  });
  $("query").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.shiftKey) return;
    event.preventDefault();
    search(true);
  });
  const buttons = { before: () => search(true), left: KEYS.a, right: KEYS.d, in: KEYS.w, out: KEYS.s,
                    fit: KEYS[0], keys: KEYS["?"] };
  for (const [id, act] of Object.entries(buttons)) $(id).addEventListener("click", act);
}

function showTip(hit, event) {
  const tip = $("tip");
  tip.hidden = !hit;
  if (!hit) return;
  if (hit.span) {
    tip.textContent = `${hit.span[2]}\n${duration(hit.span[1])}`;
  } else {
    const [, length, , goroutine, name, syscall, several, busy] = hit.cell;
    const who = `G${goroutine} ${syscall ? "in a system call" : chart.data.names.get(name)}`;
    tip.textContent = several
      ? `${count(several, "stretch").replace("stretchs", "stretches")}, ${duration(busy)} in all\nthe longest: ${who}`
      : `${who}\n${duration(length)}`;
  }
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6);
  const y = Math.min(event.clientY + 18, innerHeight - tip.offsetHeight - 6);
  Object.assign(tip.style, { left: `${x}px`, top: `${y}px` });
}

function showLegend(trace) {
  for (const [id, name, goroutines, running] of trace.functions.slice(0, 8)) {
    const item = document.createElement("li"), chip = document.createElement("span");
    const button = document.createElement("button");
    chip.className = "chip";
    chip.style.background = chart.colour(id);
    button.textContent = name;
    button.title = `${name}: ${count(goroutines, "goroutine")}, ${duration(running)} running. Click to find them.`;
    button.addEventListener("click", () => {
      $("query").value = name;
      search(false);
    });
    item.append(chip, button);
    $("legend").append(item);
  }
}

async function main() {
  const state = await loaded(showProgress);
  if (state.error) fail({ message: `${state.file}: ${state.error}` });
  const trace = state.trace;
  $("loading").hidden = true;
  if (trace.events > 0) {
    $("facts").textContent = [duration(trace.duration), count(trace.procs, "P"),
      count(trace.goroutines, "goroutine"), count(trace.events, "event")].join(" · ");
    document.querySelector("main").hidden = false;
    const elements = { chart: $("chart"), scroll: $("scroll"), spacer: $("spacer"),
                       overview: $("overview"), rangeText: $("range") };
    panel = new Panel($("panel"), (id) => select(id), () => chart.showStretch(selected, true));
    chart = new Chart(elements, trace, {
      select: (id) => select(id, false), hover: showTip, move: () => showTip(null), fail });
    window.traceChart = chart;  // for tests
    showLegend(trace);
    listen();
  }
  document.body.dataset.state = "ready";
}

main().catch(fail);
