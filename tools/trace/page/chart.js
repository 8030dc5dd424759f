// The chart: what of the trace is visible, and the ways to change that.
import { moment } from "./format.js";
import { LEFT, Picture, layout, palette } from "./draw.js";
import { WindowData, ask } from "./data.js";

const CLOSEST = 10;  // ns; no narrower window

export class Chart {
  // `on`.select(stretch or null), `on`.hover(what, event), `on`.move(), `on`.fail(error).
  constructor(elements, trace, on) {
    Object.assign(this, elements, { trace, on });
    this.duration = Math.max(trace.duration, 1);
    this.colour = palette(trace.functions);
    this.plan = layout(trace);
    this.data = new WindowData(trace.duration, (error) => (error ? on.fail(error) : this.redraw()));
    this.picture = new Picture(this.chart, this.plan, this.colour, this.data);
    this.selected = null;
    this.mouse = null;
    this.zoom = d3.zoom()
      .filter((event) => (event.type === "wheel" ? !this.sideways(event) && !event.altKey
                                                 : !event.button && !event.ctrlKey))
      .wheelDelta((event) => -event.deltaY * (event.deltaMode === 1 ? 0.12 : 0.004))
      .clickDistance(4)
      .on("zoom", (event) => {
        this.transform = event.transform;
        this.redraw();
        on.move();
      });
    this.transform = d3.zoomIdentity;
    this.spacer.style.minHeight = `${this.plan.lanes + trace.procs * this.plan.pitch + 8}px`;
    d3.select(this.chart).call(this.zoom).on("dblclick.zoom", null)
      .on("wheel.pan", (event) => this.wheel(event), { passive: false })
      .on("click", (event) => this.click(event))
      .on("mousemove", (event) => this.hover(event))
      .on("mouseleave", (event) => {
        this.mouse = null;
        on.hover(null, event);
      });
    this.scroll.addEventListener("scroll", () => this.redraw());
    new ResizeObserver(() => this.resize()).observe(this.scroll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.listenToOverview();
    this.resize();
    this.askOverview();
  }

  resize() {
    const range = this.width ? this.range() : null;
    this.width = this.scroll.clientWidth;
    this.height = this.scroll.clientHeight;
    this.chart.style.height = `${this.height}px`;
    this.base = d3.scaleLinear([0, this.duration], [LEFT, this.width]);
    const area = [[LEFT, 0], [this.width, this.height]];
    this.zoom.extent(area).translateExtent([[LEFT, -Infinity], [this.width, Infinity]])
      .scaleExtent([1, Math.max(1, this.duration / CLOSEST)]);
    if (range) this.show(...range);
    this.redraw();
  }

  get x() { return this.transform.rescaleX(this.base); }
  range() { return this.x.domain(); }
  get pixels() { return this.width - LEFT; }

  // Makes the times from `from` to `to` visible; within the trace.
  show(from, to) {
    const length = Math.min(Math.max(to - from, CLOSEST), this.duration);
    const start = Math.min(Math.max(from - (length - (to - from)) / 2, 0), this.duration - length);
    const k = this.duration / length;
    const x = LEFT - k * this.base(start);
    d3.select(this.chart).call(this.zoom.transform, d3.zoomIdentity.translate(x, 0).scale(k));
  }

  showAll() { this.show(0, this.duration); }
  magnify(factor) {
    const at = [this.mouse ?? LEFT + this.pixels / 2, 0];
    d3.select(this.chart).call(this.zoom.scaleBy, factor, at);
  }
  pan(part) {
    const [from, to] = this.range();
    this.show(from + part * (to - from), to + part * (to - from));
  }

  // The stretch, with some room around it.
  showStretch(s, closely) {
    const [from, to] = this.range();
    const length = s.end - s.start;
    if (closely) {
      this.show(s.start - length, s.end + length);
    } else if (s.start < from || s.end > to || length / (to - from) < 4 / this.pixels) {
      const around = Math.min(to - from, Math.max(40 * length, 20 * CLOSEST)) / 2;
      this.show((s.start + s.end) / 2 - around, (s.start + s.end) / 2 + around);
    }
    const y = s.p * this.plan.pitch, room = this.height - this.plan.lanes - this.plan.pitch;
    const top = this.scroll.scrollTop;
    if (y < top || y > top + room) this.scroll.scrollTop = y - room / 2;
  }

  select(stretch) {
    this.selected = stretch;
    this.redraw();
  }

  sideways(event) { return event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY); }

