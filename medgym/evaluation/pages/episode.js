const MARKS = { correct: ["✓", "good"], wrong: ["✕", "bad"], failed: ["!", "odd"] };

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value).replaceAll(/([,:])(?=\S)/g, "$1 "));

const optionWords = (line, letter) => {
  const words = line.options?.[String(letter).charCodeAt(0) - 65];
  return String(letter).length === 1 && words !== undefined ? `${letter}. ${words}` : written(letter);
};

const chip = (words, kind) => el("li", { class: kind }, words);

function chipsOf(line, outcome) {
  const used = Object.entries(line.usage ?? {}).filter(([, value]) => isNumber(value));
  return el("ul", { class: "chips" },
    chip(`${MARKS[outcome][0]} ${outcome}`, MARKS[outcome][1]),
    chip(`reward ${digits(line.reward)}`),
    isNumber(line.iou) ? chip(`IoU ${digits(line.iou)}`) : null,
    [line.kind, line.modality].filter(Boolean).map((words) => chip(spoken(words))),
    chip(`ended by ${spoken(line.end_reason ?? "nothing")}`),
    isNumber(line.seconds) ? chip(`${digits(line.seconds)} s`) : null,
    used.map(([name, value]) => chip(`${spoken(name)} ${digits(value)}`)),
    (line.errors ?? []).map((error) => chip(spoken(error), "bad")));
}

function optionsOf(line, truth, answer) {
  if (!line.options?.length) return null;
  const items = line.options.map((words, i) => {
    const letter = String.fromCharCode(65 + i);
    const right = truth?.answer === letter;
    const said = [right && "right answer", answer === letter && "answered"].filter(Boolean).join(", ");
    return el("li", { class: right && "right" }, `${letter}. ${words}`, said ? el("span", { class: "dim" }, ` – ${said}`) : null);
  });
  return el("ol", { class: "options" }, items);
}

function legendOf(truth) {
  const switched = (name, style, words) => el("label", {},
    el("input", { type: "checkbox", checked: layers[name], onchange: () => toggle(name), "data-layer": name }),
    el("i", { style: `color: var(${style})` }), words);
  const known = truth?.mask || truth?.boxes?.length;
  return el("div", { class: "legend" },
    known ? switched("truth", "--true", "truth (t)") : el("span", {}, truth ? "Nothing true to draw." : "The truth was not kept."),
    switched("prediction", "--predicted", "predicted mask (p)"),
    el("span", {}, el("i", { style: "color: var(--marked); display: inline-block; vertical-align: middle" }), " box and points of a call"));
}

function toggle(name) {
  layers[name] = !layers[name];
  document.querySelectorAll(`[data-layer="${name}"]`).forEach((box) => (box.checked = layers[name]));
  redraw();
}

/** Turns as the viewer shows them: each with its figures, made of the views there were by then. */
function turnCards(line, truth, enlarge) {
  let newest = line.views?.[0];
  return (line.turns ?? []).map((turn, i) => {
    const figures = [];
    for (const call of turn.calls ?? []) {
      const [asked, returned] = [viewOf(line, call.arguments?.image), viewOf(line, call.result?.view)];
      if (asked) figures.push(specOf(line, truth, asked, `image ${asked.index}, asked by ${call.name}`, call.arguments));
      else if (newest) figures.push(specOf(line, truth, newest, `image ${newest.index}, at ${call.name}`));
      if (returned) figures.push(specOf(line, truth, returned, `image ${returned.index}, from ${call.name}`));
      newest = returned ?? newest;
    }
    if (!turn.calls?.length && newest) figures.push(...answerSpecs(line, truth, turn, newest));
    return turnCard(line, turn, i, figures.map((spec) => figure(spec, enlarge)));
  });
}

const viewOf = (line, index) => line.views?.find((view) => view.index === Number(index ?? NaN));

function specOf(line, truth, view, title, marks) {
  return {
    view, truth, title, views: line.views, plain: line.version > 2, predicted: view.mask,
    boxes: listed(marks?.bbox_2d, isBox), points: listed(marks?.points, isPoint), labels: marks?.labels,
  };
}

function answerSpecs(line, truth, turn, newest) {
  const said = turn.answer && typeof turn.answer === "object" ? turn.answer : {};
  if (Array.isArray(said.mask) && turn.mask)
    return said.mask.map((index) => specOf(line, truth, viewOf(line, index), `image ${index}, at the answer`));
  const view = viewOf(line, said.image ?? said.mask) ?? (turn.mask ? line.views[0] : newest);
  const title = turn.answer === null || turn.answer === undefined ? `image ${view.index}` : `image ${view.index}, at the answer`;
  const spec = specOf(line, truth, view, title, said);
  return [{ ...spec, predicted: turn.mask ?? spec.predicted }];
}

