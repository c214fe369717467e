// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Read the recording, show it, and say how long that took.

const page = new Page(JSON.parse($("data").textContent));
page.start();
requestAnimationFrame(() => requestAnimationFrame(() => {
  // The first picture is on the screen: milliseconds since the page was asked for.
  document.documentElement.dataset.openMs = Math.round(performance.now());
  document.documentElement.dataset.nodes = page.graph.count;
}));

// For the curious, and for tests.
window.homeward = page;
page.shortName = shortName;
