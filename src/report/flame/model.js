// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// The recording as read from the page, and the graph that is made of it for one grouping.
//
// Nodes are numbers; everything about them stands in typed arrays. In a graph they are in preorder, so the
// subtree of node n is n … end[n] - 1, and the nodes of one depth come sorted from left to right.

const USER = 0, KERNEL = 1, JIT = 2, VDSO = 3, UNKNOWN = 4, GROUP = 5;
const KIND_WORDS = ["user code", "kernel", "JIT code", "vDSO", "unknown", "group"];

// Labels are what nodes are called: first the frames of the recording, later the groups of a graph.
function readModel(data) {
  const names = [], files = [], kinds = [];
  for (let i = 0; i < data.frames.length; i += 3) {
    const file = data.strings[data.frames[i + 1]], base = file.slice(file.lastIndexOf("/") + 1) || file;
    const known = data.frames[i] >= 0;
    names.push(known ? data.strings[data.frames[i]] : base.startsWith("[") ? base : `[${base}]`);
    files.push(file);
    kinds.push(known || data.frames[i + 2] === KERNEL || data.frames[i + 2] === JIT ? data.frames[i + 2] : UNKNOWN);
  }
  const threads = [];
  let at = 0;
  for (let i = 0; i < data.threads.length; i += 5) {
    const [pid, process, tid, thread, count] = data.threads.slice(i, i + 5);
    threads.push({pid, process: data.strings[process], tid, thread: data.strings[thread], from: at, to: at + count});
    at += count;
  }
  return {names, files, kinds, threads, nodes: data.nodes, count: data.nodes.length / 3,
          weights: data.weighted ? data.weights : null};
}

// Which groups a thread stands in, outermost first: [key, name, detail].
function groupsOf(thread, grouping) {
  const process = [`p${thread.pid} ${thread.process}`, thread.process, `process ${thread.pid}`];
  switch (grouping) {
    case "all": return [];
    case "name": return [[`n${thread.process}`, thread.process, "program"]];
    case "process": return [process];
    default: return [process, [`t${thread.tid} ${thread.thread}`, thread.thread, `thread ${thread.tid}`]];
  }
}

// Merge the threads' trees into one, equal paths into equal nodes. Parents get lower numbers than children.
function mergeThreads(model, grouping, withIdle) {
  const names = model.names.slice(), files = model.files.slice(), kinds = model.kinds.slice();
  const threads = model.threads.filter(thread => withIdle || thread.pid !== 0);
  const room = 1 + threads.reduce((sum, thread) => sum + 2 + thread.to - thread.from, 0);
  const labelsMost = names.length + 1 + 2 * threads.length;
  const parent = new Int32Array(room), label = new Int32Array(room);
  const self = new Float64Array(room), samples = new Float64Array(room);
  const children = new Map(), groupLabels = new Map();
  let count = 1;

  const newLabel = (name, detail) => {
    names.push(name);
    files.push(detail);
    kinds.push(GROUP);
    return names.length - 1;
  };
  const childOf = (node, ofLabel) => {
    const key = node * labelsMost + ofLabel;
    let child = children.get(key);
    if (child === undefined) {
      child = count++;
      parent[child] = node;
      label[child] = ofLabel;
      children.set(key, child);
    }
    return child;
  };
  parent[0] = -1;
  label[0] = newLabel("all", "");
  const path = [];
  for (const thread of threads) {
    let top = 0;
    for (const [key, name, detail] of groupsOf(thread, grouping)) {
      if (!groupLabels.has(key))
        groupLabels.set(key, newLabel(name, detail));
      top = childOf(top, groupLabels.get(key));
    }
    for (let i = thread.from; i < thread.to; i++) {
      const depth = model.nodes[i * 3 + 1];
      const node = childOf(depth ? path[depth - 1] : top, model.nodes[i * 3]);
      path[depth] = node;
      samples[node] += model.nodes[i * 3 + 2];
      self[node] += model.weights ? model.weights[i] : model.nodes[i * 3 + 2];
    }
  }
  return {count, parent, label, self, samples, names, files, kinds};
}

