let shown = { version: -1 };
let view = 0;
let box = null;
let points = [];
let kept = [];

const rounded = (values) => values.map((value) => Math.round(value));
const newest = () => shown.sizes.length;

/** Ask for what has changed, to the last task; the answer comes as soon as there is something new. */
async function listen() {
  while (shown.done === undefined || shown.done !== shown.total) {
    try {
      const answer = await fetch(`news?${shown.version}`);
      const news = await answer.json();
      if (news.version !== shown.version) show(news);
    } catch {
      find("fault").textContent = "medgym has ended, or cannot be reached.";
      await new Promise((wake) => setTimeout(wake, 2000));
    }
  }
}

function show(news) {
  const moved = !shown.task || shown.task.id !== news.task?.id || shown.turn !== news.turn;
  shown = news;
  find("fault").textContent = "";
  if (news.task && moved) {
    view = news.turn ? newest() : 1;
    kept = [];
    clear();
    drawAnswer();
    drawTools();
    find("why").value = "";
    find("rules").querySelector("pre").textContent = news.rules;
  }
  drawQuestion();
  drawResult();
  drawChat();
  for (const id of ["thought", "answer", "tools", "chat", "rules"]) find(id).hidden = !news.waiting;
}

async function act(action) {
  find("fault").textContent = "";
  const answer = await fetch("act", {
    method: "POST",
    body: JSON.stringify({ ...action, thought: find("why").value, version: shown.version }),
  });
  if (!answer.ok) find("fault").textContent = await answer.text();
}

function drawQuestion() {
  const { task, done, total, turn, waiting } = shown;
  const over = total !== null && done === total;
  const options = task && Object.entries(task.options).map(([letter, text]) => el("li", {}, `${letter}. ${text}`));
  find("question").replaceChildren(
    ...(over || !task
      ? [el("p", {}, over ? "That was the last task." : "The first task is on its way.")]
      : [
          el("h2", {}, task.question),
          el("ul", {}, ...options),
          el("p", { class: "dim" }, waiting ? `task ${done + 1}${total ? ` of ${total}` : ""}, turn ${turn + 1}` : "one moment"),
        ]),
  );
}

function drawResult() {
  const { result } = shown;
  find("result").hidden = !result;
  if (!result) return;
  const rows = Object.entries(result.rewards).map(([name, score]) =>
    el("tr", {}, el("td", {}, spoken(name)), el("td", { class: "n" }, digits(score.value)), el("td", { class: "dim" }, score.reason)),
  );
  const place = result.kind === "segmentation" || result.kind === "detection";
  find("result").replaceChildren(
    el("h2", { class: result.correct ? "good" : "bad" }, `The last task: ${result.correct ? "right" : "not right"}, reward ${digits(result.reward)}`),
    el("p", { class: "dim" }, result.question),
    el("p", {}, place ? (isNumber(result.iou) ? `IoU ${digits(result.iou)}` : "") : `Right is: ${result.right ?? "–"}`),
    el("div", { class: "scroll" }, el("table", {}, ...rows)),
  );
}

function drawChat() {
  const lines = (shown.chat ?? []).slice(1).flatMap(({ role, parts }) =>
    parts.map((part) => el("p", { class: role === "assistant" ? "" : "dim" }, part.text ?? `[image ${part.image}]`)),
  );
  find("chat").querySelector("div").replaceChildren(...lines);
  find("chat").open = lines.length > 0;
}

function drawStage() {
  const [width, height] = shown.sizes[view - 1];
  const zoom = Math.max(1, Math.min(3, 640 / Math.max(width, height)));
  const overlay = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  overlay.addEventListener("pointerdown", begin);
  find("stage").replaceChildren(
    el("img", { src: `image/${view}?${shown.task.id}`, width: Math.round(width * zoom), alt: `image ${view}`, draggable: "false" }),
    overlay,
  );
  find("views").replaceChildren(
    ...shown.sizes.map(([w, h], i) =>
      el("button", { type: "button", role: "tab", "aria-selected": String(i + 1 === view), onclick: () => { view = i + 1; clear(); } }, `image ${i + 1} `, el("span", { class: "dim" }, `${w} × ${h}`)),
    ),
  );
  drawMarks();
}

function drawMarks() {
  const overlay = find("stage").querySelector("svg");
  const [width] = shown.sizes[view - 1];
  const rect = ([x1, y1, x2, y2], name) => svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: name });
  overlay.replaceChildren(
    ...kept.filter((each) => each.image === view).map((each) => rect(each.box, "kept")),
    ...(box ? [rect(box)] : []),
    ...points.map(([x, y, on]) => svg("circle", { cx: x, cy: y, r: width / 120, class: on ? null : "off" })),
  );
  const marks = [
    box && `box ${box.join(", ")}`,
    points.length && `${points.length} point${points.length > 1 ? "s" : ""}`,
    kept.length && `${kept.length} kept`,
  ].filter(Boolean);
  find("marked").replaceChildren(
    ...(marks.length
      ? [`${marks.join(" · ")} `, el("button", { type: "button", onclick: () => { kept = []; clear(); } }, "Clear")]
      : ["Drag for a box; click for a point on the object, with Shift for one beside it."]),
  );
}

function clear() {
  box = null;
  points = [];
  drawStage();
}

