// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Searching: which labels match, and what share of the samples runs in them or below them.

// What is no regular expression is taken as it stands.
function compileSearch(text) {
  try {
    return {regex: new RegExp(text, "iu"), literal: false};
  } catch {
    return {regex: new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i"), literal: true};
  }
}

function searchGraph(graph, text) {
  const {regex, literal} = compileSearch(text), labels = new Uint8Array(graph.names.length);
  for (let label = 0; label < labels.length; label++)
    labels[label] = regex.test(graph.names[label]) || (graph.kinds[label] !== GROUP && regex.test(graph.files[label]));
  const nodes = [];
  for (let i = 1; i < graph.count; i++)
    if (labels[graph.label[i]])
      nodes.push(i);
  return {text, literal, labels, nodes, ranked: null};
}

// The weight of all matching nodes inside a node; what matches inside a match counts once.
function foundWeight(graph, found, inside) {
  let sum = 0, past = 0;
  // Inside a match, everything is found.
  for (let up = graph.parent[inside]; up > 0; up = graph.parent[up])
    if (found.labels[graph.label[up]])
      return graph.total[inside];
  for (const node of found.nodes) {
    if (node < inside || node < past || node >= graph.end[inside])
      continue;
    sum += graph.total[node];
    past = graph.end[node];
  }
  return sum;
}

// The matches to go through one by one, the heaviest first.
function rankFound(graph, found) {
  if (!found.ranked)
    found.ranked = found.nodes.slice().sort((a, b) => graph.total[b] - graph.total[a] || a - b);
  return found.ranked;
}
