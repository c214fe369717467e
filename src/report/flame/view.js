// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Drawing: only what is on the screen, and of that only what is a pixel wide or more.
//
// The window (from, to) is the part of the whole that fills the width; zooming moves it. What is narrower
// than a pixel is drawn together as grey dust, so that many small things do not look like nothing.

const ROW = 21, GAP = 1, TEXT_FROM = 26, PADDING = 6, ZOOM_MS = 190;
const FONT = '12px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';

class View {
  constructor(canvas, scroller, spacer) {
    this.canvas = canvas;
    this.scroller = scroller;
    this.spacer = spacer;
    this.context = canvas.getContext("2d", {alpha: false});
    this.flame = false;
    this.zoomed = this.focused = 0;
    this.hovered = -1;
    this.from = 0;
    this.to = 1;
    this.found = null; // by label: 1 if the search matches
    this.widths = new Map();
    this.waiting = 0;
    this.drawMs = 0;
    this.drawn = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    scroller.addEventListener("scroll", () => this.redraw(), {passive: true});
    new ResizeObserver(() => this.resize()).observe(scroller);
  }

  show(graph, theme) {
    this.graph = graph;
    this.zoomed = this.focused = 0;
    this.hovered = -1;
    this.from = 0;
    this.to = Math.max(graph.total[0], 1);
    this.setTheme(theme);
    this.resize();
  }

