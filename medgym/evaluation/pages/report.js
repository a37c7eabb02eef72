const ROW = 52;
const { summary, about, columns } = inert("index");
const count = columns.index.length;
const FILTERS = {
  outcome: "Any outcome", kind: "Any kind", modality: "Any modality", error: "Any error", end: "Any end", stage: "Any stage",
};
const ORDERS = { "": "In order", reward: "Lowest reward", iou: "Lowest IoU", calls: "Most calls" };
const valuesAt = { ...Object.fromEntries(Object.keys(FILTERS).map((name) => [name, (at) => [columns[name][at]]])), error: (at) => columns.errors[at] };
const searched = columns.question.map((question, at) => `${question}\n${columns.task[at]}`.toLowerCase());

let state = { q: "", sort: "" };
let shown = [];
let current = -1;
let turn = 0;
let waiting = 0;

const lists = {};

function buildFilters() {
  for (const [name, any] of Object.entries(FILTERS)) {
    const counts = new Map();
    for (let at = 0; at < count; at++) for (const value of valuesAt[name](at)) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    if (!counts.size || (name === "stage" && counts.size < 2)) continue;
    const named = [...counts].sort().map(([value, many]) => el("option", { value }, `${spoken(value)} (${many})`));
    lists[name] = el("select", { id: `by-${name}`, "aria-label": any }, el("option", { value: "" }, any), named);
  }
  lists.sort = el("select", { id: "by-sort", "aria-label": "Order" }, Object.entries(ORDERS).map(([value, words]) => el("option", { value }, words)));
  for (const [name, list] of Object.entries(lists)) list.addEventListener("change", () => choose({ [name]: list.value }));
  find("filters").append(...Object.values(lists));
}

function choose(changes) {
  state = { ...state, ...changes };
  filter();
  remember();
}

function filter() {
  for (const [name, list] of Object.entries(lists)) {
    list.value = state[name] ?? "";
    list.classList.toggle("set", Boolean(state[name]));
  }
  if (find("search").value !== state.q) find("search").value = state.q;
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = Object.keys(FILTERS).filter((name) => state[name]);
  const fits = (at) => words.every((word) => searched[at].includes(word)) && chosen.every((name) => valuesAt[name](at).includes(state[name]));
  shown = [...columns.index.keys()].filter(fits);
  const rank = { reward: columns.reward, iou: columns.iou, calls: columns.calls.map((calls) => -calls) }[state.sort];
  if (rank) shown.sort((one, two) => (rank[one] ?? Infinity) - (rank[two] ?? Infinity));
  find("found").firstElementChild.textContent = `${shown.length} of ${count} episodes`;
  find("clear").hidden = !words.length && !chosen.length && !state.sort;
  find("rows").style.height = `${shown.length * ROW}px`;
  drawRows();
}