// Node numbers, the lightest first. Weight and number fit one double, mostly: then sorting is native.
function byWeight(total, count) {
  const order = new Float64Array(count);
  if ((total[0] + 1) * count < Number.MAX_SAFE_INTEGER) {
    for (let i = 0; i < count; i++)
      order[i] = total[i] * count + (count - 1 - i);
    order.sort();
    for (let i = 0; i < count; i++)
      order[i] = count - 1 - order[i] % count;
    return order;
  }
  for (let i = 0; i < count; i++)
    order[i] = i;
  return order.sort((a, b) => total[a] - total[b] || b - a);
}

function buildGraph(model, grouping, withIdle) {
  const merged = mergeThreads(model, grouping, withIdle);
  const {count, parent} = merged;
  const total = merged.self.slice(0, count), totalSamples = merged.samples.slice(0, count);
  for (let i = count - 1; i > 0; i--) {
    total[parent[i]] += total[i];
    totalSamples[parent[i]] += totalSamples[i];
  }
  const first = new Int32Array(count).fill(-1), next = new Int32Array(count).fill(-1);
  for (const node of byWeight(total, count)) {
    if (node) {
      next[node] = first[parent[node]];
      first[parent[node]] = node;
    }
  }
  return layOut(merged, total, totalSamples, first, next);
}

// Number the nodes anew, in preorder, and give each its place: start … start + total of the whole.
function layOut(merged, total, totalSamples, first, next) {
  const {count, names, files, kinds} = merged;
  const graph = {
    count, names, files, kinds,
    label: new Int32Array(count), parent: new Int32Array(count), end: new Int32Array(count),
    depth: new Int32Array(count), start: new Float64Array(count), total: new Float64Array(count),
    self: new Float64Array(count), samples: new Float64Array(count), selfSamples: new Float64Array(count),
    rows: [],
  };
  const open = new Int32Array(count), number = new Int32Array(count);
  let length = 1, at = 0;
  open[0] = 0;
  while (length) {
    const node = open[--length];
    if (node < 0) { // all below it has been numbered
      graph.end[number[~node]] = at;
      continue;
    }
    const id = at++, up = merged.parent[node];
    number[node] = id;
    graph.label[id] = merged.label[node];
    graph.parent[id] = up < 0 ? -1 : number[up];
    graph.depth[id] = up < 0 ? 0 : graph.depth[number[up]] + 1;
    graph.total[id] = total[node];
    graph.self[id] = merged.self[node];
    graph.samples[id] = totalSamples[node];
    graph.selfSamples[id] = merged.samples[node];
    open[length++] = ~node;
    const from = length;
    for (let child = first[node]; child >= 0; child = next[child])
      open[length++] = child;
    open.subarray(from, length).reverse();
  }
  place(graph);
  return graph;
}

function place(graph) {
  const {count, depth, parent, start, total} = graph;
  const filled = new Float64Array(count), sizes = [];
  for (let i = 0; i < count; i++) {
    if (i) {
      start[i] = start[parent[i]] + filled[parent[i]];
      filled[parent[i]] += total[i];
    }
    sizes[depth[i]] = (sizes[depth[i]] || 0) + 1;
  }
  graph.rows = sizes.map(size => new Int32Array(size));
  const used = new Int32Array(sizes.length);
  for (let i = 0; i < count; i++)
    graph.rows[depth[i]][used[depth[i]]++] = i;
}

// The first node of a row that ends right of x; the row's length if none does.
function firstRightOf(graph, row, x) {
  let low = 0, high = row.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (graph.start[row[middle]] + graph.total[row[middle]] > x)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// How many rows the subtree of a node reaches down to, counted from the top of the graph.
function rowsBelow(graph, node) {
  let deepest = graph.depth[node];
  for (let i = node; i < graph.end[node]; i++)
    if (graph.depth[i] > deepest)
      deepest = graph.depth[i];
  return deepest + 1;
}
