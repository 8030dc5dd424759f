// What the server knows, asked for as it is needed.

export async function ask(path, parameters = {}) {
  const answer = await fetch(`api/${path}?${new URLSearchParams(parameters)}`);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// Calls `progress` until the trace is loaded; then returns the state.
export async function loaded(progress) {
  for (;;) {
    const state = await ask("state");
    progress(state);
    if (state.trace) return state;
    await new Promise((done) => setTimeout(done, 150));
  }
}

// Keeps the cells of the visible window and of half as much on each side. One question
// is under way at a time; what is on the screen meanwhile is what came last.
export class WindowData {
  // `changed` is called, with an error if there is one, when there is more to draw.
  constructor(duration, changed) {
    this.end = duration + 1;
    this.changed = changed;
    this.names = new Map();
    this.answer = null;
    this.wanted = null;
    this.asking = false;
  }

  // from, to: ns; width: pixels; first, last: the lanes that are seen.
  want(view) {
    this.wanted = view;
    if (!this.asking && !this.#good(view)) this.#ask();
  }

  // What was wanted is there.
  get settled() { return !this.asking && this.answer !== null; }

  #good(view) {
    const a = this.answer;
    if (!a || a.first > view.first || a.first + a.lanes.length <= view.last) return false;
    if (a.from > Math.max(view.from, 0) || a.to < Math.min(view.to, this.end)) return false;
    const column = (view.to - view.from) / view.width;
    return a.column >= 0.6 * column && a.column <= Math.ceil(1.4 * column);
  }

  async #ask() {
    this.asking = true;
    try {
      for (let view = null; view !== this.wanted && !this.#good(this.wanted);) {
        view = this.wanted;
        const column = (view.to - view.from) / view.width;
        const around = (view.to - view.from) / 2;
        const from = Math.floor(Math.max(0, view.from - around));
        const to = Math.ceil(Math.min(this.end, view.to + around));
        const width = Math.ceil((to - from) / column);
        const { first, last } = view;
        this.answer = await ask("window", { from, to, width, first, last });
        for (const [id, name] of Object.entries(this.answer.names)) this.names.set(+id, name);
        this.changed();
      }
      this.asking = false;
    } catch (error) {
      this.asking = false;
      this.changed(error);
    }
  }
}
