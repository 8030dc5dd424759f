// Draws the chart: an axis, counters, what happened to the world, a lane for each P.
import { lastPart, moments } from "./format.js";

export const LEFT = 92;  // where times begin; labels stand before it
const AXIS = 26, COUNTER = 30, WORLD = 18, GAP = 4;
const LANE = 28, TALL_LANE = 42, FEW_LANES = 8;
const FONT = '11px system-ui, "DejaVu Sans", sans-serif';

// Rows from top to bottom, each {kind, y, height, ...}; lanes are below the rest.
export function layout(trace) {
  const rows = [];
  let y = AXIS;
  const add = (kind, height, more) => {
    rows.push({ kind, y, height, ...more });
    y += height + GAP;
  };
  for (const counter of ["running", "runnable", "waiting"]) add("counter", COUNTER, { counter });
  if (trace.stops > 0) add("world", WORLD, { from: "stopped", label: "world stopped" });
  if (trace.collections > 0) add("world", WORLD, { from: "collections", label: "collection" });
  const lane = trace.procs <= FEW_LANES ? TALL_LANE : LANE;
  return { rows, lanes: y + 4, lane, pitch: lane + GAP };
}

// Functions keep their colours, those that ran longest have one of their own.
export function palette(functions) {
  const order = new Map(functions.map(([id], i) => [id, i]));
  return (id) => d3.schemeTableau10[(order.get(id) ?? id) % 10];
}