/** Only the rows in sight are in the page. */
function drawRows() {
  const list = find("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5);
  find("rows").replaceChildren(...shown.slice(first, last).map((at, i) => row(at, first + i)));
  if (shown.includes(current)) list.setAttribute("aria-activedescendant", `row-${current}`);
  else list.removeAttribute("aria-activedescendant");
}

function row(at, place) {
  const [mark, kind] = MARKS[columns.outcome[at]];
  const what = [columns.stage[at], String(columns.index[at]), columns.kind[at], columns.modality[at]].filter(Boolean).map(spoken).join(" · ");
  return el("div", {
    id: `row-${at}`, class: "row", role: "option", style: `top: ${place * ROW}px`, "aria-selected": String(at === current),
    "aria-posinset": place + 1, "aria-setsize": shown.length, onclick: () => open(at),
  },
  el("span", { class: `mark ${kind}`, title: columns.outcome[at] }, mark),
  el("span", { class: "words" }, columns.question[at]),
  el("span", { class: "n", title: "reward" }, digits(columns.reward[at])),
  el("span", { class: "what" }, what));
}

function reveal(at) {
  const [list, place] = [find("list"), shown.indexOf(at)];
  if (place < 0) return;
  const top = place * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

/** An episode is read when it is opened; while the page is still arriving it may have to wait for it. */
function open(at, toTurn = 1) {
  clearTimeout(waiting);
  current = at;
  turn = toTurn;
  reveal(at);
  drawRows();
  const kept = arrived(`episode-${at}`);
  if (!kept) {
    find("episode").replaceChildren(el("p", { class: "note" }, "This episode is still loading …"));
    waiting = setTimeout(() => open(at, toTurn), 60);
    return;
  }
  find("episode").replaceChildren(...episodeShown(JSON.parse(kept.textContent), columns.outcome[at], enlarge, step));
  find("episode").scrollTop = 0;
  toTurnCard(toTurn, toTurn > 1);
}

function step(by) {
  const place = shown.indexOf(current);
  const next = place < 0 ? 0 : place + by;
  if (next >= 0 && next < shown.length) open(shown[next]);
}

function stepTurn(by) {
  const most = find("episode").querySelectorAll(".turn").length;
  if (most) toTurnCard(Math.min(most, Math.max(1, turn + by)), true);
}

function scrollEpisode(share) {
  find("episode").scrollBy({ top: share * find("episode").clientHeight });
}

function toTurnCard(number, scroll) {
  turn = number;
  find("episode").querySelectorAll(".turn").forEach((card) => card.removeAttribute("aria-current"));
  const card = find(`turn-${number}`);
  card?.setAttribute("aria-current", "step");
  if (scroll) card?.scrollIntoView({ block: "start" });
  remember();
}

function enlarge(spec) {
  const dialog = find("enlarged");
  dialog.querySelector("figure")?.remove();
  dialog.append(figure(spec));
  dialog.showModal();
}

function show(part) {
  find("results").hidden = part !== "results";
  find("episodes").hidden = part !== "episodes";
  for (const name of ["results", "episodes"]) find(`to-${name}`).toggleAttribute("aria-current", name === part);
  drawRows();
}

/** The address names what is shown, so that it can be sent to somebody. */
function remember() {
  if (find("episodes").hidden) return;
  const named = { index: columns.index[current], at: columns.stage[current], turn, ...state };
  const words = new URLSearchParams(Object.entries(named).filter(([, value]) => value !== "" && value !== undefined));
  history.replaceState(null, "", `#${words}`);
}

function follow() {
  const hash = location.hash.slice(1);
  if (hash === "" || hash === "results") return show("results");
  show("episodes");
  if (hash === "episodes") return current < 0 ? openFirst() : remember();
  const words = new URLSearchParams(hash);
  state = Object.fromEntries(["q", "sort", ...Object.keys(FILTERS)].map((name) => [name, words.get(name) ?? ""]));
  filter();
  const named = (at) => String(columns.index[at]) === words.get("index") && columns.stage[at] === (words.get("at") ?? columns.stage[at]);
  const at = [...columns.index.keys()].find(named);
  return at === undefined ? openFirst() : open(at, Number(words.get("turn")) || 1);
}

function openFirst() {
  if (shown.length) open(shown[0]);
}

function showEpisodesOf(changes) {
  state = { q: "", sort: "", ...changes };
  filter();
  show("episodes");
  openFirst();
}

const KEYS = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  PageDown: () => scrollEpisode(0.8), PageUp: () => scrollEpisode(-0.8),
  l: () => stepTurn(1), ArrowRight: () => stepTurn(1), h: () => stepTurn(-1), ArrowLeft: () => stepTurn(-1),
  t: () => toggle("truth"), p: () => toggle("prediction"), "/": () => find("search").focus(),
  Enter: () => find("episode").querySelector(".turn[aria-current] figure:last-child .stage")?.click(),
};
const ANYWHERE = { r: () => (location.hash = "results"), e: () => (location.hash = "episodes"), d: changeTheme, "?": () => find("help").showModal() };

function onKey(event) {
  const typing = event.target.closest("input[type=search], select, dialog[open]");
  if (typing && event.key === "Escape" && event.target.id === "search") find("list").focus();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  const act = ANYWHERE[event.key] ?? (find("episodes").hidden ? undefined : KEYS[event.key]);
  if (!act) return;
  event.preventDefault();
  act();
}

function drawResults() {
  find("about").append(...about.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  find("summary").append(...[tableOfMetrics(summary.metrics, summary.definitions)].filter(Boolean));
  if (!count) find("summary").append(el("p", { class: "note card" }, "There are no episodes."));
  const scored = [...columns.index.keys()].filter((at) => columns.outcome[at] !== "failed");
  const charts = [
    chartOfRewards(summary.rewards),
    chartOfGroups("By kind", summary.by_kind, (kind) => showEpisodesOf({ kind })),
    chartOfGroups("By modality", summary.by_modality, (modality) => showEpisodesOf({ modality })),
    histogramOfIous(scored.map((at) => columns.iou[at])),
    histogramOfCalls(scored.map((at) => columns.calls[at])),
    chartOfCounts("Errors by type", summary.errors, (error) => showEpisodesOf({ error }), summary.definitions),
    chartOfCounts("How episodes ended", summary.end_reasons, (end) => showEpisodesOf({ end })),
    heatOfTransitions(summary.transitions),
  ];
  find("charts").append(...charts.filter(Boolean));
}

find("total").textContent = String(count);
find("search").addEventListener("input", () => choose({ q: find("search").value }));
find("filters").addEventListener("submit", (event) => event.preventDefault());
find("clear").addEventListener("click", () => {
  state = { q: "", sort: "" };
  filter();
  remember();
});
find("list").addEventListener("scroll", drawRows);
find("keys").addEventListener("click", () => find("help").showModal());
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", follow);
window.addEventListener("resize", drawRows);
buildFilters();
filter();
drawResults();
follow();
