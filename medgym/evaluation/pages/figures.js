const layers = { truth: true, prediction: true };
const HALO = "rgb(0 0 0 / 65%)";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const isBox = (value) => Array.isArray(value) && value.length === 4 && value.every(isNumber);
const isPoint = (value) => Array.isArray(value) && value.length === 2 && value.every(isNumber);
/** One of something, or a list of them, as a list; a policy may have written anything else. */
const listed = (value, is) => (is(value) ? [value] : Array.isArray(value) ? value.filter(is) : []);

/** The views drawn in a view, each with where and how large: itself, or the panels of a comparison, all of its height. */
function drawnIn(view, views) {
  if (!view.panels?.length) return [{ view, left: 0, scale: 1 }];
  const panels = view.panels.map(({ left, of }) => ({ view: views.find(({ index }) => index === of), left }));
  return panels.filter((panel) => panel.view).map((panel) => ({ ...panel, scale: view.size[1] / panel.view.size[1] }));
}

/**
 * Draw over a view what is true, what was predicted, and what a call marked.
 * `spec` has view, views, truth, predicted (a mask), boxes and points (in the view's pixels), labels, and whether the
 * picture is plain, without the mask that the view carries, as it is from the third schema on.
 */
function draw(canvas, spec) {
  const dots = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * dots);
  canvas.height = Math.round(canvas.clientHeight * dots);
  const scale = canvas.width / spec.view.size[0];
  const pen = canvas.getContext("2d");
  for (const { view, left, scale: panel } of drawnIn(spec.view, spec.views)) {
    const map = new DOMMatrix([scale * panel, 0, 0, scale * panel, left * scale, 0]);
    pen.save();
    pen.beginPath();
    pen.rect(left * scale, 0, view.size[0] * panel * scale, view.size[1] * panel * scale);
    pen.clip();
    if (layers.prediction && spec.plain && view === spec.view && view.mask) drawn(pen, view, map.multiply(toView(view)), dots);
    drawTruth(pen, spec.truth, view, map.multiply(toView(view)), dots);
    const mask = spec.view === view ? spec.predicted : view.mask;
    if (layers.prediction && mask) stroke(pen, outlineOf(mask), map.multiply(toView(view)), "--predicted", 1.6 * dots);
    pen.restore();
  }
  if (layers.prediction) drawMarks(pen, spec, new DOMMatrix([scale, 0, 0, scale, 0, 0]), dots);
}

/** Show the mask that a view carries as the policy saw it: filled where a tool had just found it, else outlined. */
function drawn(pen, view, map, dots) {
  const [edge, inside] = [new Path2D(), new Path2D()];
  edge.addPath(outlineOf(view.mask), map);
  inside.addPath(insideOf(view.mask), map);
  pen.fillStyle = "rgb(230 40 40 / 40%)";
  pen.strokeStyle = "rgb(255 230 0)";
  pen.lineWidth = dots;
  if (view.drawn === "fill") pen.fill(inside);
  pen.stroke(edge);
}

/** What is true on what a view shows: mask and boxes lie on one image, and of a volume on one plane or on axial ones. */
function truthOn(truth, view) {
  if (!truth || (truth.image ?? 0) !== view.of) return null;
  if (JSON.stringify(truth.plane ?? null) === JSON.stringify(view.cut ?? null)) return truth;
  const mask = view.cut?.axis === "axial" ? truth.solid?.slices[view.cut.position] : null;
  return mask ? { mask } : null;
}

function drawTruth(pen, all, view, map, dots) {
  const truth = layers.truth ? truthOn(all, view) : null;
  if (!truth) return;
  if (truth.mask) stroke(pen, outlineOf(truth.mask), map, "--true", 3 * dots);
  else stroke(pen, pathOf(listed(truth.boxes, isBox)), map, "--true", 2 * dots);
}

function drawMarks(pen, spec, map, dots) {
  stroke(pen, pathOf(spec.boxes), map, "--marked", 2 * dots);
  spec.points.forEach(([x, y], i) => {
    const at = map.transformPoint({ x, y });
    const out = spec.labels?.[i] === 0;
    const cross = new Path2D();
    cross.arc(at.x, at.y, 5 * dots, 0, 7);
    cross.moveTo(at.x - 3 * dots, at.y);
    cross.lineTo(at.x + 3 * dots, at.y);
    if (!out) cross.moveTo(at.x, at.y - 3 * dots), cross.lineTo(at.x, at.y + 3 * dots);
    stroke(pen, cross, new DOMMatrix(), "--marked", 1.8 * dots);
  });
}

/** Stroke a path in a colour over a dark halo, so that it is seen on any tissue; the width is that of the screen. */
function stroke(pen, path, map, name, width) {
  const mapped = new Path2D();
  mapped.addPath(path, map);
  pen.lineCap = pen.lineJoin = "round";
  for (const [style, wide] of [[HALO, 1.6 * width + 1], [colour(name), width]]) {
    pen.strokeStyle = style;
    pen.lineWidth = wide;
    pen.stroke(mapped);
  }
}

const specs = new WeakMap();
const whenSized = new ResizeObserver((entries) => entries.forEach(({ target }) => draw(target, specs.get(target))));
const redraw = () => document.querySelectorAll(".stage canvas").forEach((canvas) => draw(canvas, specs.get(canvas)));

/** Show a picture of this page, or where it was left out for size the one beside it; while the page arrives, wait. */
function load(picture, name) {
  const kept = arrived(`picture-${name}`);
  if (!kept && document.readyState === "loading")
    document.addEventListener("DOMContentLoaded", () => load(picture, name), { once: true });
  else picture.src = kept ? `data:${kept.dataset.type};base64,${kept.textContent}` : `images/${name}.png`;
}

function figure(spec, enlarge) {
  const [width, height] = spec.view.size;
  const canvas = el("canvas", { "aria-hidden": "true" });
  const missing = () => picture.replaceWith(el("span", { class: "missing" }, `The picture ${spec.view.image}.png is missing.`));
  const picture = el("img", { alt: spec.title, onerror: missing, draggable: "false" });
  load(picture, spec.view.image);
  const inside = [picture, canvas];
  const stage = enlarge
    ? el("button", { class: "stage", type: "button", title: "Enlarge (Enter)", onclick: () => enlarge(spec) }, inside)
    : el("div", { class: "stage" }, inside);
  specs.set(canvas, spec);
  whenSized.observe(canvas);
  const iou = spec.predicted ? iouOf(spec.predicted, truthOn(spec.truth, spec.view)?.mask) : null;
  const caption = el("figcaption", {}, spec.title, iou === null ? "" : [", IoU ", el("b", { class: "iou" }, iou.toFixed(3))]);
  return el("figure", { style: `--wide: ${width / height}` }, stage, caption);
}