  setTheme(theme) {
    this.theme = theme;
    this.palette = makePalette(this.graph, theme, this.context, devicePixelRatio || 1);
    this.redraw();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.width = this.scroller.clientWidth;
    this.height = this.scroller.clientHeight;
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    const width = Math.round(this.width * ratio), height = Math.round(this.height * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    if (this.graph)
      this.measure();
  }

  // How high everything is; in a flame the roots stand at the bottom, also of a large window.
  measure() {
    this.rowCount = rowsBelow(this.graph, this.zoomed);
    this.contentHeight = Math.max(this.rowCount * ROW + GAP, this.height);
    this.spacer.style.height = `${this.contentHeight}px`;
    this.redraw();
  }

  topOf(depth) {
    const top = this.flame ? this.contentHeight - (depth + 1) * ROW : depth * ROW + GAP;
    return top - this.scroller.scrollTop;
  }

  depthAt(y) {
    const inside = y + this.scroller.scrollTop;
    return Math.floor(this.flame ? (this.contentHeight - inside) / ROW : (inside - GAP) / ROW);
  }

  scale() {
    return this.width / (this.to - this.from);
  }

  redraw() {
    if (!this.waiting)
      this.waiting = requestAnimationFrame(now => this.step(now));
  }

  step(now) {
    this.waiting = 0;
    if (this.motion) {
      const part = Math.min(1, (now - this.motion.began) / ZOOM_MS), eased = 1 - (1 - part) ** 3;
      this.from = this.motion.from + (this.motion.toFrom - this.motion.from) * eased;
      this.to = this.motion.to + (this.motion.toTo - this.motion.to) * eased;
      if (part >= 1)
        this.motion = null;
      else
        this.redraw();
    }
    const began = performance.now();
    this.draw();
    this.drawMs = performance.now() - began;
  }

  zoom(node, at_once) {
    const {start, total} = this.graph, from = start[node], to = start[node] + Math.max(total[node], 1e-9);
    this.zoomed = this.focused = node;
    this.hovered = -1;
    this.measure();
    if (at_once || this.calm.matches) {
      this.motion = null;
      this.from = from;
      this.to = to;
    } else {
      this.motion = {began: performance.now(), from: this.from, to: this.to, toFrom: from, toTo: to};
    }
    this.reveal(node);
    this.redraw();
  }

  setFlame(flame) {
    this.flame = flame;
    this.measure();
    this.scroller.scrollTop = flame ? this.contentHeight : 0;
    this.reveal(this.focused);
  }

  // Scroll as little as is needed to have the node's row, and some of its callees, in sight.
  reveal(node) {
    const top = this.topOf(this.graph.depth[node]), room = Math.min(this.height / 3, ROW * 3);
    const above = this.flame ? room : 0, below = this.flame ? 0 : room;
    if (top < above)
      this.scroller.scrollTop += top - above - GAP;
    else if (top + ROW + below > this.height)
      this.scroller.scrollTop += top + ROW + below - this.height;
  }

  nodeAt(x, y) {
    const row = this.graph.rows[this.depthAt(y)];
    if (!row || this.depthAt(y) >= this.rowCount)
      return -1;
    const value = this.from + x / this.scale(), node = row[firstRightOf(this.graph, row, value)];
    return node !== undefined && this.graph.start[node] <= value ? node : -1;
  }

  draw() {
    const c = this.context, ratio = devicePixelRatio || 1;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = this.palette.paper;
    c.fillRect(0, 0, this.width, this.height);
    c.font = FONT;
    c.textBaseline = "middle";
    this.drawn = 0;
    let first = this.depthAt(0), last = this.depthAt(this.height);
    if (first > last)
      [first, last] = [last, first];
    for (let depth = Math.max(0, first); depth <= Math.min(last, this.rowCount - 1); depth++)
      this.drawRow(depth);
    this.outline(this.hovered, this.palette.ink, 1);
    if (document.activeElement === this.canvas || this.focused !== this.zoomed)
      this.outline(this.focused, this.palette.accent, 2);
  }

  drawRow(depth) {
    const {graph, from, to} = this, scale = this.scale(), row = graph.rows[depth], y = this.topOf(depth);
    let i = firstRightOf(graph, row, from), dustFrom = 0, dustTo = 0, dustFound = false;
    // What is too narrow is gathered, pixel by pixel, and drawn as one when something else comes.
    const drawDust = () => {
      if (dustTo > dustFrom) {
        this.context.fillStyle = dustFound ? this.palette.found : this.palette.dust;
        this.context.fillRect(dustFrom, y, dustTo - dustFrom, ROW - GAP);
        this.drawn++;
      }
      dustTo = dustFrom;
    };
    while (i < row.length && graph.start[row[i]] < to) {
      const node = row[i], x = (graph.start[node] - from) * scale, width = graph.total[node] * scale;
      if (width >= 1) {
        drawDust();
        this.drawNode(node, x, width, y, depth);
        i++;
        continue;
      }
      const pixel = Math.floor(x), next = Math.max(i + 1, firstRightOf(graph, row, from + (pixel + 1) / scale, i));
      const found = this.found !== null && this.anyFound(row, i, next);
      if (pixel > dustTo || found !== dustFound) {
        drawDust();
        dustFrom = pixel;
        dustFound = found;
      }
      dustTo = pixel + 1;
      i = next;
    }
    drawDust();
  }

  anyFound(row, from, to) {
    for (let i = from; i < to; i++)
      if (this.found[this.graph.label[row[i]]])
        return true;
    return false;
  }

  drawNode(node, x, width, y, depth) {
    const c = this.context, {graph, palette} = this, label = graph.label[node], kind = graph.kinds[label];
    const left = Math.max(x, -2), right = Math.min(x + width, this.width + 2);
    const wide = Math.max(1, right - left - (width > 3 ? GAP : 0)), found = this.found && this.found[label];
    const aside = this.found ? !found : depth < graph.depth[this.zoomed];
    this.drawn++;
    c.fillStyle = found ? palette.found : aside ? palette.faded : palette.colors[label];
    c.fillRect(left, y, wide, ROW - GAP);
    if (palette.patterns[kind] && wide > 3) {
      c.fillStyle = palette.patterns[kind];
      c.fillRect(left, y, wide, ROW - GAP);
    }
    if (wide < TEXT_FROM)
      return;
    const from = Math.max(left, 0) + PADDING, room = Math.min(right, this.width) - from - PADDING + 2;
    const text = this.fit(label, kind, room);
    if (!text)
      return;
    c.fillStyle = aside && !found ? palette.quiet : palette.ink;
    c.fillText(text, from, y + ROW / 2);
    // A process or thread has its number behind its name, if there is room.
    const number = kind === GROUP && graph.files[label] !== "program" ? graph.files[label] : "";
    if (number && this.widthOf(text) + this.widthOf(number) + 8 <= room) {
      c.fillStyle = palette.quiet;
      c.fillText(number, from + this.widthOf(text) + 8, y + ROW / 2);
    }
  }

  widthOf(text) {
    let width = this.widths.get(text);
    if (width === undefined) {
      width = this.context.measureText(text).width;
      if (this.widths.size > 50000)
        this.widths.clear();
      this.widths.set(text, width);
    }
    return width;
  }

  // The name if it fits, else the short name, else as much of that as fits.
  fit(label, kind, room) {
    const {names} = this.graph, mark = KIND_MARKS[kind], whole = names[label] + mark;
    if (whole.length < 300 && this.widthOf(whole) <= room)
      return whole;
    const short = shortName(names[label]) + mark;
    if (short.length < 300 && this.widthOf(short) <= room)
      return short;
    let length = Math.min(short.length, Math.floor(room / 5));
    while (length > 1 && this.widthOf(`${short.slice(0, length)}…`) > room)
      length -= Math.max(1, Math.floor(length / 12));
    return length > 1 ? `${short.slice(0, length)}…` : "";
  }

  outline(node, color, thick) {
    if (node < 0 || this.graph.depth[node] >= this.rowCount)
      return;
    const scale = this.scale(), x = (this.graph.start[node] - this.from) * scale;
    const left = Math.max(x, 0), right = Math.min(x + this.graph.total[node] * scale, this.width);
    if (right < 0 || left > this.width)
      return;
    this.context.strokeStyle = color;
    this.context.lineWidth = thick;
    this.context.strokeRect(left + thick / 2, this.topOf(this.graph.depth[node]) + thick / 2,
                            Math.max(1, right - left - thick - GAP), ROW - GAP - thick);
  }
}