function begin(event) {
  const overlay = event.currentTarget;
  const [width, height] = shown.sizes[view - 1];
  const bounds = overlay.getBoundingClientRect();
  const at = ({ clientX, clientY }) => [
    Math.min(width, Math.max(0, ((clientX - bounds.left) / bounds.width) * width)),
    Math.min(height, Math.max(0, ((clientY - bounds.top) / bounds.height) * height)),
  ];
  const [x, y] = at(event);
  let dragged = false;
  overlay.setPointerCapture(event.pointerId);
  const move = (step) => {
    const [u, v] = at(step);
    if (Math.hypot(u - x, v - y) * (bounds.width / width) < 4 && !dragged) return;
    dragged = true;
    box = rounded([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)]);
    drawMarks();
  };
  overlay.onpointermove = move;
  overlay.onpointerup = () => {
    overlay.onpointermove = overlay.onpointerup = null;
    if (!dragged) points.push([...rounded([Math.min(x, width - 1), Math.min(y, height - 1)]), event.shiftKey ? 0 : 1]);
    drawMarks();
  };
}

const button = (words, onclick, main = false) => el("button", { type: "button", class: main ? "main" : null, onclick }, words);
const row = (...children) => el("div", { class: "row" }, ...children);

/** A field of words with a button, which Enter presses too. */
function field(type, words, take) {
  const input = el("input", { type: "text", inputmode: type === "number" ? "decimal" : null, "aria-label": words });
  return el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); if (input.value.trim()) take(input.value.trim()); } }, input, el("button", { class: "main" }, words));
}

function drawAnswer() {
  const { task } = shown;
  const answer = (value) => act({ answer: value });
  const boxed = () => (box ? true : ((find("fault").textContent = "Drag a box over the image first."), false));
  const forms = {
    choice: () => [row(...Object.keys(task.options).map((letter) => button(letter, () => answer(letter), true)))],
    yes_no: () => [row(button("Yes", () => answer("yes"), true), button("No", () => answer("no"), true))],
    number: () => [field("number", "Answer with this number", answer)],
    open: () => [field("text", "Answer with these words", answer)],
    segmentation: () => [
      row(
        button("The mask on this image", () => answer({ mask: task.volume ? [view] : view }), true),
        button("What this box holds", () => boxed() && answer({ image: view, bbox_2d: box })),
        button("There is nothing", () => answer({ mask: null })),
      ),
      task.volume ? field("text", "The masks of these images (2, 4, 5)", (text) => answer({ mask: text.split(/[ ,]+/).map(Number) })) : null,
    ],
    detection: () => [
      row(
        button("Keep this box", () => { if (boxed()) { kept = [...kept.filter((each) => each.image === view), { image: view, box }]; clear(); } }),
        button("Answer with the boxes", () => {
          const boxes = [...kept.filter((each) => each.image === view).map((each) => each.box), ...(box ? [box] : [])];
          if (boxes.length || boxed()) answer({ image: view, bbox_2d: boxes });
        }, true),
        button("There is none", () => answer({ bbox_2d: [] })),
      ),
    ],
  };
  find("answer").replaceChildren(el("h3", {}, "Answer"), ...forms[task.kind]().filter(Boolean));
}

const DRAWN = new Set(["image", "bbox_2d", "points", "labels"]);

function drawTools() {
  const shownTools = shown.tools.map((tool) => {
    const known = tool.parameters.properties;
    const inputs = Object.entries(known).filter(([name]) => !DRAWN.has(name)).map(([name, schema]) => [name, schema, inputOf(name, schema)]);
    const call = () => {
      const given = { image: view };
      if (known.bbox_2d && box) given.bbox_2d = box;
      if (known.points && points.length) given.points = points.map(([x, y]) => [x, y]);
      if (known.labels && points.some(([, , on]) => !on)) given.labels = points.map(([, , on]) => on);
      for (const [name, schema, input] of inputs) if (input.value !== "") given[name] = valueOf(schema, input.value);
      act({ calls: [{ name: tool.name, arguments: "image" in known ? given : Object.fromEntries(Object.entries(given).filter(([name]) => name !== "image")) }] });
    };
    return el("details", { open: shown.tools.length <= 3 },
      el("summary", {}, tool.name),
      el("p", { class: "dim" }, tool.description),
      el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); call(); } },
        ...inputs.map(([name, schema, input]) => el("label", { title: schema.description ?? "" }, spoken(name), input)),
        el("button", {}, "Call")));
  });
  find("tools").replaceChildren(el("h3", {}, "Tools, on the image that is shown"), ...shownTools);
  if (!shownTools.length) find("tools").replaceChildren(el("p", { class: "dim" }, "There are no tools."));
}

function inputOf(name, schema) {
  if (schema.enum) return el("select", {}, el("option", { value: "" }, ""), ...schema.enum.map((each) => el("option", { value: String(each) }, String(each))));
  if (schema.type === "boolean") return el("select", {}, ...["", "true", "false"].map((each) => el("option", { value: each }, each)));
  return el("input", { type: "text", size: schema.type === "string" ? 22 : 7, title: schema.description ?? name });
}

/** What is no number where one is asked for is sent as it was written: the tool says what it expected. */
function valueOf(schema, text) {
  if (schema.type === "boolean") return text === "true";
  if (schema.type === "string" || schema.enum) return text;
  try { return JSON.parse(text); } catch { return text; }
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && shown.task) { kept = []; clear(); }
});
find("thought").addEventListener("submit", (event) => event.preventDefault());
listen();
