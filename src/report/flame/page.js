// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// The page around the graph: controls, keys, history, what is said about a frame.

const $ = id => document.getElementById(id);
const GROUPINGS = ["all", "name", "process", "thread"];

class Page {
  constructor(data) {
    this.data = data;
    this.model = readModel(data);
    this.view = new View($("graph"), $("scroller"), $("spacer"));
    this.grouping = "name";
    this.idle = false;
    this.search = "";
    this.found = null;
    this.theme = this.storedTheme() || this.systemTheme();
    this.hasIdle = this.model.threads.some(thread => thread.pid === 0);
    if (this.model.threads.every(thread => thread.pid === 0))
      this.idle = true; // else there would be nothing to see
  }

  start() {
    document.documentElement.dataset.theme = this.theme;
    this.describe();
    this.listen();
    history.replaceState({depth: history.state?.depth || 0}, "");
    this.restore(location.hash);
  }

  // ---- what is shown ----

  rebuild() {
    this.graph = buildGraph(this.model, this.grouping, this.idle);
    this.view.show(this.graph, this.theme);
    drawLegend($("legend"), this.graph, this.theme);
    for (const input of document.getElementsByName("group"))
      input.checked = input.value === this.grouping;
    $("idle").checked = this.idle;
    this.built = `${this.grouping} ${this.idle}`;
    this.find(this.search);
  }

  zoom(node, atOnce) {
    this.view.zoom(node, atOnce);
    this.showPath();
    this.showStatus();
    this.showFound();
  }

  find(text) {
    this.search = text;
    this.found = text ? searchGraph(this.graph, text) : null;
    this.view.found = this.found && this.found.labels;
    this.cursor = -1;
    if ($("search").value !== text)
      $("search").value = text;
    this.showFound();
    this.view.redraw();
  }

  setFlame(flame) {
    this.view.setFlame(flame);
    for (const input of document.getElementsByName("orientation"))
      input.checked = (input.value === "flame") === flame;
  }

  setTheme(theme) {
    this.theme = theme;
    document.documentElement.dataset.theme = theme;
    this.view.setTheme(theme);
    drawLegend($("legend"), this.graph, theme);
  }

  storedTheme() {
    try {
      return localStorage.getItem("homeward-theme");
    } catch {
      return null; // a page from a file may have no storage
    }
  }

  systemTheme() {
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  // ---- history: the address after '#' says what is shown, so that Back works and views can be shared ----

  address() {
    const parts = new URLSearchParams();
    if (this.grouping !== "name")
      parts.set("by", this.grouping);
    if (this.view.flame)
      parts.set("flame", "1");
    if (this.idle)
      parts.set("idle", "1");
    if (this.view.zoomed)
      parts.set("at", String(this.view.zoomed));
    if (this.search)
      parts.set("find", this.search);
    return `#${parts}`;
  }

  restore(hash) {
    const parts = new URLSearchParams(hash.slice(1)), by = parts.get("by");
    this.grouping = GROUPINGS.includes(by) ? by : "name";
    this.idle = parts.get("idle") === "1" || !this.model.threads.some(thread => thread.pid);
    this.search = parts.get("find") || "";
    if (this.built !== `${this.grouping} ${this.idle}`)
      this.rebuild();
    else
      this.find(this.search);
    if (this.view.flame !== (parts.get("flame") === "1") || !this.oriented)
      this.setFlame(parts.get("flame") === "1");
    this.oriented = true;
    const node = Number(parts.get("at") || 0);
    this.zoom(Number.isInteger(node) && node >= 0 && node < this.graph.count ? node : 0, !this.opened);
    this.opened = true;
    $("back-button").disabled = !history.state?.depth;
  }

  remember(anew) {
    const depth = history.state?.depth || 0;
    if (anew && this.address() !== location.hash)
      history.pushState({depth: depth + 1}, "", this.address());
    else
      history.replaceState({depth}, "", this.address());
    $("back-button").disabled = !history.state?.depth;
  }

  back() {
    if (history.state?.depth)
      history.back();
  }

  // ---- what the reader does ----

  go(node) {
    if (node < 0 || node === this.view.zoomed)
      return;
    this.zoom(node);
    this.remember(true);
    this.speak();
  }

  regroup(grouping, idle) {
    this.grouping = grouping;
    this.idle = idle;
    this.rebuild();
    this.zoom(0, true);
    this.remember(true);
  }

  focus(node) {
    this.view.focused = node;
    this.view.hovered = -1;
    $("tip").hidden = true;
    this.view.reveal(node);
    this.view.redraw();
    this.showStatus();
    this.speak();
  }

  // The next frame in a direction, as seen on the screen.
  neighbour(key) {
    const {graph, view} = this, at = view.focused, row = graph.rows[graph.depth[at]];
    const inward = key === (view.flame ? "ArrowUp" : "ArrowDown");
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const i = firstRightOf(graph, row, graph.start[at]) + (key === "ArrowLeft" ? -1 : 1), node = row[i];
      const seen = node !== undefined && graph.start[node] < view.to && graph.start[node] + graph.total[node] > view.from;
      return seen ? node : at;
    }
    if (!inward)
      return Math.max(graph.parent[at], 0);
    // Callees come sorted, the heaviest first; from a caller of what is zoomed to, stay on the way there.
    for (let up = view.zoomed; up > at; up = graph.parent[up])
      if (graph.parent[up] === at)
        return up;
    return at + 1 < graph.end[at] ? at + 1 : at;
  }

  nextFound(step) {
    const ranked = this.found ? rankFound(this.graph, this.found) : [];
    if (!ranked.length)
      return;
    this.cursor = (this.cursor + step + ranked.length) % ranked.length;
    const node = ranked[this.cursor], {view, graph} = this;
    if (graph.start[node] < view.from || graph.start[node] + graph.total[node] > view.to ||
        graph.total[node] * view.scale() < 4)
      this.go(node);
    this.focus(node);
  }

  escape() {
    if (this.search) {
      this.find("");
      this.remember(false);
      $("graph").focus();
    } else {
      this.go(0);
    }
  }
}
