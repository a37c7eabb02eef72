function card(title, ...content) {
  return el("section", { class: "card" }, el("h2", {}, title), ...content);
}

/** Rows of name, bar and words; a row whose name is pressed shows its episodes. */
function intervalRows(rows) {
  const range = rangeOf(rows);
  const cells = rows.flatMap((row) => [
    row.show
      ? el("button", { class: "name", type: "button", title: row.meaning ?? `Show the episodes of ${spoken(row.name)}`, onclick: row.show }, spoken(row.name))
      : el("span", { class: "name", title: row.name }, spoken(row.name)),
    intervalBar(row, range),
    el("span", { class: "said" }, row.words ?? valueWords(row)),
  ]);
  return el("div", { class: "rows" }, cells);
}

function valueWords(row) {
  const between = intervalWords(row);
  return [digits(row.mean), between && ` (${between})`, isNumber(row.n) && `, n = ${whole(row.n)}`].filter(Boolean).join("");
}

/** A chart of one metric over groups, such as kinds; the metric is chosen in its heading. */
function chartOfGroups(title, groups, show) {
  const names = Object.keys(groups ?? {});
  const metrics = [...new Set(names.flatMap((name) => Object.keys(groups[name]).filter((key) => asEntry(groups[name][key]) && key !== "episodes")))];
  if (!metrics.length) return null;
  const chosen = el("select", { "aria-label": `Metric of ${title}` }, metrics.map((name) => el("option", { value: name }, spoken(name))));
  chosen.value = ["accuracy", "correct"].find((name) => metrics.includes(name)) ?? metrics[0];
  const place = el("div");
  const draw = () => {
    const known = names.filter((name) => asEntry(groups[name][chosen.value]));
    const rows = known.map((name) => {
      const entry = asEntry(groups[name][chosen.value]);
      return { n: groups[name].episodes, ...entry, name, show: () => show(name) };
    });
    place.replaceChildren(intervalRows(rows));
  };
  chosen.addEventListener("change", draw);
  draw();
  return el("section", { class: "card" }, el("h2", {}, title, chosen), place);
}

function chartOfRewards(rewards) {
  const rows = Object.entries(rewards ?? {}).map(([name, value]) => ({ ...asEntry(value), name }));
  return rows.length ? card("Reward by component", intervalRows(rows)) : null;
}

function chartOfCounts(title, counts, show, definitions) {
  const pairs = Object.entries(counts ?? {}).filter(([, count]) => count).sort((one, two) => two[1] - one[1]);
  const rows = pairs.map(([name, count]) => ({
    mean: count, name, words: whole(count), meaning: definitions?.[name], show: () => show(name),
  }));
  return rows.length ? card(title, intervalRows(rows)) : null;
}

/** A histogram: `bins` are [label, count]; with `edges`, labels stand at the left edge of their bin. */
function histogram(title, bins, edges, last = "") {
  const most = Math.max(...bins.map(([, count]) => count));
  if (!most) return null;
  const wide = 100 / bins.length;
  const bars = bins.flatMap(([label, count], i) => {
    const tall = (100 * count) / most;
    return [
      svg("rect", { x: `${wide * (i + 0.06)}%`, width: `${wide * 0.88}%`, y: 14 + 96 - 0.96 * tall, height: 0.96 * tall, rx: 1 },
        svg("title", {}, `${label}: ${count}`)),
      count ? svg("text", { x: `${wide * (i + 0.5)}%`, y: 10 + 96 - 0.96 * tall }, String(count)) : null,
      svg("text", { x: `${wide * (edges ? i : i + 0.5)}%`, y: 126 }, String(label)),
    ];
  });
  const axis = svg("line", { x1: 0, x2: "100%", y1: 110.5, y2: 110.5 });
  const end = edges ? svg("text", { x: "100%", y: 126 }, last) : null;
  return card(title, svg("svg", { class: "histogram", role: "img", "aria-label": title }, axis, bars, end));
}

function histogramOfIous(ious) {
  const known = ious.filter(isNumber);
  const counts = Array(10).fill(0);
  for (const iou of known) counts[Math.min(9, Math.max(0, Math.floor(iou * 10 + 1e-9)))]++;
  return known.length ? histogram(`IoU of masks, n = ${known.length}`, counts.map((count, i) => [i / 10, count]), true, "1") : null;
}

function histogramOfCalls(calls) {
  const known = calls.filter(isNumber);
  if (!known.length) return null;
  const most = Math.min(12, Math.max(...known));
  const counts = Array(most + 1).fill(0);
  for (const count of known) counts[Math.min(most, count)]++;
  const label = (i) => (i === 12 ? "12+" : i);
  return histogram(`Calls per episode, n = ${known.length}`, counts.map((count, i) => [label(i), count]), false);
}

/** How often which step followed which; shaded by the share of the row. */
function heatOfTransitions(transitions) {
  const from = Object.keys(transitions ?? {});
  if (!from.length) return null;
  const to = [...new Set(from.flatMap((name) => Object.keys(transitions[name])))];
  const rows = from.map((name) => {
    const sum = Object.values(transitions[name]).reduce((one, two) => one + two, 0);
    return el("tr", {}, el("th", { scope: "row" }, spoken(name)), to.map((next) => heatCell(name, next, transitions[name][next] ?? 0, sum)));
  });
  const head = el("tr", {}, el("th", {}, "from \\ to"), to.map((name) => el("th", { scope: "col" }, spoken(name))));
  return card("Steps: what followed what", el("div", { class: "scroll" }, el("table", { class: "heat" }, el("thead", {}, head), el("tbody", {}, rows))));
}

function heatCell(from, to, count, sum) {
  const share = sum ? count / sum : 0;
  const title = `${from} → ${to}: ${count} of ${sum} (${Math.round(100 * share)} %)`;
  return el("td", { title, class: share > 0.55 && "strong", style: `--share: ${Math.round(85 * share)}%` }, count ? whole(count) : "");
}

/** Whether a bar from 0 to 1 says something: how far a reward or a count of calls could go is not known. */
const isShare = (entry) => Object.is(rangeOf([entry])[1], 1) && rangeOf([entry])[0] === 0;

function tableOfMetrics(metrics, definitions) {
  const rows = Object.entries(metrics ?? {}).map(([name, value]) => [name, asEntry(value)]).filter(([, entry]) => entry);
  if (!rows.length) return null;
  const cells = rows.map(([name, entry]) => el("tr", {},
    el("td", {}, spoken(name), definitions?.[name] ? el("small", {}, definitions[name]) : null),
    el("td", { class: "n" }, digits(entry.mean)),
    el("td", { class: "n dim" }, intervalWords(entry)),
    el("td", { class: "bar" }, isShare(entry) ? intervalBar(entry, [0, 1]) : null),
    el("td", { class: "n dim" }, isNumber(entry.n) ? whole(entry.n) : "")));
  const head = ["metric", "mean", "95 % interval", "", "n"].map((name) => el("th", { class: name !== "metric" && "n" }, name));
  const table = el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, cells));
  return el("section", { class: "card" }, el("h2", {}, "Summary"), el("div", { class: "scroll" }, table));
}
