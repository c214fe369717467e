// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// What is said in words: about the recording, and about a frame.

Object.assign(Page.prototype, {
  // The head of the page, and the table in the dialog, whose functions can be searched for.
  describe() {
    const {title, facts} = this.data, fact = Object.fromEntries(facts);
    $("title").textContent = title;
    $("facts").textContent = [fact.recorded, fact.on].filter(Boolean).join(" · ");
    $("facts").title = facts.map(([label, text]) => `${label}: ${text}`).join("\n");
    $("idle-label").hidden = !this.hasIdle;
    $("chips").replaceChildren(...this.chips());
    for (const cell of document.querySelectorAll(".functions td.function")) {
      const button = h("button", {type: "button", title: "Search for it"}, cell.textContent);
      button.addEventListener("click", () => {
        $("about").close();
        this.find(`^${button.textContent.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
        this.remember(false);
      });
      cell.replaceChildren(button);
    }
  },

  chips() {
    const count = (name, level) => {
      const line = this.data.account.find(([at, , , is]) => is === name && (level === undefined || at === level));
      return line ? line[1] : 0;
    };
    const samples = this.data.account.length ? this.data.account[0][1] : 0, answered = count("answered");
    const asked = count("asked"), complete = count("complete");
    const lost = this.data.account.filter(([, , , name]) => name === "lost").reduce((sum, line) => sum + line[1], 0);
    const chip = (number, words, tone) => h("li", {class: tone || ""}, h("b", {}, number), h("span", {}, words));
    const chips = [chip(formatCount(samples), samples === 1 ? "sample" : "samples")];
    if (this.hasIdle) {
      let idle = 0;
      for (const thread of this.model.threads.filter(is => is.pid === 0))
        for (let i = thread.from; i < thread.to; i++)
          idle += this.model.nodes[i * 3 + 2];
      chips.push(chip(formatPercent(idle, samples), "idle"));
    }
    if (asked)
      chips.push(chip(formatPercent(answered, asked), "user stacks answered", answered / asked < .99 ? "warn" : ""));
    if (answered > count("unsaid"))
      chips.push(chip(formatPercent(complete, answered), "of these complete", complete / answered >= .99 ? "good" : "warn"));
    chips.push(chip(formatCount(lost), "lost", lost ? "warn" : ""));
    return chips;
  },

  // Everything about a frame: [what, value, remark].
  tell(node) {
    const {graph} = this, whole = graph.total[0], up = graph.parent[node], weighted = this.model.weights !== null;
    const lines = [["total", formatPercent(graph.total[node], whole), plural(graph.samples[node], "sample", "samples")],
                   ["self", formatPercent(graph.self[node], whole), plural(graph.selfSamples[node], "sample", "samples")]];
    if (up > 0)
      lines.push(["of caller", formatPercent(graph.total[node], graph.total[up]), graph.names[graph.label[up]]]);
    if (this.view.zoomed && this.view.zoomed !== node && node > this.view.zoomed)
      lines.push(["of view", formatPercent(graph.total[node], graph.total[this.view.zoomed]), ""]);
    if (weighted)
      lines.push(["weight", formatCount(graph.total[node]), "sum of periods"]);
    return lines;
  },

  showTip(node, x, y) {
    const tip = $("tip"), {graph} = this;
    tip.hidden = node < 0;
    if (node < 0)
      return;
    const label = graph.label[node], kind = graph.kinds[label], file = graph.files[label];
    const where = kind === GROUP ? file : `${file} · ${KIND_WORDS[kind]}`;
    const list = h("dl");
    for (const [what, value, remark] of this.tell(node))
      list.append(h("dt", {}, what), h("dd", {}, value), h("dd", {}, remark.length > 60 ? shortName(remark).slice(0, 60) : remark));
    tip.replaceChildren(h("strong", {}, graph.names[label]), h("div", {class: "file"}, where), list);
    const {width, height} = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? Math.max(4, x - width - 12) : x + 16;
    const top = y + 20 + height > innerHeight ? Math.max(4, y - height - 12) : y + 20;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  },

  sentence(node) {
    const {graph} = this, label = graph.label[node], kind = graph.kinds[label];
    const [total, self] = this.tell(node);
    const where = kind === GROUP ? graph.files[label] : `${graph.files[label]}, ${KIND_WORDS[kind]}`;
    return [graph.names[label], [where, `${total[2]}, ${total[1]}`, `self ${self[1]}`].filter(Boolean).join(" · ")];
  },

  showStatus() {
    const node = this.view.hovered >= 0 ? this.view.hovered : this.view.focused;
    const [name, rest] = this.sentence(node);
    $("status").replaceChildren(h("b", {}, name), `  ${rest}`);
  },

  speak() {
    const [name, rest] = this.sentence(this.view.focused);
    $("spoken").textContent = `${name}, ${rest.replaceAll(" · ", ", ")}, depth ${this.graph.depth[this.view.focused]}`;
  },

  showFound() {
    const {found, graph, view} = this, out = $("found");
    $("clear-button").hidden = !found;
    out.title = "";
    if (!found) {
      out.textContent = "";
      return;
    }
    const all = foundWeight(graph, found, 0);
    let text = found.nodes.length ? formatPercent(all, graph.total[0]) : "no match";
    if (view.zoomed && found.nodes.length)
      text += ` · ${formatPercent(foundWeight(graph, found, view.zoomed), graph.total[view.zoomed])} of view`;
    out.textContent = text;
    out.title = plural(found.nodes.length, "frame matches", "frames match") +
                (found.literal ? "; not a regular expression, so taken as it stands" : "");
  },

  // The way from the root to what is zoomed to; of a long one, both ends.
  showPath() {
    const nodes = [];
    for (let at = this.view.zoomed; at >= 0; at = this.graph.parent[at])
      nodes.unshift(at);
    const shown = nodes.length > 8 ? [...nodes.slice(0, 3), -1, ...nodes.slice(-4)] : nodes, items = [];
    for (const node of shown) {
      if (items.length)
        items.push(h("span", {"aria-hidden": "true"}, "›"));
      if (node < 0) {
        items.push(h("span", {}, "…"));
        continue;
      }
      const name = this.graph.names[this.graph.label[node]];
      const button = h("button", {type: "button", title: name}, node ? shortName(name) : "All");
      if (node === this.view.zoomed)
        button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => this.go(node));
      items.push(button);
    }
    $("path").replaceChildren(...items);
  },
});
