/** Read COCO's code: runs of outside and inside in turn, down the columns; five bits a character, lowest first. */
function runsOf(counts) {
  const runs = [];
  for (let at = 0; at < counts.length;) {
    let [run, shift, five] = [0, 0, 32];
    for (; five & 32; shift += 5) {
      five = counts.charCodeAt(at++) - 48;
      run |= (five & 31) << shift;
    }
    if (five & 16) run |= -1 << shift;
    runs.push(runs.length > 2 ? run + runs[runs.length - 2] : run);
  }
  return runs;
}

/** Where a mask begins and ends in turn, counted down the columns. */
function spansOf(mask) {
  const ends = [];
  let at = 0;
  runsOf(mask.counts).forEach((run, i) => {
    if (i % 2 && run) ends.push(at, at + run);
    at += run;
  });
  return ends;
}

const areaOf = (spans) => spans.reduce((sum, end, i) => sum + (i % 2 ? end : -end), 0);

/** Intersection over union without decoding; null where the masks are not of one image. Two empty masks agree. */
function iouOf(one, two) {
  if (!one || !two || one.size[0] !== two.size[0] || one.size[1] !== two.size[1]) return null;
  const [a, b] = [spansOf(one), spansOf(two)];
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; a[i + 1] < b[j + 1] ? (i += 2) : (j += 2))
    shared += Math.max(0, Math.min(a[i + 1], b[j + 1]) - Math.max(a[i], b[j]));
  const union = areaOf(a) + areaOf(b) - shared;
  return union ? shared / union : 1;
}

function columnsOf(mask) {
  const [height, width] = mask.size;
  const columns = Array.from({ length: width }, () => []);
  const spans = spansOf(mask);
  for (let i = 0; i < spans.length; i += 2) {
    for (let from = spans[i], to; from < spans[i + 1]; from = to) {
      const x = Math.floor(from / height);
      to = Math.min(spans[i + 1], (x + 1) * height);
      columns[x]?.push(from - x * height, to - x * height);
    }
  }
  return columns;
}

const outlines = new WeakMap();

/** The edges of a mask's pixels as a path in the pixels of the original image, made once. */
function outlineOf(mask) {
  if (outlines.has(mask)) return outlines.get(mask);
  const path = new Path2D();
  let before = [];
  [...columnsOf(mask), []].forEach((column, x) => {
    for (const y of column) {
      path.moveTo(x, y);
      path.lineTo(x + 1, y);
    }
    // What is inside one of two neighbouring columns only lies between every other of all their ends.
    const ends = [...before, ...column].sort((one, two) => one - two);
    for (let i = 0; i < ends.length; i += 2) {
      path.moveTo(x, ends[i]);
      path.lineTo(x, ends[i + 1]);
    }
    before = column;
  });
  outlines.set(mask, path);
  return path;
}

/** A mask's pixels as a path to fill, in the pixels of the original image. */
function insideOf(mask) {
  const path = new Path2D();
  columnsOf(mask).forEach((ends, x) => {
    for (let i = 0; i < ends.length; i += 2) path.rect(x, ends[i], 1, ends[i + 1] - ends[i]);
  });
  return path;
}

/** The path of boxes, of any map's pixels. */
function pathOf(boxes) {
  const path = new Path2D();
  for (const [x1, y1, x2, y2] of boxes) path.rect(x1, y1, x2 - x1, y2 - y1);
  return path;
}

/** The map from an original image's pixels to a view's. */
const toView = ({ to_original: [a, b, c, d, e, f] }) => new DOMMatrix([a, d, b, e, c, f]).inverse();
