const { entries, pairs } = inert("index");
const chosen = {};

const suites = [...new Set(entries.map(({ suite }) => suite ?? ""))];
const metricsOf = (rows) => [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics ?? {})))];
const entryOf = (row, metric) => asEntry(row.metrics?.[metric]);

/** Agents from best to worst by the chosen metric; who lacks it comes last whichever way round. */
function ranked(rows, { metric, up }) {
  const value = (row) => entryOf(row, metric)?.mean;
  const known = rows.filter((row) => isNumber(value(row))).sort((one, two) => (up ? 1 : -1) * (value(one) - value(two)));
  return [...known, ...rows.filter((row) => !isNumber(value(row)))];
}

const isApart = ({ low, high }) => isNumber(low) && isNumber(high) && (low > 0 || high < 0);

/** Whom an agent cannot be told apart from: named with it (a list, or one for each metric), or by the pairs. */
function tiesOf(row, metric) {
  if (row.ties) return (Array.isArray(row.ties) ? row.ties : row.ties[metric]) ?? [];
  const same = pairs.filter((pair) => pair.metric === metric && (pair.suite ?? row.suite) === row.suite && !isApart(pair));
  return same.flatMap(({ one, two }) => (one === row.name ? [two] : two === row.name ? [one] : []));
}

function board(suite) {
  const rows = entries.filter((row) => (row.suite ?? "") === suite);
  const metrics = metricsOf(rows);
  chosen[suite] ??= { metric: metrics.includes("reward") ? "reward" : metrics[0], up: false };
  const ranges = Object.fromEntries(metrics.map((name) => [name, rangeOf(rows.map((row) => entryOf(row, name)).filter(Boolean))]));
  const head = el("tr", {}, ["#", "agent", "n"].map((name) => el("th", { class: name === "agent" ? name : "n" }, name)), metrics.map((name) => heading(suite, name)));
  const order = ranked(rows, chosen[suite]);
  const body = order.map((row, i) => rowOf(row, i, metrics, ranges, chosen[suite].metric));
  const table = el("table", {}, el("thead", {}, head), el("tbody", {}, body));
  return el("section", { class: "card", "data-suite": suite }, el("h2", {}, suite || "No suite"), el("div", { class: "scroll" }, table));
}

function heading(suite, metric) {
  const { metric: by, up } = chosen[suite];
  const choose = () => {
    chosen[suite] = { metric, up: by === metric && !up };
    drawBoards();
    document.querySelector(`[data-suite="${CSS.escape(suite)}"] th[aria-sort] button`).focus();
  };
  const sorted = by === metric && (up ? "ascending" : "descending");
  return el("th", { class: "n", "aria-sort": sorted }, el("button", { type: "button", title: `Rank by ${spoken(metric)}`, onclick: choose }, spoken(metric)));
}

function rowOf(row, place, metrics, ranges, by) {
  const ties = tiesOf(row, by);
  const versions = Object.entries(row.versions ?? {}).map(([name, version]) => `${name} ${version}`).join(", ");
  const name = row.report ? el("a", { class: "name", href: row.report }, row.name) : el("span", { class: "name" }, row.name);
  const place_ = isNumber(entryOf(row, by)?.mean) ? `${ties.length ? "≈ " : ""}${place + 1}` : "–";
  return el("tr", {},
    el("td", { class: "rank n" }, place_),
    el("td", { class: "agent" }, name, row.about ? el("p", {}, row.about) : null,
      ties.length ? el("p", { class: "ties" }, `Not told apart from ${ties.join(", ")}`) : null,
      versions ? el("details", {}, el("summary", {}, "Versions"), versions) : null),
    el("td", { class: "n" }, whole(row.n), row.failed ? el("p", { class: "odd" }, `${whole(row.failed)} failed`) : null),
    metrics.map((metric) => metricCell(entryOf(row, metric), ranges[metric], metric === by)));
}

function metricCell(entry, range, isChosen) {
  const place = `n metric ${isChosen ? "chosen" : ""}`;
  if (!entry) return el("td", { class: place }, "–");
  const title = [intervalWords(entry), isNumber(entry.n) && `n = ${entry.n}`].filter(Boolean).join(", ");
  return el("td", { class: place, title }, digits(entry.mean), intervalBar(entry, range), el("small", {}, intervalWords(entry)));
}

/** The differences of a metric that is chosen above the table. */
function pairsCard() {
  const metrics = [...new Set(pairs.map(({ metric }) => metric))];
  const list = el("select", { id: "pairs-by", "aria-label": "Metric of the pairs" }, metrics.map((name) => el("option", { value: name }, spoken(name))));
  if (metrics.includes("reward")) list.value = "reward";
  const place = el("div", { class: "scroll" });
  const drawPairs = () => place.replaceChildren(tableOfPairs(pairs.filter(({ metric }) => metric === list.value)));
  list.addEventListener("change", drawPairs);
  drawPairs();
  return el("section", { class: "card", id: "pairs" }, el("h2", {}, "Pairs on the same tasks: one minus two, in ", list), place);
}

function tableOfPairs(shown) {
  const range = rangeOf(shown.map(({ difference: mean, low, high }) => ({ mean, low, high })));
  const rows = shown.map((pair) => el("tr", {},
    el("td", {}, pair.one), el("td", {}, pair.two), suites.length > 1 ? el("td", { class: "dim" }, pair.suite ?? "") : null,
    el("td", { class: "n" }, `${pair.difference > 0 ? "+" : ""}${digits(pair.difference)}`),
    el("td", { class: "n dim" }, intervalWords(pair)),
    el("td", {}, intervalBar({ ...pair, mean: pair.difference }, range)),
    el("td", { class: "n" }, !isNumber(pair.p) ? "–" : pair.p < 0.001 ? "< 0.001" : pair.p.toFixed(3)),
    el("td", { class: "n" }, whole(pair.n)),
    el("td", { class: isApart(pair) ? "good" : "dim" }, isApart(pair) ? "apart" : "not told apart")));
  const names = ["one", "two", suites.length > 1 && "tasks", "difference", "95 % interval", "", "p", "n", "apart?"].filter((name) => name !== false);
  const head = el("tr", {}, names.map((name) => el("th", { class: /diff|95|^[pn]$/.test(name) && "n" }, name)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, rows));
}

function drawBoards() {
  document.querySelectorAll("[data-suite]").forEach((shown) => shown.remove());
  find("boards").prepend(...suites.map(board));
}

find("none").hidden = entries.length > 0;
document.addEventListener("keydown", (event) => {
  if (event.key === "d" && !event.ctrlKey && !event.metaKey && !event.altKey) changeTheme();
});
drawBoards();
if (pairs.length) find("boards").append(pairsCard());
