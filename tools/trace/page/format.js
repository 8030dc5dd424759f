// Times and numbers as text.

const UNITS = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];

// Three digits and a unit: "1.25 ms".
export function duration(ns) {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  const [name, size] = UNITS.find(([, unit]) => ns >= 0.9995 * unit);
  const value = ns / size;
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${name}`;
}

// A point in time, exact enough to tell it from one `step` ns later: "586.1234 ms".
export function moment(ns, step) {
  const [name, size] = UNITS.find(([, unit]) => ns >= unit) || UNITS[3];
  return `${(ns / size).toFixed(digits(size, step))} ${name}`;
}

// Labels for several points in time, `step` ns apart, all in the same unit.
export function moments(largest, step) {
  const [name, size] = UNITS.find(([, unit]) => largest >= unit) || UNITS[3];
  const after = digits(size, step);
  return (ns) => `${(ns / size).toFixed(after)} ${name}`;
}

function digits(size, step) {
  return Math.max(0, Math.ceil(Math.log10(size / Math.max(step, 1)) - 1e-9));
}

export function bytes(n) {
  return n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

export function count(n, one) {
  return `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
}

// "worker" of "main.worker", "Run" of "mpg::Sched::Run"; a function inside another one
// with that one: "main.func1", "Run::{lambda()#1}".
export function lastPart(name) {
  const inner = name.match(/(::\{lambda\(\)#\d+\}|\.func\d+)+(\.\d+)*$/)?.[0] ?? "";
  const outer = name.slice(0, name.length - inner.length);
  const at = Math.max(outer.lastIndexOf("::") + 1, outer.lastIndexOf("."));
  return (outer.slice(at + 1) || outer) + inner;
}