export class Picture {
  // `colour` of a function's number; `cells`: a WindowData.
  constructor(canvas, plan, colour, cells) {
    Object.assign(this, { canvas, plan, colour, cells });
    this.widths = new Map();
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${name}`).trim() });
  }

  // x: a scale from ns to pixels; top: how far the lanes are scrolled up.
  draw(x, width, height, top, selected) {
    const ratio = window.devicePixelRatio || 1;
    const canvas = this.canvas;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const g = canvas.getContext("2d");
    Object.assign(this, { g, x, width, height, top, selected, t: this.theme() });
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.t.back;
    g.fillRect(0, 0, width, height);
    g.font = FONT;
    g.textBaseline = "middle";
    this.backgrounds();
    this.axis();
    this.clip(this.plan.lanes, () => this.drawLanes());
    this.clip(0, () => {
      for (const row of this.plan.rows) this[row.kind](row);
    });
  }

  // Draws below y only.
  clip(y, draw) {
    const g = this.g;
    g.save();
    g.beginPath();
    g.rect(0, y, this.width, this.height - y);
    g.clip();
    draw();
    g.restore();
  }

  backgrounds() {
    const { g, width, plan } = this;
    g.fillStyle = this.t.lane;
    for (const row of plan.rows) g.fillRect(LEFT, row.y, width - LEFT, row.height);
    this.clip(plan.lanes, () => {
      const answer = this.cells.answer;
      answer?.lanes.forEach((_, i) => {
        g.fillRect(LEFT, this.laneY(answer.first + i), width - LEFT, plan.lane);
      });
    });
  }

  label(text, y, height) {
    const g = this.g;
    g.fillStyle = this.t.back;
    g.fillRect(0, y, LEFT, height);
    g.fillStyle = this.t.quiet;
    g.textAlign = "right";
    g.fillText(text, LEFT - 8, y + height / 2);
    g.textAlign = "left";
  }

  axis() {
    const { g, x, width, t } = this;
    const [from, to] = x.domain();
    const ticks = x.ticks(Math.max(2, Math.floor((width - LEFT) / 130)))
      .filter((time) => Number.isInteger(time));
    const text = moments(to, ticks.length > 1 ? ticks[1] - ticks[0] : to - from);
    g.textAlign = "center";
    let free = LEFT - 24;  // a label may hang over the edge a little
    for (const time of ticks) {
      const at = Math.round(x(time)) + 0.5;
      g.strokeStyle = t.line;
      g.globalAlpha = 0.55;
      g.beginPath();
      g.moveTo(at, AXIS - 6);
      g.lineTo(at, this.height);
      g.stroke();
      g.globalAlpha = 1;
      g.fillStyle = t.quiet;
      const half = g.measureText(text(time)).width / 2;
      if (at - half < free || at + half > width) continue;
      g.fillText(text(time), at, AXIS / 2 - 1);
      free = at + half + 8;
    }
    g.textAlign = "left";
  }

  // The most there were, in each column; on top of those that ran: in system calls.
  counter(row) {
    const { g, x, width, t } = this;
    const counts = this.cells.answer?.counts ?? [];
    const field = { running: 1, runnable: 2, waiting: 3 }[row.counter];
    const value = (c) => c[field] + (field === 1 ? c[4] : 0);
    const [from, to] = x.domain();
    let largest = 0;
    counts.forEach((c, i) => {
      const until = i + 1 < counts.length ? counts[i + 1][0] : Infinity;
      if (until >= from && c[0] <= to) largest = Math.max(largest, value(c));
    });
    const bars = (colour, of) => {
      g.fillStyle = colour;
      g.beginPath();
      counts.forEach((c, i) => {
        const x0 = Math.max(LEFT, x(c[0]));
        const x1 = Math.min(width, i + 1 < counts.length ? x(counts[i + 1][0]) : width);
        const height = (row.height - 3) * of(c) / largest;
        if (x1 > x0 && height > 0) g.rect(x0, row.y + row.height - height, x1 - x0, height);
      });
      g.fill();
    };
    if (largest > 0) {
      if (field === 1) bars(t.syscall, value);
      bars(t[row.counter], (c) => c[field]);
    }
    this.label(row.counter, row.y, row.height);
    const most = `≤ ${largest.toLocaleString("en")}`;
    const size = g.measureText(most).width;
    g.fillStyle = t.back;
    g.globalAlpha = 0.75;
    g.fillRect(width - size - 12, row.y + 2, size + 10, 15);
    g.globalAlpha = 1;
    g.fillStyle = t.text;
    g.fillText(most, width - size - 7, row.y + 10);
  }

  world(row) {
    const { g, x, width, t } = this;
    for (const [start, length, name] of this.cells.answer?.[row.from] ?? []) {
      const x0 = Math.max(LEFT, x(start));
      const x1 = Math.min(width, Math.max(x(start + length), x0 + 1));
      if (x1 <= x0) continue;
      g.fillStyle = row.from === "stopped" ? t.bad : t.waiting;
      g.fillRect(x0, row.y, x1 - x0, row.height);
      this.text([name], x0, x1, row.y, row.height, t.back);
    }
    this.label(row.label, row.y, row.height);
  }

  laneY(p) { return this.plan.lanes + p * this.plan.pitch - this.top; }

  drawLanes() {
    const plan = this.plan, answer = this.cells.answer;
    if (!answer) return;
    answer.lanes.forEach((cells, i) => {
      const y = this.laneY(answer.first + i);
      if (y + plan.lane < plan.lanes || y > this.height) return;
      for (const cell of cells) this.cell(cell, y);
    });
    this.arrow();
    answer.lanes.forEach((_, i) => {
      this.label(`P ${answer.first + i}`, this.laneY(answer.first + i), plan.lane);
    });
  }

  cell(cell, y) {
    const { g, x, width, plan } = this;
    const [start, length, id, goroutine, name, syscall, several, busy] = cell;
    const x0 = Math.max(LEFT, x(start));
    const end = x(start + length);
    let x1 = Math.min(width, Math.max(end, x(start) + 1));
    if (x1 <= x0) return;
    const own = x1 - x0 > 4 && !several;
    if (own && x1 === end) x1 -= 1;  // so that neighbours can be told apart
    g.fillStyle = syscall ? this.t.syscall : this.colour(name);
    // Of several, the paler the less of the time somebody ran.
    g.globalAlpha = several ? 0.3 + 0.7 * Math.min(1, busy / Math.max(length, 1)) : 1;
    g.fillRect(x0, y, x1 - x0, plan.lane);
    g.globalAlpha = 1;
    if (own && x1 - x0 > 24) {
      const what = syscall ? "syscall" : this.cells.names.get(name) ?? "";
      const texts = [`G${goroutine} ${what}`, `G${goroutine} ${lastPart(what)}`, `G${goroutine}`];
      this.text(texts, x0, x1, y, plan.lane, "#10151c");
    }
    if (!this.selected) return;
    const chosen = id === this.selected.stretch && !several;
    if (!chosen && (several || goroutine !== this.selected.goroutine.id)) return;
    g.strokeStyle = this.t.text;
    g.lineWidth = chosen ? 3 : 1;
    g.strokeRect(x0 + g.lineWidth / 2, y + g.lineWidth / 2, Math.max(x1 - x0 - g.lineWidth, 0),
                 plan.lane - g.lineWidth);
    g.lineWidth = 1;
  }

  // The first of the texts for which there is room.
  text(texts, x0, x1, y, height, colour) {
    for (const text of texts) {
      if (!this.widths.has(text)) {
        if (this.widths.size > 20000) this.widths.clear();
        this.widths.set(text, this.g.measureText(text).width);
      }
      if (this.widths.get(text) > x1 - x0 - 8) continue;
      this.g.fillStyle = colour;
      this.g.fillText(text, x0 + 4, y + height / 2 + 0.5);
      return;
    }
  }

  // From where the selected stretch's goroutine was woken to where it then ran.
  arrow() {
    const s = this.selected, { g, x, plan } = this;
    if (!s || s.ready === null || s.waker_p === null) return;
    const middle = (p) => this.laneY(p) + plan.lane / 2;
    const x0 = x(s.ready), x1 = x(s.start), y0 = middle(s.waker_p), y1 = middle(s.p);
    g.strokeStyle = g.fillStyle = this.t.text;
    g.lineWidth = 1.5;
    g.beginPath();
    g.arc(x0, y0, 3, 0, 2 * Math.PI);
    g.fill();
    g.beginPath();
    g.moveTo(x0, y0);
    g.lineTo(x1, y1);
    g.stroke();
    g.lineWidth = 1;
  }

  // What is at a point: {cell} of a lane, within two pixels; {world: [..]}; or null.
  at(px, py) {
    const answer = this.cells.answer;
    if (!answer || px < LEFT) return null;
    const hit = (cells) => {
      const near = (c) => {
        const x0 = this.x(c[0]), x1 = Math.max(this.x(c[0] + c[1]), x0 + 1);
        return px < x0 ? x0 - px : px > x1 ? px - x1 : 0;
      };
      const best = cells.reduce((a, c) => (a && near(a) <= near(c) ? a : c), null);
      return best && near(best) <= 2 ? best : null;
    };
    if (py >= this.plan.lanes) {
      const p = Math.floor((py - this.plan.lanes + this.top) / this.plan.pitch);
      const cell = hit(answer.lanes[p - answer.first] ?? []);
      return cell && { p, cell };
    }
    const row = this.plan.rows.find((r) => py >= r.y && py < r.y + r.height);
    const span = row?.kind === "world" ? hit(answer[row.from]) : null;
    return span && { span };
  }
}