  wheel(event) {
    if (event.altKey || !this.sideways(event)) return;  // scrolls lanes; zooms
    event.preventDefault();
    this.pan((event.deltaX || event.deltaY) / this.pixels);
  }

  click(event) {
    this.chart.focus({ preventScroll: true });
    const [x, y] = d3.pointer(event, this.chart);
    const hit = this.picture.at(x, y);
    this.on.select(hit?.cell ? hit.cell[2] : null);
  }

  hover(event) {
    const [x, y] = d3.pointer(event, this.chart);
    this.mouse = Math.max(x, LEFT);
    this.on.hover(event.buttons ? null : this.picture.at(x, y), event);
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      const [from, to] = this.range();
      const top = this.scroll.scrollTop, { lanes, pitch } = this.plan;
      this.data.want({
        from, to, width: Math.max(this.pixels, 1), first: Math.floor(top / pitch),
        last: Math.min(this.trace.procs - 1, Math.floor((top + this.height - lanes) / pitch)),
      });
      this.picture.draw(this.x, this.width, this.height, top, this.selected);
      this.drawOverview();
      this.rangeText.textContent =
        `${moment(from, (to - from) / 1000)} – ${moment(to, (to - from) / 1000)}`;
      Object.assign(this.rangeText.dataset, { from, to });
    });
  }

  // The strip over all of the trace: how busy the Ps were.
  async askOverview() {
    const width = 1200;
    try {
      const answer = await ask("window", { from: 0, to: this.duration, width, first: 0, last: 63 });
      const busy = new Float64Array(Math.ceil(this.duration / answer.column) + 1);
      for (const cell of answer.lanes.flat()) {
        const [start, length] = cell, share = (cell[7] ?? length) / Math.max(length, 1);
        for (let i = Math.floor(start / answer.column); i * answer.column < start + length; i++) {
          const from = Math.max(start, i * answer.column);
          const to = Math.min(start + length, (i + 1) * answer.column);
          busy[i] += (to - from) * share / answer.column / answer.lanes.length;
        }
      }
      this.busy = { values: busy, column: answer.column };
      this.redraw();
    } catch (error) {
      this.on.fail(error);
    }
  }

  drawOverview() {
    const canvas = this.overview, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const g = canvas.getContext("2d"), t = this.picture.theme();
    g.scale(ratio, ratio);
    g.fillStyle = t.running;
    const x = d3.scaleLinear([0, this.duration], [LEFT, this.width]);
    this.busy?.values.forEach((value, i) => {
      const x0 = x(i * this.busy.column);
      const size = Math.min(value, 1) * (height - 8);
      g.fillRect(x0, height - 2 - size, Math.max(x((i + 1) * this.busy.column) - x0, 1), size);
    });
    g.fillStyle = t.quiet;
    g.font = '11px system-ui, "DejaVu Sans", sans-serif';
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillText("whole trace", LEFT - 8, height / 2);
    const [x0, x1] = this.range().map(x);
    g.fillStyle = t.shade;
    g.fillRect(LEFT, 0, x0 - LEFT, height);
    g.fillRect(x1, 0, this.width - x1, height);
    g.strokeStyle = t.accent;
    g.lineWidth = 2;
    g.strokeRect(x0 + 1, 1, Math.max(x1 - x0 - 2, 1), height - 2);
  }

  // Pressing or dragging there moves the window.
  listenToOverview() {
    const move = (event) => {
      const [from, to] = this.range();
      const [px] = d3.pointer(event.sourceEvent ?? event, this.overview);
      const middle = d3.scaleLinear([LEFT, this.width], [0, this.duration])(px);
      this.show(middle - (to - from) / 2, middle + (to - from) / 2);
    };
    d3.select(this.overview).call(d3.drag().on("start drag", move));
  }
}
