const find = (id) => document.getElementById(id);

/** Make an element: what begins with "on" is listened to, null and false are left out, words are text and never HTML. */
function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}
const el = (tag, attributes, ...children) => made(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A mean with its interval, also where only a number or nothing is known. */
function asEntry(value) {
  if (isNumber(value)) return { mean: value };
  return value && typeof value === "object" && "mean" in value ? value : null;
}

const spoken = (name) => String(name).replaceAll("_", " ");

function digits(value) {
  if (!isNumber(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) >= 10) return value.toLocaleString("en");
  const size = Math.abs(value);
  return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : 2);
}

const whole = (count) => (isNumber(count) ? count.toLocaleString("en") : "–");

const intervalWords = ({ low, high }) => (isNumber(low) && isNumber(high) ? `${digits(low)} to ${digits(high)}` : "");

/** The ends of an axis that holds all entries: 0 to 1 where that does. */
function rangeOf(entries) {
  const values = entries.flatMap(({ mean, low, high }) => [mean, low, high]).filter(isNumber);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  return low === 0 && high <= 1 ? [0, 1] : [low, high === low ? low + 1 : high];
}

/** A bar from 0 to the mean with its interval over it. */
function intervalBar(entry, [from, to]) {
  const at = (value) => `${(100 * (value - from)) / (to - from)}%`;
  const drawn = svg("svg", { class: "interval", role: "img", "aria-label": `${digits(entry.mean)}, ${intervalWords(entry)}` });
  drawn.append(svg("line", { class: "axis", x1: at(0), x2: at(0), y1: 0, y2: 14 }));
  if (!isNumber(entry.mean)) return drawn;
  const [left, right] = [Math.min(0, entry.mean), Math.max(0, entry.mean)];
  drawn.append(svg("rect", { class: "bar", x: at(left), width: `${(100 * (right - left)) / (to - from)}%`, y: 2, height: 10, rx: 1 }));
  if (isNumber(entry.low) && isNumber(entry.high))
    drawn.append(svg("line", { class: "range", x1: at(entry.low), x2: at(entry.high), y1: 7, y2: 7 }));
  drawn.append(svg("circle", { class: "mean", cx: at(entry.mean), cy: 7, r: 3.5 }));
  return drawn;
}

/** An element that is here to its end, which one that the page is still receiving is not. */
function arrived(id) {
  const kept = find(id);
  return document.readyState !== "loading" || kept?.nextSibling ? kept : null;
}

const inert = (id) => JSON.parse(find(id).textContent);

function changeTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}

find("theme").addEventListener("click", changeTheme);
