// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Tints and patterns of frames, for light and dark. The kind of a frame decides the hue, its file a shade
// of it, so that neighbours from different files can be told apart without making noise.

const TINTS = {
  light: {
    ink: "#15191f", quiet: "#4a515c", paper: "#ffffff", accent: "#6b3fb8", faded: "hsl(220 10% 94%)", dust: "hsl(220 9% 90%)",
    found: "hsl(266 62% 78%)", hatch: "rgb(90 55 10 / 17%)", dot: "rgb(10 70 45 / 26%)", line: "rgb(40 46 58 / 10%)",
    kinds: [[213, 46, 82], [35, 62, 81], [152, 34, 78], [190, 38, 80], [220, 7, 86], [220, 12, 91]],
  },
  dark: {
    ink: "#f2f1ec", quiet: "#b9bec8", paper: "#1f2228", accent: "#b795f5", faded: "hsl(220 8% 20%)", dust: "hsl(220 7% 23%)",
    found: "hsl(266 42% 46%)", hatch: "rgb(255 215 150 / 14%)", dot: "rgb(170 255 215 / 22%)",
    line: "rgb(235 238 245 / 8%)",
    kinds: [[213, 32, 37], [33, 36, 32], [154, 28, 30], [190, 30, 32], [220, 6, 31], [220, 9, 26]],
  },
};
const SHADES = 5, SHADE_STEP = 1.7;

function hashText(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 0;
}

function tintOf(theme, kind, file) {
  const [hue, saturation, lightness] = TINTS[theme].kinds[kind];
  const shade = kind >= UNKNOWN ? 0 : hashText(file) % SHADES - (SHADES - 1) / 2;
  return `hsl(${hue + shade * 2} ${saturation}% ${lightness + shade * SHADE_STEP}%)`;
}

// A small tile that repeats: stripes for the kernel, dots for JIT code, level lines for the unknown.
function makeTile(theme, kind, ratio) {
  const size = Math.round(8 * ratio), tile = new OffscreenCanvas(size, size), c = tile.getContext("2d");
  c.scale(size / 8, size / 8);
  if (kind === KERNEL) {
    c.strokeStyle = TINTS[theme].hatch;
    c.lineWidth = 1.6;
    for (let x = -8; x <= 8; x += 8) {
      c.beginPath();
      c.moveTo(x - 1, 9);
      c.lineTo(x + 9, -1);
      c.stroke();
    }
  } else if (kind === JIT) {
    c.fillStyle = TINTS[theme].dot;
    for (const [x, y] of [[2, 2], [6, 6]]) {
      c.beginPath();
      c.arc(x, y, 1, 0, 7);
      c.fill();
    }
  } else {
    c.fillStyle = TINTS[theme].line;
    c.fillRect(0, 1, 8, 1);
    c.fillRect(0, 5, 8, 1);
  }
  return tile;
}

// Everything that drawing needs, ready to be used: colours by label, patterns by kind.
function makePalette(graph, theme, context, ratio) {
  const patterns = [null, null, null, null, null, null];
  for (const kind of [KERNEL, JIT, UNKNOWN]) {
    patterns[kind] = context.createPattern(makeTile(theme, kind, ratio), "repeat");
    patterns[kind].setTransform(new DOMMatrix().scale(1 / ratio));
  }
  const known = new Map(), colors = graph.kinds.map((kind, label) => {
    const key = kind + graph.files[label];
    if (!known.has(key))
      known.set(key, tintOf(theme, kind, graph.files[label]));
    return known.get(key);
  });
  return {...TINTS[theme], colors, patterns};
}

// The legend names what the recording has, in the tints and patterns of the graph.
function drawLegend(list, graph, theme) {
  const ratio = devicePixelRatio || 1, present = new Set();
  for (let i = 1; i < graph.count; i++)
    present.add(graph.kinds[graph.label[i]]);
  list.replaceChildren();
  for (const kind of [USER, KERNEL, JIT, VDSO, UNKNOWN]) {
    if (!present.has(kind))
      continue;
    const swatch = h("canvas", {"aria-hidden": "true"}), c = swatch.getContext("2d");
    swatch.width = 22 * ratio;
    swatch.height = 14 * ratio;
    c.fillStyle = tintOf(theme, kind, "");
    c.fillRect(0, 0, swatch.width, swatch.height);
    if (kind === KERNEL || kind === JIT || kind === UNKNOWN) {
      c.fillStyle = c.createPattern(makeTile(theme, kind, ratio), "repeat");
      c.fillRect(0, 0, swatch.width, swatch.height);
    }
    list.append(h("li", {}, swatch, KIND_WORDS[kind] + KIND_MARKS[kind]));
  }
}
