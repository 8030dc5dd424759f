// The side panel: all about the selected stretch and its goroutine.
import { duration, moment } from "./format.js";

// Makes an element; children are elements or texts.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const goroutineName = (g) => `G${g.id} ${g.function}`;

function stack(frames) {
  return frames.length === 0 ? null : make("ol", { class: "stack" }, ...frames.map(
    ([name, place]) => make("li", {}, name, make("span", { class: "place" }, place))));
}

const HOW = {
  open: () => "It went on when the trace ended.",
  blocked: (reason) => `Blocked: ${reason || "the trace does not say on what"}`,
  preempted: (reason) => `Gave way${reason ? `: ${reason}` : ""}`,
  syscall: () => "Went into a system call",
  returned: () => "Came back from a system call with its P",
  stolen: () => "Lost its P in a system call",
  exited: () => "The goroutine ended",
};
const how = (end) => HOW[end.how](end.reason);

export class Panel {
  // `go`(stretch) selects another one; `zoom`() zooms to this one.
  constructor(element, go, zoom) {
    Object.assign(this, { element, go, zoom });
    this.hint = element.innerHTML;
  }

  clear() {
    this.element.innerHTML = this.hint;
  }

  show(s) {
    this.element.replaceChildren(
      make("h2", { id: "panel-goroutine" }, goroutineName(s.goroutine)),
      make("p", { class: "hint" }, s.syscall ? "in a system call, with P " : "on P ", `${s.p} from `,
           moment(s.start, 1), " for ", make("b", { id: "panel-ran" }, duration(s.end - s.start))),
      make("div", { class: "steps", role: "group", "aria-label": "Stretches of this goroutine" },
           this.step("◀ before", s.previous), this.step("next ▶", s.next),
           make("button", { type: "button", click: this.zoom }, "zoom to it")),
      ...this.before(s),
      ...this.waker(s),
      make("h3", {}, "Then it waited to run"),
      make("p", { id: "panel-waited" },
           s.ready === null ? "Not at all, or the trace does not say." : duration(s.start - s.ready)),
      make("h3", {}, "What ended the stretch"),
      make("div", { id: "panel-end" }, make("p", {}, how(s.end_of_it)), stack(s.end_of_it.stack) ?? ""),
      ...this.totals(s));
  }

  step(text, stretch) {
    const button = make("button", { type: "button", click: () => this.go(stretch) }, text);
    button.disabled = stretch === null;
    return button;
  }

  link(text, stretch) {
    if (stretch === null) return text;
    return make("button", { type: "button", class: "link", click: () => this.go(stretch) }, text);
  }

  before(s) {
    const title = make("h3", {}, "Why it had waited before");
    const b = s.before;
    if (b === null) {
      const created = s.created >= 0 ? "It was new: this is its first stretch."
                                     : "This is its first stretch in the trace.";
      return [title, make("p", { id: "panel-before" }, created)];
    }
    const until = s.ready ?? s.start;
    const blocked = b.end_of_it.how === "blocked" ? `, for ${duration(until - b.end)}` : "";
    return [title, make("div", { id: "panel-before" }, make("p", {}, how(b.end_of_it) + blocked),
                        stack(b.end_of_it.stack) ?? "")];
  }

  waker(s) {
    if (s.ready === null) return [];
    const created = s.before === null && s.created >= 0;
    const title = make("h3", {}, created ? "Who started it" : "Who woke it");
    if (s.waker === null) {
      const stolen = s.before !== null && s.before.end_of_it.how !== "blocked";
      const nobody = stolen ? "Nobody: it was ready to run all the time."
                            : "The runtime: a timer, the network, or the like.";
      return [title, make("p", { id: "panel-waker" }, nobody)];
    }
    const where = `${s.waker_p === null ? "" : ` on P ${s.waker_p}`} at ${moment(s.ready, 1)}`;
    return [title, make("div", { id: "panel-waker" },
                        make("p", {}, this.link(goroutineName(s.waker), s.waker_at), where),
                        stack(s.wake_stack) ?? "")];
  }

  totals(s) {
    const row = (name, value) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value));
    return [
      make("h3", {}, "The goroutine, in the whole trace"),
      make("table", { id: "panel-totals" }, row("execution", duration(s.execution)),
           row("sched wait", duration(s.sched_wait)), row("blocked", duration(s.blocked)),
           row("syscall", duration(s.in_syscalls)),
           row("created", s.created < 0 ? "before the trace" : `at ${moment(s.created, 1)}`),
           row("ended", s.ended < 0 ? "not in the trace" : `at ${moment(s.ended, 1)}`)),
      s.creator === null ? "" :
        make("p", { id: "panel-creator" }, "Created by ", this.link(goroutineName(s.creator), s.creator.at)),
    ];
  }
}
