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
  const parent = new Int32Array(room), label = new Int32Array(room);
  const self = new Float64Array(room), samples = new Float64Array(room);
  const groupLabels = new Map(), children = new Int32Array(2 << Math.ceil(Math.log2(room))), mask = children.length - 1;
  let count = 1;

  const newLabel = (name, detail) => {
    names.push(name);
    files.push(detail);
    kinds.push(GROUP);
    return names.length - 1;
  };
  // children is a hash table, at most half full; a place holds a node, 0 is free (the root is no child).
  const childOf = (node, ofLabel) => {
    let at = (Math.imul(node, 0x9e3779b1) ^ Math.imul(ofLabel, 0x85ebca6b)) >>> 7 & mask;
    for (let child; (child = children[at]); at = (at + 1) & mask)
      if (parent[child] === node && label[child] === ofLabel)
        return child;
    children[at] = count;
    parent[count] = node;
    label[count] = ofLabel;
    return count++;
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

// Node numbers, the heaviest first. Weight and number fit one double, mostly: then sorting is native.
function byWeight(total, count) {
  const order = new Float64Array(count);
  if ((total[0] + 1) * count < Number.MAX_SAFE_INTEGER) {
    for (let i = 0; i < count; i++)
      order[i] = (total[0] - total[i]) * count + i;
    order.sort();
    for (let i = 0; i < count; i++)
      order[i] %= count;
    return order;
  }
  for (let i = 0; i < count; i++)
    order[i] = i;
  return order.sort((a, b) => total[b] - total[a] || a - b);
}

function buildGraph(model, grouping, withIdle) {
  const merged = mergeThreads(model, grouping, withIdle);
  const {count, parent} = merged;
  const total = merged.self.slice(0, count), totalSamples = merged.samples.slice(0, count);
  for (let i = count - 1; i > 0; i--) {
    total[parent[i]] += total[i];
    totalSamples[parent[i]] += totalSamples[i];
  }
  // Lists of children, the lightest in front.
  const lightest = new Int32Array(count).fill(-1), next = new Int32Array(count).fill(-1);
  const order = byWeight(total, count);
  for (let i = 0; i < count; i++) {
    const node = order[i];
    if (node) {
      next[node] = lightest[parent[node]];
      lightest[parent[node]] = node;
    }
  }
  return layOut(merged, total, totalSamples, lightest, next);
}

// Number the nodes anew, in preorder, and give each its place: start … start + total of the whole.
function layOut(merged, total, totalSamples, lightest, next) {
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
    for (let child = lightest[node]; child >= 0; child = next[child])
      open[length++] = child;
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

// The first node of a row, from the given one on, that ends right of x; the row's length if none does.
function firstRightOf(graph, row, x, low = 0) {
  let high = row.length;
  // Mostly it is near: take steps of double the length first.
  for (let step = 1; low + step < high; step *= 2) {
    if (graph.start[row[low + step]] + graph.total[row[low + step]] > x) {
      high = low + step + 1;
      break;
    }
    low += step;
  }
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