function turnCard(line, turn, i, figures) {
  const calls = turn.calls ?? [];
  const answered = turn.answer !== null && turn.answer !== undefined;
  const did = [...calls.map(({ name }) => name), answered ? "answer" : ""].filter(Boolean).join(", ") || "nothing usable";
  const errors = [...(turn.errors ?? []), turn.fault].filter(Boolean);
  const words = el("div", { class: "words" },
    turn.thought ? el("div", {}, el("span", { class: "label" }, "thought"), el("p", { class: "thought", tabindex: turn.thought.length > 900 && 0 }, turn.thought)) : null,
    calls.map(callWords),
    answered ? el("div", {}, el("span", { class: "label" }, "answer"), el("p", { class: "said" }, optionWords(line, turn.answer))) : null,
    errors.map((error) => el("p", { class: "error" }, error)),
    el("details", {}, el("summary", {}, "As written"), el("pre", { tabindex: 0 }, turn.text ?? "")));
  return el("section", { class: "card turn", id: `turn-${i + 1}`, tabindex: -1 },
    el("h3", {}, `Turn ${i + 1}`, el("span", {}, did)),
    el("div", { class: "sides" }, el("div", { class: "figures" }, figures), words));
}

function callWords({ name, arguments: given, result }) {
  return el("div", {},
    el("span", { class: "label" }, "call"),
    el("pre", {}, `${name}(${Object.entries(given ?? {}).map(([key, value]) => `${key}=${written(value)}`).join(", ")})`),
    result?.error ? el("p", { class: "error" }, result.error) : el("p", { class: "said" }, result?.text ?? ""));
}

function rightWords(line, truth) {
  if (!truth) return "not kept with this run";
  const named = truth.answer === null || truth.answer === undefined || truth.answer === "" ? null : optionWords(line, truth.answer);
  const also = (truth.accepted ?? []).filter((words) => words !== truth.answer);
  if (named !== null)
    return [named, truth.unit && ` ${truth.unit}`, truth.tolerance > 0 && ` (within ${Math.round(100 * truth.tolerance)} %)`,
      also.length && `; also accepted: ${also.join(", ")}`].filter(Boolean).join("");
  const slices = Object.keys(truth.solid?.slices ?? {}).length;
  if (truth.solid) return slices ? `the structure outlined as truth, on ${slices} axial slices` : "nothing is there";
  if (truth.mask) return areaOf(spansOf(truth.mask)) ? "the mask outlined as truth" : "nothing is there";
  const count = truth.boxes?.length ?? 0;
  return count ? `${count} ${count === 1 ? "box" : "boxes"}, drawn as truth` : "nothing is there";
}

function verdictOf(line, truth, answer, outcome) {
  const rewards = Object.entries(line.rewards ?? {}).map(([name, score]) => el("tr", {},
    el("td", {}, spoken(name)), el("td", { class: "n" }, digits(score?.value)), el("td", {}, score?.reason ?? "")));
  const total = el("tr", {}, el("td", {}, el("b", {}, "total")), el("td", { class: "n" }, el("b", {}, digits(line.reward))), el("td"));
  return el("section", { class: "card verdict-card" },
    el("dl", { class: "verdict" },
      el("dt", {}, "Answered"), el("dd", { class: MARKS[outcome][1] }, answer === undefined ? "nothing" : optionWords(line, answer)),
      el("dt", {}, "Right"), el("dd", { id: "right" }, rightWords(line, truth))),
    el("table", { class: "rewards" },
      el("thead", {}, el("tr", {}, el("th", {}, "component"), el("th", { class: "n" }, "reward"), el("th", {}, "why"))),
      el("tbody", {}, rewards, total)));
}

/** The episode as it is shown: question, turns, and what it earned. */
function episodeShown({ line, truth }, outcome, enlarge, step) {
  const answer = line.turns?.map((turn) => turn.answer).findLast((said) => said !== null && said !== undefined);
  const steps = el("div", { class: "steps" },
    el("button", { type: "button", title: "Previous episode (k)", "aria-label": "Previous episode", onclick: () => step(-1) }, "↑"),
    el("button", { type: "button", title: "Next episode (j)", "aria-label": "Next episode", onclick: () => step(1) }, "↓"));
  return [
    el("div", { class: "top" }, el("div", {},
      el("p", { class: "dim" }, `${line.index} · ${line.task_id ?? ""}`),
      el("h2", { class: "question" }, line.question ?? "")), steps),
    chipsOf(line, outcome),
    line.failed ? el("p", { class: "error" }, `The agent could not act, and this episode is not scored: ${line.failed}`) : null,
    optionsOf(line, truth, answer),
    legendOf(truth),
    turnCards(line, truth, enlarge),
    verdictOf(line, truth, answer, outcome),
  ].flat().filter(Boolean);
}
